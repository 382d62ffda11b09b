"""Checks on what users pass in: each error says the rule, what came, and the remedy."""

from __future__ import annotations

import math
import operator
import sys
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from brian2 import Quantity

# Brian2 counts in 32-bit integers.
LARGEST_RATE = 1e9


def check_rates(rates: ArrayLike, *, copy: bool = True) -> np.ndarray:
    """Return expected spikes per window as a float64 array (n_stimuli, n_latents), or raise.

    Without ``copy``, an array that is right already, perhaps a memory map, is returned as it is.

    Raises
    ------
    ValueError
        If the array is not two-dimensional, empty, not numeric, or has a negative, NaN,
        infinite or absurdly large (above 1e9) entry.
    brian2.DimensionMismatchError
        If the array has a unit.
    """
    rates = _as_floats(rates, "rates", copy=copy)
    if rates.ndim != 2:
        raise ValueError(
            f"rates must have shape (n_stimuli, n_latents), got shape {rates.shape}; "
            "for one stimulus pass rates[None, :]"
        )
    if rates.size == 0:
        raise ValueError(f"rates must hold at least one stimulus and one latent, got {rates.shape}")
    # Two passes without temporary arrays: NaN is neither.
    if not (rates.min() >= 0 and rates.max() < np.inf):
        bad = ~np.isfinite(rates) | (rates < 0)
        stimulus, latent = np.argwhere(bad)[0]
        raise ValueError(
            f"rates are expected spike counts per window: finite and not negative; got "
            f"{rates[stimulus, latent]} for stimulus {stimulus}, latent {latent} "
            f"({bad.sum()} such of {rates.size}); check the encoder and its images"
        )
    if rates.max() > LARGEST_RATE:
        raise ValueError(
            f"rates must not exceed {LARGEST_RATE:g} spikes per window, got {rates.max():g}; "
            "counts would overflow; are the images scaled as in training?"
        )
    return rates


def check_window(window: object) -> float:
    """Return a window in seconds, or raise.

    Raises
    ------
    TypeError
        If it is no number with a unit at all.
    brian2.DimensionMismatchError
        If it has no unit, or is not a time.
    ValueError
        If it is not a single time, positive and finite.
    """
    seconds = _as_seconds(window, "window")
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"window must be a positive, finite time, got {window!r}; try 1*second")
    return seconds


def check_duration(duration: object, name: str) -> float:
    """Return a time that may be zero, in seconds, or raise as `check_window` does."""
    seconds = _as_seconds(duration, name)
    if not (math.isfinite(seconds) and seconds >= 0):
        raise ValueError(f"{name} must be a finite time, not negative, got {duration!r}")
    return seconds


def check_frequency(frequency: object, name: str) -> float:
    """Return a positive frequency in Hz, or raise as `check_window` does."""
    from brian2 import Hz

    hertz = _in_base_units(frequency, name, Hz, "frequency", "100*Hz")
    if not (math.isfinite(hertz) and hertz > 0):
        raise ValueError(f"{name} must be a positive, finite frequency, got {frequency!r}")
    return hertz


def check_positive_integer(value: int, name: str) -> int:
    """Return ``value`` as an int, or raise if it is no integer (TypeError) or below 1."""
    number = _as_integer(value, name)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number


def check_seed(seed: int) -> int:
    """Return ``seed`` as an int in [0, 2**32), or raise."""
    number = _as_integer(seed, "seed")
    if not 0 <= number < 2**32:
        raise ValueError(f"seed must lie between 0 and 2**32 - 1, got {number}")
    return number


def check_images(images: ArrayLike, n_inputs: int) -> np.ndarray:
    """Return images as a float64 array (n_stimuli, n_inputs), or raise.

    Parameters
    ----------
    images : array_like
        Shape (n_stimuli, n_inputs), (n_stimuli, height, width) or (n_stimuli, 1, height, width).
    n_inputs : int
        Pixels that the encoder takes.

    Raises
    ------
    ValueError
        If there are no images, if they have another size, or hold NaN or infinite values.
    """
    images = _as_floats(images, "images")
    n_stimuli = images.shape[0] if images.ndim else 0
    is_one_channel = images.ndim in (2, 3) or (images.ndim == 4 and images.shape[1] == 1)
    if not is_one_channel or images.size != n_stimuli * n_inputs or n_inputs < 1:
        raise ValueError(
            f"images must have shape (n_stimuli, {n_inputs}), (n_stimuli, height, width) or "
            f"(n_stimuli, 1, height, width) with {n_inputs} pixels each, got {images.shape}; "
            "for one image pass image[None]"
        )
    if n_stimuli == 0:
        raise ValueError(f"images must hold at least one image, got an empty array {images.shape}")
    images = images.reshape(n_stimuli, n_inputs)
    bad = ~np.isfinite(images).all(axis=1)
    if bad.any():
        raise ValueError(
            f"images must be finite, got NaN or infinite values in {bad.sum()} of {n_stimuli} "
            f"images (the first is number {np.argmax(bad)}); remove or repair them"
        )
    return images


def _as_floats(values: ArrayLike, name: str, *, copy: bool = True) -> np.ndarray:
    # There can be no quantity without Brian2 loaded; numpy would drop its unit without a word.
    brian2 = sys.modules.get("brian2")
    if brian2 is not None and isinstance(values, brian2.Quantity):
        from brian2.units.fundamentalunits import DIMENSIONLESS, fail_for_dimension_mismatch

        fail_for_dimension_mismatch(
            values,
            DIMENSIONLESS,
            f"{name} carry no unit (rates are expected spikes per window: multiply Hz by it)",
        )
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise ValueError(f"{name} must be real numbers, got an array of type {array.dtype}")
    return array.astype(np.float64, copy=copy)


def _as_seconds(duration: object, name: str) -> float:
    from brian2 import second

    return _in_base_units(duration, name, second, "time", "1*second")


def _in_base_units(value: object, name: str, unit: Quantity, kind: str, example: str) -> float:
    # Not brian2.check_units: it would hide the signatures of our functions.
    from brian2 import Quantity
    from brian2.units.fundamentalunits import fail_for_dimension_mismatch

    try:
        quantity = Quantity(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a {kind} such as {example}, got {value!r}") from None
    fail_for_dimension_mismatch(
        quantity, unit, f"{name} must be a {kind} with its unit, such as {example}, got {value!r}"
    )
    if quantity.size != 1:
        raise ValueError(f"{name} must be a single {kind}, got {value!r}")
    return float(quantity)


def _as_integer(value: int, name: str) -> int:
    try:
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}") from None
