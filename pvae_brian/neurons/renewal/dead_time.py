"""Counts of neurons with a dead time alone: sums of gamma laws, in closed form."""

from __future__ import annotations

import math
from bisect import bisect_left

import numpy as np
from scipy.special import gammainc, gammaincc

from pvae_brian.neurons.renewal.chances import moments, most_spikes

# Chances closer to 0 or 1 are left out of closed-form sums.
_LEAST_CHANCE = 1e-18


def dead_time_moments(rate: float, absolute: float) -> tuple[float, float]:
    """Mean and variance without recovery."""

    def argument(n: np.ndarray | int) -> np.ndarray:
        return rate * np.maximum(1 - (n - 1) * absolute, 0)

    # No refractory neuron fires more than a Poisson neuron, whose tails are known.
    last = int(min(rate + 12 * math.sqrt(rate) + 40, most_spikes(absolute)))
    first = 1 + bisect_left(range(1, last), _LEAST_CHANCE, key=lambda n: gammaincc(n, argument(n)))
    last = first + bisect_left(
        range(first, last),
        True,
        key=lambda n: gammainc(n, argument(n)) < _LEAST_CHANCE * min(rate, 1),
    )
    n = np.arange(first, last + 1)
    return moments(first, gammainc(n, argument(n)), gammaincc(n, argument(n)))
