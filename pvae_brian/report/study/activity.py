"""How the activity of models goes with beta: their spikes, and how many counts are zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pvae_brian.report.plots._axes import REFERENCE, draw_note, get_axes, ink
from pvae_brian.report.study._legends import (
    draw_legend,
    family_handles,
    hidden_handle,
    size_handles,
)
from pvae_brian.report.study._scales import scale_axis, set_grid_axis, shown_on_axis, with_ends
from pvae_brian.report.study._series import (
    by_family_and,
    check_columns,
    draw_line,
    draw_points,
    families_in,
    family_of,
    known,
    shades,
    sizes,
)

if TYPE_CHECKING:
    import pandas as pd

BETA_LABEL = "β (weight of the KL)"


def plot_spikes_against_beta(
    table: pd.DataFrame, ax: Axes | None = None, *, published: pd.DataFrame | None = None
) -> Axes:
    """Plot measured spikes per stimulus against beta, a line for each family and K.

    If the KL prices spikes, the P-VAE's lines fall and the control's need not. Colour and marker
    tell families apart, shade and size the number of latents. With several seeds a line goes
    through their means.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`: a row for each model.
    ax : Axes, optional
        Where to plot; a new figure by default.
    published : pandas.DataFrame, optional
        Columns 'model', 'beta', 'spikes' and 'dataset', drawn as thin grey markers.

    Returns
    -------
    Axes
        Logarithmic in beta, and in spikes where they differ more than tenfold. Bars are 95 %
        intervals over stimuli; models that did not converge are hollow; those without spikes, as
        of a plain Gaussian VAE, are not there.

    Raises
    ------
    TypeError, ValueError
        If ``table`` is no table, or lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"model": "poisson", "beta": [1.0, 4.0], "n_latents": 64, "seed": 0,
    ...                       "spikes": [8.0, 2.0]})
    >>> plot_spikes_against_beta(table, Figure().subplots()).get_ylabel()
    'measured (spikes per stimulus)'
    """
    check_columns(table, "spikes")
    ax = get_axes(ax)
    ax.set_ylabel("measured (spikes per stimulus)")
    shown = _draw(ax, table, "spikes", published)
    if shown is not None:
        others = () if published is None else published["spikes"]
        ends = np.concatenate([with_ends(shown, "spikes"), np.asarray(others, dtype=float)])
        scale_axis(ax, "y", shown["spikes"].to_numpy(), ends)
    return ax


def plot_zeros_against_beta(
    table: pd.DataFrame, ax: Axes | None = None, *, published: pd.DataFrame | None = None
) -> Axes:
    """Plot the fraction of zero counts against beta, a line for each family and K.

    Dashed, with crosses: the fraction of zeros among the model's own latents. For a P-VAE these are
    the same counts; the control's latents are no counts, and what the neurons that they drive fire
    is another thing.

    Parameters
    ----------
    table : pandas.DataFrame
        Of a `Sweep`: a row for each model.
    ax : Axes, optional
        Where to plot; a new figure by default.
    published : pandas.DataFrame, optional
        Columns 'model', 'beta', 'fraction_zeros' and 'dataset', drawn as thin grey markers.

    Returns
    -------
    Axes
        Logarithmic in beta, from 0 to 1. Bars are 95 % intervals over stimuli; models that did not
        converge are hollow.

    Raises
    ------
    TypeError, ValueError
        If ``table`` is no table, or lacks a column.

    Examples
    --------
    >>> import pandas as pd
    >>> from matplotlib.figure import Figure
    >>> table = pd.DataFrame({"model": "poisson", "beta": [1.0, 4.0], "n_latents": 64, "seed": 0,
    ...                       "fraction_zeros": [0.8, 0.9], "latent_zeros": [0.8, 0.9]})
    >>> plot_zeros_against_beta(table, Figure().subplots()).get_ylabel()
    'fraction of zero counts'
    """
    check_columns(table, "fraction_zeros", "latent_zeros")
    ax = get_axes(ax)
    ax.set_ylabel("fraction of zero counts")
    own = Line2D([], [], color=ink(), ls="--", marker="x", ms=4, lw=1, label="the model's latents")
    if _draw(ax, table, "fraction_zeros", published, also="latent_zeros", entry=own) is not None:
        ax.set_ylim(-0.02, 1.02)
    return ax


def _draw(
    ax: Axes,
    table: pd.DataFrame,
    name: str,
    published: pd.DataFrame | None,
    *,
    also: str | None = None,
    entry: Line2D | None = None,
) -> pd.DataFrame | None:
    """Draw a quantity, and another of it dashed; None where there is nothing to draw."""
    shown = known(table, name)
    # Zeros are no matter of logarithms: they are a fraction.
    fits = np.full(len(shown), True) if also else shown_on_axis(shown[name].to_numpy())
    shown = shown[fits]
    beside = shown if also is None else known(table, also)
    if shown.empty and beside.empty:
        set_grid_axis(ax, "x", table["beta"] if len(table) else [1.0], BETA_LABEL)
        draw_note(ax, "no model has spikes")
        return None
    latents = table["n_latents"]
    opaque, large = shades(latents), sizes(latents)
    for model, k, rows in by_family_and(shown, "n_latents"):
        label = f"{family_of(model).name}, K = {k:g}"
        draw_line(ax, rows, "beta", name, label, shade=opaque[k])
        draw_points(ax, rows, "beta", name, f"_{label}", shade=opaque[k], size=large[k])
    if also is not None:
        for model, k, rows in by_family_and(beside, "n_latents"):
            label = f"{family_of(model).name}, K = {k:g}, the model's latents"
            style = {"ls": "--", "marker": "x", "ms": 4, "lw": 1}
            draw_line(ax, rows, "beta", also, label, shade=opaque[k], **style)
    there = table[table["model"].isin({*shown["model"], *beside["model"]})]
    others = [
        *([] if entry is None else [entry]),
        *_draw_published(ax, published, name, there),
        *hidden_handle(fits, "at or near 0"),
    ]
    reach = () if published is None else published["beta"]
    set_grid_axis(ax, "x", table["beta"], BETA_LABEL, others=reach)
    draw_legend(ax, family_handles(there), size_handles(there["n_latents"], "K"), others)
    return shown


def _draw_published(
    ax: Axes, published: pd.DataFrame | None, name: str, table: pd.DataFrame
) -> list[Line2D]:
    """Draw published values of the families that are there; return their entries of the legend."""
    if published is None:
        return []
    missing = [each for each in ("model", "beta", name, "dataset") if each not in published]
    if missing:
        raise ValueError(
            f"published must have the columns 'model', 'beta', {name!r} and 'dataset', got none "
            f"named {', '.join(missing)}"
        )
    thin = {"color": ink(), "alpha": REFERENCE, "mfc": "none", "mew": 0.7, "ms": 4, "lw": 0}
    handles = []
    for dataset in dict.fromkeys(published["dataset"]):
        of_set = published[published["dataset"] == dataset]
        for model in families_in(table):
            rows = of_set[of_set["model"] == model]
            family = family_of(model)
            if len(rows):
                label = f"published {family.name}, {dataset}"
                style: dict[str, Any] = thin | {"marker": family.marker, "label": label}
                at, values = rows["beta"].to_numpy(), rows[name].to_numpy()
                ax.plot(at, values, zorder=1.5, **style)
                handles.append(Line2D([], [], **style))
    return handles
