"""Spike trains to plot: rasters, and spikes counted in bins of time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pvae_brian._checks import check_duration
from pvae_brian.spikes.times import SpikeTimes

if TYPE_CHECKING:
    from brian2 import Quantity

# A ratio of two times that a user wrote down is this near a whole number, if it is meant to be.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Psth:
    """A peri-stimulus time histogram: firing rates in the course of the window.

    Attributes
    ----------
    edges : ndarray of float64, shape (n_bins + 1,)
        Where bins begin and end, in seconds since the stimulus was shown.
    rates_hz : ndarray of float64, shape (n_latents, n_bins)
        Spikes per second of each latent, averaged over stimuli.
    """

    edges: np.ndarray
    rates_hz: np.ndarray


def bin_edges(window_s: float, bin_width: Quantity) -> np.ndarray:
    """Return edges of equal bins that fill a window.

    Parameters
    ----------
    window_s : float
        Duration of the window in seconds.
    bin_width : `brian2.Quantity`
        A time that fits into the window a whole number of times, up to rounding.

    Returns
    -------
    ndarray of float64, shape (n_bins + 1,)
        From exactly 0 to exactly ``window_s``, in seconds.

    Raises
    ------
    TypeError
        If the width is no number with a unit at all.
    brian2.DimensionMismatchError
        If the width has no unit, or is not a time.
    ValueError
        If the width is not positive and finite, or if bins do not fill the window.

    Examples
    --------
    >>> from brian2 import ms
    >>> bin_edges(1.0, 250*ms)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    """
    width_s = check_duration(bin_width, "bin_width")
    if width_s == 0:
        raise ValueError(
            f"bin_width must be a positive time, got {bin_width!r}; try {window_s / 10:g}*second"
        )
    ratio = window_s / width_s
    # There is no whole number of infinitely many bins.
    n_bins = max(1, round(ratio)) if math.isfinite(ratio) else 1
    if not math.isclose(ratio, n_bins, rel_tol=_ROUNDING):
        raise ValueError(
            f"the window of {window_s:g} s must be a whole number of bins, but bin_width is "
            f"{width_s:g} s, which makes {ratio:g} of them; take bin_width=record.window/{n_bins}"
        )
    return np.linspace(0.0, window_s, n_bins + 1)


def raster(times: SpikeTimes, n_latents: int) -> list[np.ndarray]:
    """Sort the spikes of one stimulus by latent.

    Parameters
    ----------
    times : SpikeTimes
        Spikes of one stimulus.
    n_latents : int
        Number of latents, with those that are silent.

    Returns
    -------
    list of ndarray of float64
        For each latent its spike times in seconds, in rising order.

    Examples
    --------
    >>> times = SpikeTimes(np.array([0, 0, 0]), np.array([2, 0, 2]), np.array([0.1, 0.4, 0.9]))
    >>> [train.tolist() for train in raster(times, 3)]
    [[0.4], [], [0.1, 0.9]]
    """
    order = np.argsort(times.latent, kind="stable")
    ends = np.cumsum(np.bincount(times.latent, minlength=n_latents))
    return np.split(times.time[order], ends)[:n_latents]


def count_in_bins(times: SpikeTimes, shape: tuple[int, int], edges: np.ndarray) -> np.ndarray:
    """Count the spikes of each stimulus and latent in each bin.

    Bin k holds times t with ``edges[k] <= t < edges[k + 1]``, the last one its end as well.

    Parameters
    ----------
    times : SpikeTimes
        Spikes, none after the last edge.
    shape : tuple of int
        (n_stimuli, n_latents).
    edges : ndarray, shape (n_bins + 1,)
        Of the bins, in seconds.

    Returns
    -------
    ndarray of int32, shape (n_stimuli, n_latents, n_bins)

    Examples
    --------
    >>> times = SpikeTimes(np.array([0, 0]), np.array([1, 1]), np.array([0.5, 1.0]))
    >>> count_in_bins(times, (1, 2), np.array([0.0, 0.5, 1.0])).tolist()
    [[[0, 0], [0, 2]]]
    """
    n_stimuli, n_latents = shape
    n_bins = len(edges) - 1
    cell = times.stimulus.astype(np.int64) * n_latents + times.latent
    number = np.bincount(
        cell * n_bins + _bins(times, edges), minlength=n_stimuli * n_latents * n_bins
    )
    return number.astype(np.int32).reshape(n_stimuli, n_latents, n_bins)


def firing_rates(times: SpikeTimes, shape: tuple[int, int], edges: np.ndarray) -> Psth:
    """Average over stimuli what `count_in_bins` counts, and divide by the width of a bin.

    Raises
    ------
    ValueError
        If there are no stimuli.

    Examples
    --------
    >>> times = SpikeTimes(np.array([0, 1]), np.array([0, 0]), np.array([0.1, 0.2]))
    >>> firing_rates(times, (4, 1), np.array([0.0, 0.5, 1.0])).rates_hz
    array([[1., 0.]])
    """
    n_stimuli, n_latents = shape
    if n_stimuli == 0:
        raise ValueError("a mean over stimuli needs at least one, and none is selected")
    n_bins = len(edges) - 1
    number = np.zeros(n_latents * n_bins, dtype=np.int64)
    for block in times.blocks():
        cell = block.latent.astype(np.int64) * n_bins + _bins(block, edges)
        number += np.bincount(cell, minlength=len(number))
    width_s = edges[-1] / n_bins
    return Psth(edges, number.reshape(n_latents, n_bins) / (n_stimuli * width_s))


def _bins(times: SpikeTimes, edges: np.ndarray) -> np.ndarray:
    return np.minimum(np.searchsorted(edges, times.time, side="right") - 1, len(edges) - 2)
