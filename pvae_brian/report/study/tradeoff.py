"""Error, energy and information of all models together: what one pays for the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D

from pvae_brian.report.plots._axes import (
    draw_note,
    fits_log_axis,
    get_axes,
    ink,
    set_log_axis,
)
from pvae_brian.report.study._legends import draw_legend, family_handles, hidden_handle
from pvae_brian.report.study._scales import has_range, log_limits, shown_on_axis, with_ends
from pvae_brian.report.study._series import (
    by_family_and,
    check_columns,
    converged,
    draw_bars,
    families_in,
    family_of,
    known,
    shades,
)

if TYPE_CHECKING:
    import pandas as pd

# Of the markers of the greatest KL and of none, in points.
_LARGEST, _SMALLEST = 9.0, 2.5
# Of the axes, both ways: names nearer to each other would touch.
_APART = 0.06


def plot_tradeoff(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    unit: str = "ATP",
    front: pd.DataFrame | None = None,
) -> Axes:
    """Plot the error of each model's code against the energy of its spikes, and its KL as size.

    Three prices at once: error (distortion), KL (rate) and energy. A thin line joins the models of
    one family and K, from beta to beta; the numbers beside it are betas.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`: a row for each model.
    ax : Axes, optional
        Where to plot; a new figure by default.
    unit : str
        Of the energy: that of the budget of the study.
    front : pandas.DataFrame, optional
        Rows of the Pareto front, with 'energy' and 'error': no model is better in the one without
        being worse in the other. Drawn as steps.

    Returns
    -------
    Axes
        Logarithmic in energy, and in error where it differs more than tenfold. The area of a
        marker goes with the KL in nats per stimulus. Bars are 95 % intervals over stimuli; models
        that did not converge are hollow.

    Raises
    ------
    TypeError, ValueError
        If ``table`` is no table, or lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"model": "poisson", "beta": [1.0, 4.0], "n_latents": 64, "seed": 0,
    ...                       "energy": [4e9, 1e9], "error": [80.0, 150.0], "kl_nats": [9.0, 2.0]})
    >>> ax = plot_tradeoff(table, Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['1', '4']
    """
    check_columns(table, "energy", "error", "kl_nats")
    ax = get_axes(ax)
    ax.set_xlabel(f"energy of spikes ({unit} per stimulus)")
    ax.set_ylabel("error (squared, summed over pixels)")
    all_three = known(table, "energy", "error", "kl_nats")
    fits = fits_log_axis(all_three["energy"].to_numpy())
    fits &= shown_on_axis(all_three["error"].to_numpy())
    shown = all_three[fits]
    if shown.empty:
        draw_note(ax, "no model has spikes")
        return ax
    greatest = float(shown["kl_nats"].max())
    opaque = shades(shown["n_latents"])
    for model, k, rows in by_family_and(shown, "n_latents"):
        family, shade = family_of(model), opaque[k]
        label = f"{family.name}, K = {k:g}"
        path = rows.groupby("beta")[["energy", "error"]].mean()
        ax.plot(*path.to_numpy().T, color=family.colour, alpha=shade, lw=0.8, label=label)
        draw_bars(ax, rows, "energy", "error", "xy", shade=shade)
        ax.scatter(
            rows["energy"],
            rows["error"],
            s=_marker_size(rows["kl_nats"].to_numpy(), greatest) ** 2,
            marker=family.marker,
            facecolors=[to_rgba(family.colour, shade * full) for full in converged(rows)],
            edgecolors=to_rgba(family.colour, shade),
            label=f"_{label}",
        )
    set_log_axis(ax, "x", log_limits(with_ends(shown, "energy")))
    if has_range(shown["error"].to_numpy()):
        set_log_axis(ax, "y", log_limits(with_ends(shown, "error")))
    _name_betas(ax, shown)
    others = hidden_handle(fits, "at or near 0")
    if front is not None and len(front):
        others = [_draw_front(ax, front), *others]
    draw_legend(ax, family_handles(shown, lines=False), _kl_handles(greatest) + others)
    return ax


def _marker_size(kl: np.ndarray, greatest: float) -> np.ndarray:
    """Return sizes whose squares go with the KL, but for those that would be too small to see."""
    return np.maximum(_LARGEST * np.sqrt(kl / (greatest or 1.0)), _SMALLEST)


def _kl_handles(greatest: float) -> list[Line2D]:
    """Return an entry of the legend for a large and for a small KL, in round numbers."""
    if greatest <= 0:
        return []
    largest = float(f"{greatest:.1g}")
    return [
        Line2D(
            [], [], color=ink(), marker="o", mfc="none", lw=0,
            ms=float(_marker_size(np.array(nats), greatest)), label=f"KL {nats:g} nats",
        )
        for nats in (largest, largest / 5)
    ]  # fmt: skip


def _name_betas(ax: Axes, shown: pd.DataFrame) -> None:
    """Write beta beside one model for each, at the rim of the family, where names do not touch."""
    named: list[np.ndarray] = []
    place = ax.transData + ax.transAxes.inverted()
    spent = shown.groupby("model")["energy"].median()
    for model in families_in(shown):
        rows = shown[shown["model"] == model]
        at = place.transform(rows[["energy", "error"]].to_numpy(dtype=float))
        # Below the family that spends least there is nothing; right of the others neither.
        is_cheapest = spent[model] == spent.min()
        outermost = at.sum(axis=1) if is_cheapest else -at[:, 0]
        side: dict[str, Any] = {"xytext": (-3, -4), "ha": "right", "va": "top"}
        if not is_cheapest:
            side = {"xytext": (7, 0), "ha": "left", "va": "center"}
        for beta in sorted(set(rows["beta"])):
            here = min(np.flatnonzero(rows["beta"] == beta), key=outermost.__getitem__)
            if all((np.abs(at[here] - other) > _APART).any() for other in named):
                named.append(at[here])
                xy = tuple(rows[["energy", "error"]].iloc[here])
                style: dict[str, Any] = {"textcoords": "offset points", "fontsize": "small"}
                ax.annotate(f"{beta:g}", xy, **side, **style)


def _draw_front(ax: Axes, front: pd.DataFrame) -> Line2D:
    """Draw the least error for each energy: it falls in steps, where a model can be afforded."""
    steps = front.sort_values("energy")
    style: dict[str, Any] = {
        "color": ink(),
        "lw": 1.0,
        "drawstyle": "steps-post",
        "label": "Pareto front",
    }
    ax.plot(steps["energy"].to_numpy(), steps["error"].to_numpy(), **style, zorder=1)
    return Line2D([], [], **style)
