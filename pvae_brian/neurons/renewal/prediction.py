"""Spike counts of refractory neurons, from renewal theory."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.polynomial import chebyshev

from pvae_brian.neurons.model import CountPrediction
from pvae_brian.neurons.renewal.dead_time import dead_time_moments
from pvae_brian.neurons.renewal.recovery import TOLERANCE, recovery_moments

_CLOSED_FORM_TOLERANCE = 1e-12
# Nodes of a Chebyshev series, and the terms that could be missed.
_NODES, _ENOUGH_TERMS = 48, 32
# Bounds the memory: rates held at once.
_ROWS = 2**15
# Below this rate a second spike changes nothing that is within the tolerance.
_LEAST_RATE = 1e-10


def predict_counts(rates: np.ndarray, absolute: float, relative: float) -> CountPrediction:
    r"""Mean and variance of spike counts of renewal neurons that are rested at time 0.

    The first spike of a neuron of rate r comes after an exponential wait of mean 1/r. The
    intervals :math:`X + \Delta` that follow have the hazard of a refractory neuron,

    .. math:: h(s) = r\,(1 - e^{-(s - \Delta)/\tau}) \text{ for } s > \Delta, \text{ else } 0.

    The chances :math:`Q_n` of at least n spikes before time 1 give, without cancellation,

    .. math::

        E[N] = \sum_n Q_n, \quad
        \mathrm{Var}[N] = \sum_n Q_n \Big((1 - Q_n) + 2 \sum_{m<n} (1 - Q_m)\Big).

    With :math:`t_n = 1 - (n-1)\Delta`, and :math:`Q_n = 0` where that is not positive:

    - For :math:`\tau = 0` the waits sum to a gamma variable, so that :math:`Q_n = P(n, r t_n)`,
      the regularized incomplete gamma function.
    - Else :math:`Q_n` is an inverse Laplace transform,

      .. math::

          Q_n = \frac{1}{2\pi i} \int e^{z t_n} \frac{r}{r + z} \frac{\hat f(z)^{n-1}}{z}\,dz,
          \quad \hat f(z) = E[e^{-zX}] = \sum_{k \ge 1} \frac{k\,a^k}{b(b+1)\cdots(b+k)},

      with :math:`a = r\tau` and :math:`b = (r+z)\tau`, integrated along a hyperbola through a
      saddle point of the integrand.

    Where there are many different rates, the logarithm of mean/r and the Fano factor are
    piecewise Chebyshev series in :math:`\log(1+r)`.

    Parameters
    ----------
    rates : ndarray
        Rates of rested neurons, in spikes per window, of any shape.
    absolute, relative : float
        The absolute period :math:`\Delta` and the time constant :math:`\tau` of the recovery, in
        windows.

    Returns
    -------
    CountPrediction
        Mean and variance, of the shape of ``rates``. Two resolutions of each numerical step agree
        within 1e-6, relatively; without recovery the series agree within 1e-12, and all
        else is exact but for rounding. Variances below 1e-4 of the mean are as exact as
        those at it.

    Raises
    ------
    ValueError
        If a rate or a period is negative or not finite.
    ArithmeticError
        With recovery: if two resolutions disagree, or if the prediction would take minutes, for
        counts of over 4e5 likely values or :math:`r\tau` above 5e8.

    References
    ----------
    Cox (1962), Renewal Theory; Feller (1971), An Introduction to Probability Theory and Its
    Applications, vol. 2, ch. XI; Weideman and Trefethen (2007), Math Comp 76:1341, for contours.

    Examples
    --------
    >>> import numpy as np
    >>> prediction = predict_counts(np.array([0.0, 1.0, 100.0]), absolute=0.01, relative=0.0)
    >>> prediction.mean.round(3)
    array([ 0.   ,  0.99 , 50.125])
    >>> prediction.fano.round(3)
    array([  nan, 0.98 , 0.252])
    """
    rates = np.asarray(rates, dtype=float)
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError("rates must be finite and not negative")
    if not (0 <= absolute < math.inf and 0 <= relative < math.inf):
        raise ValueError(f"periods must be finite and not negative, got {absolute}, {relative}")
    distinct, index = np.unique(rates, return_inverse=True)
    # Rates at which there is one spike at most, which is an event of the first wait.
    mean = -np.expm1(-distinct)
    variance = mean * np.exp(-distinct)
    if absolute < 1:
        rows = slice(np.searchsorted(distinct, _LEAST_RATE), None)
        if relative > 0:
            solve = partial(recovery_moments, absolute=absolute, relative=relative)
            tolerance = TOLERANCE
        else:
            solve = partial(dead_time_moments, absolute=absolute)
            tolerance = _CLOSED_FORM_TOLERANCE
        mean[rows], variance[rows] = _all_moments(solve, distinct[rows], tolerance)
    index = index.reshape(rates.shape)
    return CountPrediction(mean=mean[index], variance=variance[index])


def _all_moments(
    solve: Callable[[float], tuple[float, float]], rates: np.ndarray, tolerance: float
) -> np.ndarray:
    """Mean and variance at rising rates: solved at each, or a series where there are many."""
    if len(rates) <= _NODES:
        return np.array([solve(rate) for rate in rates.tolist()]).reshape(-1, 2).T
    x = np.log1p(rates)
    middle, half = (x[-1] + x[0]) / 2, (x[-1] - x[0]) / 2
    nodes = np.expm1(middle + half * chebyshev.chebpts1(_NODES))
    mean, variance = np.array([solve(rate) for rate in nodes.tolist()]).T
    values = np.column_stack([np.log(mean / nodes), variance / mean])
    series = chebyshev.chebinterpolate(lambda _: values, _NODES - 1)  # type: ignore[type-var]  # several columns
    missed = np.abs(series[_ENOUGH_TERMS:]).sum(axis=0)
    if not (missed <= tolerance * np.array([1, values[:, 1].min() + 1e-4])).all():
        split = np.searchsorted(x, middle)
        parts = [_all_moments(solve, part, tolerance) for part in (rates[:split], rates[split:])]
        return np.concatenate(parts, axis=1)
    moments = np.empty((2, len(rates)))
    for start in range(0, len(rates), _ROWS):
        rows = slice(start, start + _ROWS)
        log_ratio, fano = chebyshev.chebval((x[rows] - middle) / half, series)
        mean = rates[rows] * np.exp(log_ratio)
        moments[:, rows] = mean, mean * np.maximum(fano, 0)
    return moments
