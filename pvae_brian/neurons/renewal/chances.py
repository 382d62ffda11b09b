"""Moments of a count, from its chances."""

from __future__ import annotations

import math

import numpy as np


def moments(first: int, at_least: np.ndarray, fewer: np.ndarray) -> tuple[float, float]:
    """Mean and variance, from the chances of at least n spikes and of fewer, from n = first on."""
    missing = np.cumsum(fewer) - fewer
    return first - 1 + at_least.sum(), at_least @ (fewer + 2 * missing)


def most_spikes(absolute: float) -> float:
    """Return the largest n for which t_n > 0."""
    return math.ceil(1 / absolute) if absolute > 1e-300 else math.inf
