"""Straight lines through points, with intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import linregress, norm
from scipy.stats import t as student

from pvae_brian.intervals import CONFIDENCE, Estimate

UNKNOWN = Estimate(np.nan, np.nan, np.nan)
_UPPER = (1 + CONFIDENCE) / 2


@dataclass(frozen=True)
class Line:
    """Least squares of y on x.

    Attributes
    ----------
    n : int
        Points.
    slope, intercept : Estimate
        Intervals are Student's; NaN ends with two points, all NaN with fewer or where x is the
        same for all.
    r2 : Estimate
        Share of the variance of y that is explained; interval from Fisher's of the correlation.
        NaN where y is the same for all.
    """

    n: int
    slope: Estimate[float]
    intercept: Estimate[float]
    r2: Estimate[float]


def fit_line(x: np.ndarray, y: np.ndarray) -> Line:
    """Fit a line by least squares.

    Parameters
    ----------
    x, y : ndarray, shape (n_points,)
        Finite.

    Returns
    -------
    Line

    Examples
    --------
    >>> line = fit_line(np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 3.0, 5.0, 7.0]))
    >>> line.slope.value, line.intercept.value, line.r2.value
    (2.0, 1.0, 1.0)
    """
    n = len(x)
    if n < 2 or np.ptp(x) == 0:
        return Line(n, UNKNOWN, UNKNOWN, UNKNOWN)
    # With two points there is no error to judge by; scipy calls it 0.
    quantile = student.ppf(_UPPER, n - 2) if n > 2 else np.nan
    if np.ptp(y) == 0:
        # All of y on a flat line; scipy calls its error NaN.
        return Line(n, _around(0.0, 0 * quantile), _around(y[0], 0 * quantile), UNKNOWN)
    fit = linregress(x, y)
    return Line(
        n=n,
        slope=_around(fit.slope, quantile * fit.stderr),
        intercept=_around(fit.intercept, quantile * fit.intercept_stderr),
        r2=_square(correlation_interval(float(fit.rvalue), n)),
    )


def fit_through_origin(x: np.ndarray, y: np.ndarray) -> Estimate[float]:
    r"""Return the slope of a line through the origin, with Student's interval.

    .. math:: b = \frac{\sum x y}{\sum x^2}

    Examples
    --------
    >>> fit_through_origin(np.array([1.0, 2.0]), np.array([2.0, 4.0]))
    Estimate(value=2.0, low=2.0, high=2.0)
    """
    n, squares = len(x), float(np.square(x).sum())
    if squares == 0:
        return UNKNOWN
    slope = float(x @ y) / squares
    if n < 2:
        return _around(slope, np.nan)
    variance = float(np.square(y - slope * x).sum()) / (n - 1) / squares
    return _around(slope, student.ppf(_UPPER, n - 1) * np.sqrt(variance))


def correlation_interval(r: float, n: int, inflation: float = 1.0) -> Estimate[float]:
    r"""Return a correlation with Fisher's interval.

    .. math:: \tanh\left(\operatorname{artanh} r \pm 1.96 \sqrt{v / (n - 3)}\right)

    Parameters
    ----------
    r : float
        The correlation.
    n : int
        Points; with three or fewer the ends are NaN.
    inflation : float
        v, 1 for a product-moment correlation.

    Examples
    --------
    >>> f"{correlation_interval(0.5, 28):.2f}"
    '0.50 [0.16, 0.74]'
    """
    # Rounding may bring it past 1.
    r = float(np.clip(r, -1, 1))
    if n <= 3:
        return _around(r, np.nan)
    if abs(r) == 1:
        # No error is left that the interval could be made of.
        return Estimate(r, r, r)
    margin = norm.ppf(_UPPER) * np.sqrt(inflation / (n - 3))
    return Estimate(r, *(float(np.tanh(np.arctanh(r) + side * margin)) for side in (-1, 1)))


def _square(r: Estimate[float]) -> Estimate[float]:
    ends = sorted((r.low**2, r.high**2))
    return Estimate(r.value**2, 0.0 if r.low < 0 < r.high else ends[0], ends[1])


def _around(value: float, margin: float) -> Estimate[float]:
    return Estimate(float(value), float(value - margin), float(value + margin))
