"""Axes of the figures of a study: logarithmic where that is called for, and grids of beta or K."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator, NullFormatter, NullLocator

from pvae_brian.report.plots._axes import (
    fits_log_axis,
    padded,
    set_log_axis,
)

if TYPE_CHECKING:
    import pandas as pd

# A linear axis shows less than this of a ratio well.
LOG_RANGE = 10.0
# Of an axis: names of ticks that are nearer to each other would touch.
_APART = 0.07
_NOTHING = np.empty(0)


def has_range(values: np.ndarray) -> bool:
    """Tell whether values call for a logarithmic axis: those above 0 differ more than tenfold."""
    values = np.asarray(values, dtype=float)
    positive = values[np.isfinite(values) & (values > 0)]
    return bool(positive.size) and positive.max() > LOG_RANGE * positive.min()


def shown_on_axis(values: np.ndarray) -> np.ndarray:
    """Tell which values an axis shows that `scale_axis` scales."""
    return fits_log_axis(values) if has_range(values) else np.isfinite(values)


def with_ends(rows: pd.DataFrame, name: str) -> np.ndarray:
    """Return the values of a quantity and what is known of the ends of their intervals."""
    columns = [column for column in (name, f"{name}_low", f"{name}_high") if column in rows]
    values = rows[columns].to_numpy(dtype=float).ravel()
    return values[np.isfinite(values)]


def scale_axis(ax: Axes, name: str, values: np.ndarray, ends: np.ndarray = _NOTHING) -> None:
    """Make an axis logarithmic where values differ more than tenfold, else begin it at 0.

    Ends of intervals have room on it, but do not decide which it is.
    """
    values = np.asarray(values, dtype=float)
    reached = np.concatenate([values[shown_on_axis(values)], ends])
    if has_range(values):
        set_log_axis(ax, name, log_limits(reached))
    elif reached.size and reached.min() >= 0:
        ax.set(**{f"{name}lim": (0, 1.08 * reached.max() or 1.0)})


def log_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits of a log axis around those values that it can show."""
    return padded(values[fits_log_axis(values)])


def set_grid_axis(
    ax: Axes, name: str, values: Iterable[float], label: str, *, others: Iterable[float] = ()
) -> None:
    """Make an axis of the values of a grid: a tick for each, equal ratios at equal distances.

    It reaches to others as well, which have no ticks.
    """
    values = sorted(set(map(float, values)))
    reached = np.array([*values, *map(float, others)])
    if reached.min() > 0:
        ax.set(**{f"{name}scale": "log"})
    elif reached.max() > 0:
        # Nothing has no logarithm: it stands a factor of two before the least of the others.
        scale = {"linthresh": reached[reached > 0].min(), "base": 2, "linscale": 1}
        getattr(ax, f"set_{name}scale")("symlog", **scale)
    axis = getattr(ax, f"{name}axis")
    transform = axis.get_transform()
    at = transform.transform(np.array(values))
    first, last = transform.transform(np.array([reached.min(), reached.max()]))
    room = 0.06 * (last - first) or abs(transform.transform(2 * reached[:1])[0] - first) or 1.0
    limits = transform.inverted().transform(np.array([first - room, last + room]))
    ax.set(**{f"{name}lim": tuple(limits)})
    axis.set_major_locator(FixedLocator(values))
    axis.set_major_formatter(FixedFormatter(_names_apart(values, at, last - first + 2 * room)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    ax.set(**{f"{name}label": label})


def _names_apart(values: list[float], at: np.ndarray, span: float) -> list[str]:
    """Name the ticks that have room, the last and the first before those between."""
    named: list[int] = []
    for k in (len(values) - 1, *range(len(values) - 1)):
        # Long names need more room than short ones.
        room = _APART * span * max(1.0, len(f"{values[k]:g}") / 3)
        if all(abs(at[k] - at[other]) >= room for other in named):
            named.append(k)
    return [f"{value:g}" if k in named else "" for k, value in enumerate(values)]
