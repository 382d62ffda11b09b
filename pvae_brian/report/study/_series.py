"""What the figures of a study share: how families and sizes look, and how models are drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes

from pvae_brian.report.plots._axes import (
    REFERENCE,
    draw_intervals,
    ink,
)
from pvae_brian.sweep.answers.names import FAMILIES

if TYPE_CHECKING:
    import pandas as pd

_PALEST = 0.5
_SMALLEST, _LARGEST = 3.5, 7.0


@dataclass(frozen=True)
class Family:
    """How the models of one family are named and drawn: by colour and by marker."""

    name: str
    colour: str
    marker: str


_FAMILIES = {
    model: Family(name, colour, marker)
    for (model, name), colour, marker in zip(
        FAMILIES.items(), ("C0", "C1", "C2"), ("o", "s", "^"), strict=True
    )
}


def family_of(model: str) -> Family:
    """Return how a family is drawn; one that is not known goes by its own name."""
    return _FAMILIES.get(model, Family(model, "C3", "D"))


def families_in(table: pd.DataFrame) -> list[str]:
    """Return the models of a table in the order of the families, then of the table."""
    return in_order(table["model"])


def in_order(models: Iterable[str]) -> list[str]:
    """Return each model once: those of `family_of` first, in its order."""
    found = list(dict.fromkeys(models))
    return [m for m in _FAMILIES if m in found] + [m for m in found if m not in _FAMILIES]


def check_columns(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the table, or raise if it is none of a study.

    Raises
    ------
    TypeError
        If it is no table.
    ValueError
        If a column is missing.
    """
    columns = getattr(table, "columns", None)
    if columns is None:
        raise TypeError(
            f"table must be a pandas.DataFrame, got {type(table).__name__}; pass sweep.table"
        )
    missing = [n for n in ("model", "beta", "n_latents", "seed", *names) if n not in columns]
    if missing:
        raise ValueError(
            f"table must have a column for each quantity that is plotted, got none named "
            f"{', '.join(missing)}; pass sweep.table"
        )
    return table


def known(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    """Return the rows in which all of these are numbers: a plain Gaussian VAE has no spikes."""
    numbers = table[list(names)].to_numpy(dtype=float)
    return table[np.isfinite(numbers).all(axis=1)]


def shades(values: Iterable[float]) -> dict[float, float]:
    """Return how opaque each is, from the palest for the least to full ink for the greatest."""
    values = sorted(set(values))
    if len(values) == 1:
        return {values[0]: 1.0}
    return dict(zip(values, np.linspace(_PALEST, 1.0, len(values)), strict=True))


def sizes(values: Iterable[float]) -> dict[float, float]:
    """Return the size of the marker of each, beside its shade."""
    values = sorted(set(values))
    if len(values) == 1:
        return {values[0]: 5.0}
    return dict(zip(values, np.linspace(_SMALLEST, _LARGEST, len(values)), strict=True))


def by_family_and(table: pd.DataFrame, name: str) -> Iterator[tuple[str, float, pd.DataFrame]]:
    """Yield the rows of each family at each value of a coordinate, where there are any."""
    for model in families_in(table):
        of_model = table[table["model"] == model]
        for value in sorted(set(of_model[name])):
            yield model, value, of_model[of_model[name] == value]


def draw_bars(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, bars: Sequence[str], *, shade: float = 1.0
) -> None:
    """Draw the intervals of models of one family, along 'x', 'y' or both."""
    colour = family_of(rows["model"].iloc[0]).colour
    for along in bars:
        value, place = (x, y) if along == "x" else (y, x)
        if f"{value}_low" in rows:
            at, low, high = (rows[n].to_numpy() for n in (place, f"{value}_low", f"{value}_high"))
            style = {"color": colour, "alpha": shade, "lw": 1.2, "label": f"_interval of {value}"}
            draw_intervals(ax, at, low, high, along=along, **style)


def draw_points(
    ax: Axes,
    rows: pd.DataFrame,
    x: str,
    y: str,
    label: str,
    *,
    shade: float = 1.0,
    size: float = 5.0,
    bars: Sequence[str] = ("y",),
) -> None:
    """Draw models of one family with their intervals; those that did not converge are hollow."""
    draw_bars(ax, rows, x, y, bars, shade=shade)
    family = family_of(rows["model"].iloc[0])
    is_converged = converged(rows)
    for chosen, fill, name in (
        (is_converged, family.colour, label),
        (~is_converged, "none", f"{label}, not converged"),
    ):
        if chosen.any():
            at, value = (rows[n].to_numpy()[chosen] for n in (x, y))
            style: dict[str, Any] = {
                "color": family.colour,
                "mfc": fill,
                "alpha": shade,
                "ms": size,
            }
            ax.plot(at, value, family.marker, **style, label=name)


def converged(rows: pd.DataFrame) -> np.ndarray:
    """Tell which models converged; all of them where a table does not say."""
    if "converged" not in rows:
        return np.full(len(rows), True)
    return rows["converged"].to_numpy(dtype=bool)


def draw_line(
    ax: Axes, rows: pd.DataFrame, x: str, y: str, label: str, *, shade: float = 1.0, **style: Any
) -> None:
    """Draw a line through the means over seeds."""
    mean = rows.groupby(x)[y].mean().sort_index()
    usual: dict[str, Any] = {"color": family_of(rows["model"].iloc[0]).colour, "lw": 1.2}
    ax.plot(mean.index.to_numpy(), mean.to_numpy(), alpha=shade, label=label, **(usual | style))


def reference_style() -> dict[str, Any]:
    """How lines to hold data against are drawn."""
    return {"color": ink(), "alpha": REFERENCE, "lw": 1}
