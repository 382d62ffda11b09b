"""Counts of neurons that recover slowly: Laplace transforms, inverted along contours."""

from __future__ import annotations

import math

import numpy as np

from pvae_brian.neurons.renewal.chances import moments, most_spikes

# Two resolutions must agree so well, relatively.
TOLERANCE = 1e-6
# Contours lean so far to the left, where exp(z t) decays. They must stay out of the sector beyond
# pi/4, where the transform of slowly recovering intervals grows, and the nearer they come to
# it the more digits are lost.
_LEAN = math.pi / 6
# Step of the trapezoidal rule along them; its error is exponentially small in 1/step, so that
# the rule with every other node, which it is compared with, has the square root of its error.
_STEP = 1 / 28
# What exp(-z t) loses until the rule may end.
_DECAY = 45.0
# Where on the hyperbola it ends at the latest.
_FURTHEST = 6.0
# More terms or counts than these take minutes, or gigabytes.
_MOST_TERMS, _MOST_COUNTS = 500_000, 400_000


def recovery_moments(rate: float, absolute: float, relative: float) -> tuple[float, float]:
    """Mean and variance with recovery."""
    # Mean and variance of X, from the start of its transform's cumulant series.
    small = 1e-4 * rate / math.sqrt(1 + rate * relative)
    cumulant = _log_transform(np.array([1j * small]), rate, relative)[0]
    mean, variance = -cumulant.imag / small, max(-2 * cumulant.real / small**2, 0.0)
    period = mean + absolute
    # Spike n comes on average within the window if n <= centre. Both the tails of the waits' sum
    # are integrated as such: below the centre the chance of fewer spikes, above it of more.
    centre = max(0, math.floor((1 - 1 / rate) / period) + 1)
    deviation = math.sqrt(variance * max(centre, 1) + 1 / rate**2) / period
    # No tail is longer than that of a Poisson law.
    reach = math.ceil(12 * deviation + 30)
    if reach > _MOST_COUNTS / 2:
        raise ArithmeticError(
            f"cannot predict counts of rate {rate:g}: they take over {_MOST_COUNTS} values"
        )
    # The first spike's law is known; it would be the hardest to integrate.
    first, last = max(2, centre - reach), int(min(centre + reach, most_spikes(absolute)))
    width = max(1, int(deviation / 3))
    args = width, rate, absolute, relative
    fewer = _tail(False, first, min(centre, last), *args)
    more = _tail(True, max(2, centre + 1), last, *args)
    known = [[-math.expm1(-rate)], [math.exp(-rate)]] if first == 2 else [[], []]
    fine, coarse = (
        moments(
            first - len(known[0]),
            np.concatenate([known[0], 1 - low, high]),
            np.concatenate([known[1], low, 1 - high]),
        )
        for low, high in zip(fewer, more, strict=True)
    )
    bound = TOLERANCE * np.array([fine[0], fine[1] + 1e-4 * fine[0]])
    if not (np.abs(np.subtract(fine, coarse)) <= bound).all():
        raise ArithmeticError(
            f"cannot predict counts of rate {rate:g} with periods {absolute:g} and {relative:g}, "
            f"in windows: two resolutions give (mean, variance) {fine} and {coarse}"
        )
    return fine


