"""Counts of each neuron, held against the law that the neuron model predicts."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from scipy.stats import poisson

from pvae_brian.intervals import CONFIDENCE, count_interval
from pvae_brian.measures import residual_fano, residual_fano_band
from pvae_brian.neurons import CountPrediction
from pvae_brian.report.plots._axes import (
    BAND,
    REFERENCE,
    draw_intervals,
    draw_note,
    get_axes,
    ink,
    name_points,
    padded,
    set_log_axis,
)
from pvae_brian.spikes import SpikeRecord


def plot_measured_against_predicted(record: SpikeRecord, ax: Axes | None = None) -> Axes:
    """Plot mean spikes per stimulus of each neuron against their prediction.

    The band holds at least 95 % of the neurons if their counts are Poisson. For a neuron model
    that predicts others it is a line for each neuron: normal, with the variance predicted for it.

    Parameters
    ----------
    record : SpikeRecord
        Of any simulation. Where its neuron model predicts nothing, it is held against Poisson
        counts at the posterior rates.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the record has no stimuli.

    See Also
    --------
    pvae_brian.fidelity.compute_fidelity : The share of neurons outside the band.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import simulate
    >>> ax = plot_measured_against_predicted(simulate([[3.0, 9.0]] * 20), Figure().subplots())
    >>> ax.get_xlabel()
    'predicted (spikes per stimulus)'
    """
    law, named = _law(record)
    ax = get_axes(ax)
    n = record.n_stimuli
    total = law.mean.sum(axis=0)
    scale = np.linspace(0, 1.05 * total.max() / n, 300)
    if law.is_poisson:
        low, high = poisson.interval(CONFIDENCE, scale * n)
        ax.fill_between(
            scale, low / n, high / n, step="mid", color=ink(), alpha=BAND, lw=0, label=named
        )
    else:
        # Symmetric: as far as the mean may be from a total, the total may be from its mean.
        low, high = count_interval(total, law.variance.sum(axis=0))
        draw_intervals(ax, total / n, low / n, high / n, label=named)
    ax.plot(scale, scale, color=ink(), alpha=REFERENCE, lw=1, label="predicted")
    ax.plot(
        total / n, record.counts.mean(axis=0), ".", color="C0", ms=4, clip_on=False, label="neurons"
    )
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("predicted (spikes per stimulus)")
    ax.set_ylabel("measured (spikes per stimulus)")
    ax.legend(frameon=False)
    return ax


def plot_fano_against_rate(record: SpikeRecord, ax: Axes | None = None) -> Axes:
    r"""Plot each neuron's variance about its prediction against its rate.

    That is the residual Fano factor, :math:`\sum_s (z_s - \mu_s)^2 / \sum_s \mu_s`: 1 for Poisson
    counts. A pale line for each neuron holds it in 95 % of exact simulations.

    Parameters
    ----------
    record : SpikeRecord
        Of any simulation. Where its neuron model predicts nothing, it is held against Poisson
        counts at the posterior rates.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        Without the neurons of which less than one spike is predicted in all: they have no Fano
        factor to speak of, near 0 if they never fire and far above 1 else. The legend says how
        many.

    Raises
    ------
    ValueError
        If the record has no stimuli.

    See Also
    --------
    pvae_brian.measures.residual_fano_band : How far the band can be trusted.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import simulate
    >>> ax = plot_fano_against_rate(simulate([[3.0, 9.0]] * 20), Figure().subplots())
    >>> ax.get_xlabel(), ax.get_ylabel()
    ('predicted firing rate (Hz)', 'residual Fano factor (variance / mean)')
    """
    law, named = _law(record)
    ax = get_axes(ax)
    ax.set_xlabel("predicted firing rate (Hz)")
    ax.set_ylabel("residual Fano factor (variance / mean)")
    rate = law.mean.mean(axis=0) / record.window_s
    shown = law.mean.sum(axis=0) >= 1
    if not shown.any():
        draw_note(ax, "less than one spike is predicted of each neuron")
        return ax
    rate = rate[shown]
    fano = residual_fano(record.counts, law).value[shown]
    low, high = (end[shown] for end in residual_fano_band(law))
    draw_intervals(ax, rate, low, high, label=named)
    ax.axhline(1.0, color=ink(), alpha=REFERENCE, lw=1, label="Poisson counts")
    seen = [fano, [1.0]]
    if not law.is_poisson:
        predicted = law.variance.sum(axis=0)[shown] / law.mean.sum(axis=0)[shown]
        ax.plot(rate, predicted, "_", color="C1", ms=5, label=f"{record.neuron.name}, predicted")
        seen.append(predicted)
    ax.plot(
        rate,
        fano,
        ".",
        color="C0",
        ms=4,
        label=name_points("neurons", shown, "predicted < 1 spike"),
    )
    set_log_axis(ax, "x", padded(rate))
    # Bars of neurons that fire a few times only may leave the axes; neurons may not.
    seen = np.concatenate(seen)
    room = max(0.1 * (seen.max() - seen.min()), 0.05)
    ax.set_ylim(max(seen.min() - room, 0.0), seen.max() + room)
    ax.legend(frameon=False)
    return ax


def _law(record: SpikeRecord) -> tuple[CountPrediction, str]:
    """Return the law to hold the counts against, and what its band is called."""
    if record.n_stimuli == 0:
        raise ValueError("a mean over stimuli needs at least one, and none is selected")
    law = record.prediction or CountPrediction(mean=record.rates, variance=record.rates)
    condition = "if Poisson" if law.is_poisson else "as predicted"
    return law, f"{100 * CONFIDENCE:g} % {condition}"
