"""Whether arrays can be those of a record: for files, which anyone may have written."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pvae_brian.spikes.times import SpikeTimes

# What the arrays of a record are made of, where one is kept.
TABLES: dict[str, np.dtype[Any]] = {"counts": np.dtype(np.int32), "rates": np.dtype(np.float64)}
COLUMNS: dict[str, np.dtype[Any]] = {
    "stimulus": np.dtype(np.int32),
    "latent": np.dtype(np.int32),
    "time": np.dtype(np.float64),
}


def check_arrays(
    counts: np.ndarray, rates: np.ndarray, times: SpikeTimes | None, window_s: float
) -> None:
    """Raise ValueError if counts, rates and spike times do not belong together.

    Examples
    --------
    >>> check_arrays(np.array([[-1]]), np.array([[0.5]]), None, 1.0)
    Traceback (most recent call last):
        ...
    ValueError: its counts must not be negative
    """
    _require(counts.ndim == 2 and counts.dtype.kind in "iu", "its counts are no table of integers")
    _require(rates.dtype.kind == "f", "its rates are no floating-point numbers")
    _require(
        counts.shape == rates.shape,
        f"its counts, of shape {counts.shape}, and rates, of shape {rates.shape}, differ",
    )
    _require(bool((counts >= 0).all()), "its counts must not be negative")
    _require((np.isfinite(rates) & (rates >= 0)).all(), "its rates must be finite and not negative")
    if times is None:
        return
    check_times(times, counts.shape, window_s)
    cell = times.stimulus.astype(np.int64) * counts.shape[1] + times.latent
    _require(
        np.array_equal(np.bincount(cell, minlength=counts.size), counts.ravel()),
        "its counts are not the numbers of its spikes",
    )


def check_times(times: SpikeTimes, shape: tuple[int, int], window_s: float = math.inf) -> None:
    """Raise ValueError if these cannot be spikes of so many stimuli and latents in a window.

    Examples
    --------
    >>> times = SpikeTimes(np.array([1, 0]), np.array([0, 0]), np.array([0.1, 0.2]))
    >>> check_times(times, (2, 1))
    Traceback (most recent call last):
        ...
    ValueError: its spikes must be sorted by stimulus, then by time
    """
    arrays = times.arrays()
    _require(
        all(array.shape == (times.time.size,) for array in arrays.values()),
        "its spikes need one stimulus, one latent and one time each",
    )
    _require(times.time.dtype.kind == "f", "its spike times are no floating-point numbers")
    for name, n in zip(("stimulus", "latent"), shape, strict=True):
        index = arrays[name]
        _require(index.dtype.kind in "iu", f"the {name} of its spikes is no integer")
        _require(bool(((index >= 0) & (index < n)).all()), f"a spike's {name} must be below {n}")
    time = times.time
    _require(
        (np.isfinite(time) & (time >= 0) & (time <= window_s)).all(),
        f"its spike times must lie between 0 and the window of {window_s:g} s",
    )
    is_next = times.stimulus[1:] > times.stimulus[:-1]
    is_later = (times.stimulus[1:] == times.stimulus[:-1]) & (time[1:] >= time[:-1])
    _require((is_next | is_later).all(), "its spikes must be sorted by stimulus, then by time")


def _require(is_right: bool, otherwise: str) -> None:
    if not is_right:
        raise ValueError(otherwise)
