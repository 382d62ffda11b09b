"""Differences and ratios of two estimates, with intervals from theirs, also for many at once."""

from __future__ import annotations

import math

from scipy.stats import norm
from scipy.stats import t as student

from pvae_brian.intervals import CONFIDENCE, Estimate


def widen(estimate: Estimate[float], n_comparisons: int, n_seeds: int = 1) -> Estimate[float]:
    r"""Widen a 95 % interval so that many together miss as seldom as one (Bonferroni).

    .. math:: v \pm (\text{margin}) \frac{q(1 - \alpha / 2m)}{q(1 - \alpha / 2)}

    with the quantiles q of the normal law for one seed, where intervals are over stimuli, and of
    Student's for several.

    Parameters
    ----------
    estimate : Estimate
        With a 95 % interval, which may be lopsided.
    n_comparisons : int
        m, how many are looked at.
    n_seeds : int
        Seeds behind it.

    Returns
    -------
    Estimate

    Examples
    --------
    >>> f"{widen(Estimate(5.0, 4.0, 7.0), 10):.2f}"
    '5.00 [3.57, 7.86]'
    """
    law = norm if n_seeds == 1 else student(n_seeds - 1)
    tail = (1 - CONFIDENCE) / 2
    factor = float(law.isf(tail / n_comparisons) / law.isf(tail))
    return Estimate(
        estimate.value,
        estimate.value - factor * (estimate.value - estimate.low),
        estimate.value + factor * (estimate.high - estimate.value),
    )


def difference(last: Estimate[float], first: Estimate[float]) -> Estimate[float]:
    r"""Return the difference of two estimates with an interval (MOVER).

    .. math:: d - \sqrt{(x - l_x)^2 + (u_y - y)^2}, \quad d + \sqrt{(u_x - x)^2 + (y - l_y)^2}

    for :math:`d = x - y`: the intervals may be lopsided.

    Parameters
    ----------
    last, first : Estimate
        Taken as independent. Estimates from the same stimuli rise and fall together, which makes
        the interval too wide rather than too narrow.

    Returns
    -------
    Estimate

    References
    ----------
    Zou and Donner (2008), Construction of confidence limits about effect measures, Statistics in
    Medicine 27:1693.

    Examples
    --------
    >>> f"{difference(Estimate(9.0, 6.0, 12.0), Estimate(5.0, 1.0, 9.0)):.1f}"
    '4.0 [-1.0, 9.0]'
    """
    value = last.value - first.value
    return Estimate(
        value,
        value - math.hypot(last.value - last.low, first.high - first.value),
        value + math.hypot(last.high - last.value, first.value - first.low),
    )


def ratio(last: Estimate[float], first: Estimate[float]) -> Estimate[float]:
    r"""Return the ratio of two estimates that are not negative, with an interval (MOVER-R).

    .. math:: \frac{xy \mp \sqrt{(xy)^2 - e_x (2x - e_x)\, e_y (2y - e_y)}}{e_y (2y - e_y)}

    with :math:`e_x = l_x, e_y = u_y` for the lower end, and :math:`u_x, l_y` for the upper. No
    logarithm is taken, so that a silent population has an interval as well.

    Parameters
    ----------
    last, first : Estimate
        Taken as independent, as in `difference`.

    Returns
    -------
    Estimate
        Infinite or NaN over 0. Without bounds where the interval of ``first`` reaches 0; NaN ends
        where an end is.

    References
    ----------
    Donner and Zou (2012), Closed-form confidence intervals for functions of the normal mean and
    standard deviation, Statistical Methods in Medical Research 21:347.

    Examples
    --------
    >>> f"{ratio(Estimate(2.0, 1.8, 2.2), Estimate(4.0, 3.6, 4.4)):.3f}"
    '0.500 [0.434, 0.576]'
    """
    x, y = last.value, first.value
    if y == 0:
        return Estimate(math.nan if x == 0 else math.inf, math.nan, math.nan)
    if any(map(math.isnan, (last.low, last.high, first.low, first.high))):
        return Estimate(x / y, math.nan, math.nan)
    if first.low <= 0:
        return Estimate(x / y, 0.0, math.inf)
    low = _end(x, y, max(last.low, 0.0), first.high, sign=-1)
    return Estimate(x / y, max(low, 0.0), _end(x, y, last.high, first.low, sign=1))


def _end(x: float, y: float, of_x: float, of_y: float, sign: int) -> float:
    a, b = of_x * (2 * x - of_x), of_y * (2 * y - of_y)
    if b == 0:
        # The limit of the lower end as the interval of y grows to twice y.
        return a / (2 * x * y) if x else 0.0
    return (x * y + sign * math.sqrt(max((x * y) ** 2 - a * b, 0.0))) / b
