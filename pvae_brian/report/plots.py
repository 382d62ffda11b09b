"""Plots: data first, ``ax=None``, and the axes returned, with units on every label."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from scipy.stats import poisson

from pvae_brian.intervals import CONFIDENCE
from pvae_brian.spikes import SpikeRecord


def plot_image(pixels: np.ndarray, ax: Axes | None = None, *, scale: float | None = None) -> Axes:
    """Plot an image in grey, symmetric about zero.

    Parameters
    ----------
    pixels : ndarray, shape (height, width)
        The image.
    ax : Axes, optional
        Where to plot; a new figure by default.
    scale : float, optional
        Value shown as white; its negative is black. By default the largest there is.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    scale = scale or float(np.abs(pixels).max()) or 1.0
    ax.imshow(pixels, cmap="gray", vmin=-scale, vmax=scale, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def plot_raster(record: SpikeRecord, stimulus: int, ax: Axes | None = None) -> Axes:
    """Plot the spike times of all latents for one stimulus.

    Parameters
    ----------
    record : SpikeRecord
        With spike times.
    stimulus : int
        Which stimulus.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If the record holds counts only.
    """
    ax = _axes(ax)
    spikes = record.spikes
    shown = spikes.stimulus == stimulus
    ax.plot(spikes.time[shown], spikes.latent[shown], "|", color="C0", markersize=4)
    ax.set_xlim(0, record.window_s)
    ax.set_ylim(-0.5, record.n_latents - 0.5)
    ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.set_xlabel("time (s)")
    ax.set_ylabel("latent neuron")
    return ax


def plot_measured_against_predicted(record: SpikeRecord, ax: Axes | None = None) -> Axes:
    """Plot mean spikes per stimulus of each neuron against its mean rate.

    The band holds at least 95 % of the neurons if their counts are Poisson.

    Parameters
    ----------
    record : SpikeRecord
        Of any simulation.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
    """
    ax = _axes(ax)
    n_stimuli = record.n_stimuli
    predicted = record.rates.mean(axis=0)
    scale = np.linspace(0, 1.05 * predicted.max(), 300)
    low, high = poisson.interval(CONFIDENCE, scale * n_stimuli)
    ax.fill_between(
        scale,
        low / n_stimuli,
        high / n_stimuli,
        step="mid",
        color="0.85",
        lw=0,
        label=f"{100 * CONFIDENCE:g} % if Poisson",
    )
    ax.plot(scale, scale, color="0.4", lw=1, label="predicted")
    ax.plot(predicted, record.counts.mean(axis=0), ".", ms=4, clip_on=False, label="neurons")
    ax.set_xlim(left=0)
    ax.set_ylim(bottom=0)
    ax.set_xlabel("predicted (spikes per stimulus)")
    ax.set_ylabel("measured (spikes per stimulus)")
    ax.legend(frameon=False)
    return ax


def _axes(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots()[1]
