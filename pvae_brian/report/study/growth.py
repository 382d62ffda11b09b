"""How the activity of models grows with the number of their latents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pvae_brian.report.plots._axes import (
    draw_note,
    fits_log_axis,
    get_axes,
    set_log_axis,
)
from pvae_brian.report.study._legends import draw_legend, family_handles, hidden_handle
from pvae_brian.report.study._scales import log_limits, set_grid_axis, with_ends
from pvae_brian.report.study._series import (
    by_family_and,
    check_columns,
    draw_line,
    draw_points,
    family_of,
    known,
    shades,
    sizes,
)

if TYPE_CHECKING:
    import pandas as pd


def plot_growth(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    exponents: Mapping[tuple[str, float], float] | None = None,
) -> Axes:
    """Plot measured spikes per stimulus against the number of latents, a line for each beta.

    A straight line is a power law. The legend says its exponent: 1 if spikes grow as latents do,
    0 if they do not grow.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`: a row for each model.
    ax : Axes, optional
        Where to plot; a new figure by default.
    exponents : mapping of (str, float) to float, optional
        Exponent of each family at each beta, for the legend. By default that of a least-squares
        line through the logarithms of all models.

    Returns
    -------
    Axes
        Logarithmic both ways. Shade and size tell beta. Bars are 95 % intervals over stimuli;
        models that did not converge are hollow.

    Raises
    ------
    TypeError, ValueError
        If ``table`` is no table, or lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"model": "poisson", "beta": 1.0, "n_latents": [64, 256], "seed": 0,
    ...                       "spikes": [8.0, 16.0]})
    >>> plot_growth(table, Figure().subplots()).get_xlabel()
    'K (latents)'
    """
    check_columns(table, "spikes")
    ax = get_axes(ax)
    ax.set_ylabel("measured (spikes per stimulus)")
    numbers = known(table, "spikes")
    fits = fits_log_axis(numbers["spikes"].to_numpy())
    shown = numbers[fits]
    set_grid_axis(ax, "x", table["n_latents"] if len(table) else [1.0], "K (latents)")
    if shown.empty:
        draw_note(ax, "no model has spikes")
        return ax
    opaque, large = shades(shown["beta"]), sizes(shown["beta"])
    handles = []
    for model, beta, rows in by_family_and(shown, "beta"):
        family = family_of(model)
        label = f"{family.name}, β = {beta:g}"
        draw_line(ax, rows, "n_latents", "spikes", label, shade=opaque[beta])
        size = large[beta]
        draw_points(ax, rows, "n_latents", "spikes", f"_{label}", shade=opaque[beta], size=size)
        exponent = _exponent(rows) if exponents is None else exponents.get((model, beta), np.nan)
        fitted = f": ∝ K^{exponent:.2g}" if np.isfinite(exponent) else ""
        style: dict[str, Any] = {
            "color": family.colour,
            "marker": family.marker,
            "alpha": opaque[beta],
        }
        entry = Line2D([], [], **style, ms=size, lw=1.2, label=f"β = {beta:g}{fitted}")
        handles.append(entry)
    set_log_axis(ax, "y", log_limits(with_ends(shown, "spikes")))
    families = family_handles(shown) + hidden_handle(fits, "at or near 0")
    draw_legend(ax, families, handles)
    return ax


def _exponent(rows: pd.DataFrame) -> float:
    """Return the slope of the logarithms; not defined for one number of latents."""
    if rows["n_latents"].nunique() < 2:
        return float("nan")
    return float(np.polyfit(np.log(rows["n_latents"]), np.log(rows["spikes"]), 1)[0])