def _tail(
    is_upper: bool, first: int, last: int, width: int, rate: float, absolute: float, relative: float
) -> np.ndarray:
    """Chances of at least n spikes, or of fewer, for n = first to last; in two resolutions.

    Each ``width`` neighbouring n share a contour, which hardly moves within a fraction of the
    count's standard deviation.
    """
    n_blocks = -(-(last - first + 1) // width)
    if n_blocks <= 0:
        return np.empty((2, 0))
    n = np.minimum(first + np.arange(n_blocks * width), last).reshape(n_blocks, width, 1)
    middle = n[:, width // 2]
    t = 1 - (middle - 1) * absolute

    def exponent(z: np.ndarray, n: np.ndarray, log_transform: np.ndarray) -> np.ndarray:
        wait = (n - 1) * log_transform - np.log1p(z / rate)
        return z * (1 - (n - 1) * absolute) + wait - np.log(z)

    # Up to a few percent, the saddle on the real axis: to the right of the pole at 0, or to its
    # left, which gives 1 less. The rate of slow recovery is that of a Rayleigh law.
    spread = math.sqrt(rate / relative)
    if is_upper:
        real = np.exp(np.arange(math.log(0.05), math.log(1e6 * (1 + rate)), 0.1))
    else:
        logit = np.arange(math.log(0.05 / rate), -math.log(0.05 / rate), 0.1)
        real = -rate / (1 + np.exp(-logit))
        real = real[real > -10 * spread]
    real = real.astype(complex)
    height = exponent(real, middle, _log_transform(real, rate, relative)).real
    saddle = real.real[height.argmin(axis=1), None]
    # A chance is less than e to the height of its saddle; most are nothing.
    some = height.min(axis=1) > -_DECAY - 5
    chances = np.zeros((2, n_blocks, width))
    if not some.any():
        return chances.reshape(2, -1)[:, : last - first + 1]
    n, middle, t, saddle = n[some], middle[some], t[some], saddle[some]

    # All singularities but the pole lie at -r or to its left, and none has an effect further
    # away than the spread.
    distance = np.minimum(saddle + rate, np.maximum(saddle, 0) + spread)
    scale = distance / (1 - math.sin(_LEAN))

    def contour(theta: np.ndarray) -> np.ndarray:
        bend = 1 - math.sin(_LEAN) * np.cosh(theta) + 1j * math.cos(_LEAN) * np.sinh(theta)
        return saddle - distance + scale * bend

    # The saddle is as wide as 1/curvature. Further out nodes may lie further apart.
    start = contour(np.array([0, 1e-3]))
    height = exponent(start, middle, _log_transform(start, rate, relative)).real
    drop = np.maximum(height[:, :1] - height[:, 1:], 0)
    curvature = np.maximum(np.sqrt(2 * drop) / 1e-3, 1)
    u = np.arange(0, math.asinh(_FURTHEST * curvature.max()), _STEP)
    theta = np.minimum(np.sinh(u) / curvature, _FURTHEST)
    matters = (theta < _FURTHEST) & ((saddle - contour(theta).real) * t < _DECAY)
    theta = np.where(matters, theta, 0)
    slope = 1j * math.cos(_LEAN) * np.cosh(theta) - math.sin(_LEAN) * np.sinh(theta)
    weight = matters * scale * slope * np.cosh(u) / curvature * _STEP / math.pi
    # The other half of the contour is the mirror image.
    weight[:, 0] /= 2
    z = contour(theta)
    log_transform = _log_transform(z, rate, relative)
    terms = np.exp(exponent(z[:, None], n, log_transform[:, None])) * weight[:, None]
    sums = np.array([terms.sum(axis=-1), 2 * terms[..., ::2].sum(axis=-1)]).imag
    chances[:, some] = (sums if is_upper else -sums).clip(0, 1)
    return chances.reshape(2, -1)[:, : last - first + 1]


def _log_transform(z: np.ndarray, rate: float, relative: float) -> np.ndarray:
    """Logarithm of E[exp(-z X)], without the dead time."""
    a, b = rate * relative, (rate + z) * relative
    # Far out on the left the series would lose all digits of a large a. There the fraction of
    # Charlier's polynomials, 1/(y + a/(y+1 + 2a/(y+2 + ...))) with y = z tau, is near enough to
    # the transform of the survivor function.
    y = z * relative
    is_far = (y.real < 0) & (np.abs(y) > 12 * math.sqrt(a)) & (a > 100)
    if is_far.any():
        transform = np.empty_like(b)
        if not is_far.all():
            transform[~is_far] = _log_transform(z[~is_far], rate, relative)
        y = fraction = y[is_far]
        for k in range(40, 0, -1):
            fraction = y + k + (k + 1) * a / fraction
        transform[is_far] = math.log(a) - np.log(y * fraction + a)
        return transform
    term = total = np.ones_like(b)
    for k in range(2, _MOST_TERMS):
        term = term * (a / (b + k))
        total = total + k * term
        # Looking costs as much as a term.
        if k % 4 == 0 and (np.abs(k * term) <= 1e-17 * np.abs(total)).all():
            return math.log(a) - np.log(b) - np.log1p(b) + np.log(total)
    raise ArithmeticError(
        f"cannot predict counts of rate {rate:g} with a relative refractory period of "
        f"{relative:g} windows: it recovers too slowly"
    )
