"""Spike trains as they were simulated."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from pvae_brian.report.plots._axes import get_axes
from pvae_brian.spikes import SpikeRecord

# More marks than this are hard to tell apart, and make large SVG files: they become pixels.
_MOST_MARKS = 2000
# Of a mark, in points: that of the plot shared among latents, between these.
_PLOT_HEIGHT = 200.0
_SHORTEST, _TALLEST = 4.0, 8.0


def plot_raster(record: SpikeRecord, stimulus: int, ax: Axes | None = None) -> Axes:
    """Plot the spike times of all latents for one stimulus.

    Parameters
    ----------
    record : SpikeRecord
        With spike times.
    stimulus : int
        Which stimulus; a negative number counts from the last.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        With one line, whose points are the spikes, sorted by latent.

    Raises
    ------
    TypeError
        If ``stimulus`` is no integer.
    IndexError
        If there is no such stimulus.
    ValueError
        If the record holds counts only.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import simulate
    >>> record = simulate([[3.0, 0.0, 5.0]], record="times")
    >>> ax = plot_raster(record, 0, Figure().subplots())
    >>> bool(len(ax.lines[0].get_xdata()) == record.counts.sum())
    True
    """
    trains = record.raster(stimulus)
    ax = get_axes(ax)
    latent = np.repeat(np.arange(len(trains)), [len(train) for train in trains])
    ax.plot(
        np.concatenate(trains),
        latent,
        "|",
        color="C0",
        markersize=float(np.clip(_PLOT_HEIGHT / record.n_latents, _SHORTEST, _TALLEST)),
        rasterized=len(latent) > _MOST_MARKS,
    )
    ax.set_xlim(0, record.window_s)
    ax.set_ylim(-0.5, record.n_latents - 0.5)
    ax.yaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.set_xlabel("time (s)")
    ax.set_ylabel("latent neuron")
    return ax
