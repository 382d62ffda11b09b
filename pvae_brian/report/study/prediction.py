"""Measured against what is paid for: spikes against the prior's rates, and KL against spikes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pvae_brian.report.plots._axes import draw_note, fits_log_axis, get_axes, set_log_axis
from pvae_brian.report.study._legends import (
    draw_legend,
    family_handles,
    hidden_handle,
    size_handles,
)
from pvae_brian.report.study._scales import (
    has_range,
    log_limits,
    scale_axis,
    shown_on_axis,
    with_ends,
)
from pvae_brian.report.study._series import (
    by_family_and,
    check_columns,
    draw_points,
    family_of,
    known,
    reference_style,
    shades,
    sizes,
)

if TYPE_CHECKING:
    import pandas as pd

    from pvae_brian.sweep.answers.prediction import Relation


def plot_spikes_against_prior(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    relations: Sequence[Relation] = (),
) -> Axes:
    """Plot measured spikes of each model against its prior rate cost.

    A prior at its optimum expects as many spikes as there are, so P-VAEs that converged should
    lie on the line of equal numbers. Of a control it is the activity of its prior, which is fixed.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`: a row for each model.
    ax : Axes, optional
        Where to plot; a new figure by default.
    relations : sequence of Relation, optional
        Of `compute_predictions`: a fit to the models of a family that converged. Its straight line
        is drawn, on logarithmic axes its power law.

    Returns
    -------
    Axes
        Logarithmic where values differ more than tenfold. Bars are 95 % intervals over stimuli;
        models that did not converge are hollow. Shade and size tell the number of latents.

    Raises
    ------
    TypeError, ValueError
        If ``table`` is no table, or lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"model": "poisson", "beta": [1.0, 4.0], "n_latents": 64, "seed": 0,
    ...                       "spikes": [8.0, 2.0], "prior_rate_cost": [8.1, 1.9]})
    >>> plot_spikes_against_prior(table, Figure().subplots()).get_xlabel()
    'prior rate cost (spikes per stimulus)'
    """
    check_columns(table, "prior_rate_cost", "spikes")
    ax = get_axes(ax)
    ax.set_xlabel("prior rate cost (spikes per stimulus)")
    ax.set_ylabel("measured (spikes per stimulus)")
    found = _draw_models(ax, table, "prior_rate_cost", "spikes", bars=("y",), is_square=True)
    if found is None:
        return ax
    shown, entries = found
    # Both ways from the same numbers to the same numbers.
    values = shown[["prior_rate_cost", "spikes"]].to_numpy(dtype=float).ravel()
    for name in "xy":
        scale_axis(ax, name, values, with_ends(shown, "spikes"))
    x = _across(ax)
    ax.plot(x, x, **reference_style(), label="equal")
    lines = [Line2D([], [], **reference_style(), label="equal")]
    for relation in relations:
        lines += _draw_fit(ax, relation)
    draw_legend(ax, *entries, lines)
    return ax


def plot_kl_over_models(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Plot the KL term of each model against its measured spikes.

    If the KL prices spikes, models with more of the one have more of the other. The line
    is of equal KL per spike, in bits: an upper bound on what the counts of a P-VAE tell.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`: a row for each model.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        Logarithmic both ways where either differs more than tenfold. Bars are 95 % intervals over
        stimuli; models that did not converge are hollow. Shade and size tell the number of latents.

    Raises
    ------
    TypeError, ValueError
        If ``table`` is no table, or lacks a column.

    See Also
    --------
    pvae_brian.report.plot_kl_against_spikes : The same for the neurons of one model.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"model": "poisson", "beta": [1.0, 4.0], "n_latents": 64, "seed": 0,
    ...                       "spikes": [8.0, 2.0], "kl_nats": [12.0, 3.0]})
    >>> plot_kl_over_models(table, Figure().subplots()).get_ylabel()
    'KL (nats per stimulus)'
    """
    check_columns(table, "spikes", "kl_nats")
    ax = get_axes(ax)
    ax.set_xlabel("measured (spikes per stimulus)")
    ax.set_ylabel("KL (nats per stimulus)")
    found = _draw_models(ax, table, "spikes", "kl_nats", bars=("x", "y"))
    if found is None:
        return ax
    shown, entries = found
    is_log = _either_has_range(shown, "spikes", "kl_nats")
    for name, quantity in (("x", "spikes"), ("y", "kl_nats")):
        ends = with_ends(shown, quantity)
        if is_log:
            # Equal KL per spike is a straight line only if both are.
            set_log_axis(ax, name, log_limits(ends))
        else:
            scale_axis(ax, name, shown[quantity].to_numpy(), ends)
    draw_legend(ax, *entries, _draw_kl_per_spike(ax, shown))
    return ax


def _draw_models(
    ax: Axes,
    table: pd.DataFrame,
    x: str,
    y: str,
    *,
    bars: tuple[str, ...],
    is_square: bool = False,
) -> tuple[pd.DataFrame, tuple[list[Line2D], ...]] | None:
    """Draw all models that have both; return them with what the legend says of them."""
    both = known(table, x, y)
    values = both[[x, y]].to_numpy(dtype=float)
    # On axes that are alike, what one of them cannot show the other cannot either.
    if is_square:
        fits = shown_on_axis(values)
    else:
        is_log = _either_has_range(both, x, y)
        fits = np.apply_along_axis(fits_log_axis if is_log else shown_on_axis, 0, values)
    shown = both[np.all(fits, axis=1)]
    if shown.empty:
        draw_note(ax, "no model has spikes")
        return None
    opaque, large = shades(shown["n_latents"]), sizes(shown["n_latents"])
    for model, k, rows in by_family_and(shown, "n_latents"):
        label = f"{family_of(model).name}, K = {k:g}"
        draw_points(ax, rows, x, y, label, shade=opaque[k], size=large[k], bars=bars)
    entries = (
        family_handles(shown, lines=False) + hidden_handle(fits, "at or near 0"),
        size_handles(shown["n_latents"], "K", lines=False),
    )
    return shown, entries


def _either_has_range(rows: pd.DataFrame, *names: str) -> bool:
    return any(has_range(rows[name].to_numpy()) for name in names)


def _draw_kl_per_spike(ax: Axes, shown: pd.DataFrame) -> list[Line2D]:
    """Draw a line of equal KL per spike, a round number of bits, near the models' median."""
    nats, spikes = shown["kl_nats"].to_numpy(), shown["spikes"].to_numpy()
    some = (nats > 0) & (spikes > 0)
    if not some.any():
        return []
    bits = float(f"{np.median(nats[some] / spikes[some]) / np.log(2):.1g}")
    label = f"KL per spike: {bits:g} {'bit' if bits == 1 else 'bits'}"
    x = _across(ax)
    ax.plot(x, bits * np.log(2) * x, **reference_style(), label=label, scaley=False, zorder=1)
    return [Line2D([], [], **reference_style(), label=label)]


def _draw_fit(ax: Axes, relation: Relation) -> list[Line2D]:
    """Draw a fit across the axes, if there is one."""
    is_log = ax.get_xscale() == "log"
    line = relation.log_line if is_log else relation.line
    slope, intercept = line.slope.value, line.intercept.value
    if not np.isfinite([slope, intercept]).all():
        return []
    x, family = _across(ax), family_of(relation.family)
    if is_log:
        y, formula = np.exp(intercept) * x**slope, f"{np.exp(intercept):.3g} x^{slope:.2f}"
    else:
        sign = "\N{MINUS SIGN}" if intercept < 0 else "+"
        y, formula = slope * x + intercept, f"{slope:.3g} x {sign} {abs(intercept):.2g}"
    style: dict[str, Any] = {
        "color": family.colour,
        "ls": "--",
        "lw": 1,
        "label": f"{family.name}: {formula}",
    }
    ax.plot(x, y, **style, scalex=False, scaley=False, zorder=1.5)
    return [Line2D([], [], **style)]


def _across(ax: Axes) -> np.ndarray:
    """Return places along the whole x axis."""
    space = np.geomspace if ax.get_xscale() == "log" else np.linspace
    return space(*ax.get_xlim(), 200)
