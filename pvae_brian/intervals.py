"""Estimates with intervals: exact ones for Poisson totals, the bootstrap for the rest."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from scipy.stats import binomtest, chi2, norm
from scipy.stats import t as student

CONFIDENCE = 0.95
_TAIL = (1 - CONFIDENCE) / 2
_RESAMPLES = 2000
# Bounds the memory of the bootstrap: weights held at once.
_WEIGHTS = 2**23

# One number, or one for each neuron, stimulus or time; what type checkers know of an estimate.
ValueT = TypeVar("ValueT", float, np.ndarray)


@dataclass(frozen=True)
class Estimate(Generic[ValueT]):
    """A number, or an array of them, with a 95 % confidence interval.

    Attributes
    ----------
    value, low, high : float or ndarray
        The estimate, and the ends of its interval.
    """

    value: ValueT
    low: ValueT
    high: ValueT

    def scaled(self, factor: float) -> Estimate[ValueT]:
        """The estimate in another unit: all three times a positive factor."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)

    def over(self, number: float | np.ndarray) -> Estimate[ValueT]:
        """The estimate over a known number that is not negative; infinite or NaN over 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ends: Any = (np.divide(end, number)[()] for end in (self.value, self.low, self.high))
            return Estimate(*ends)

    def shifted(self, offset: ValueT | float) -> Estimate[ValueT]:
        """The estimate with a known number added to all three."""
        return Estimate(self.value + offset, self.low + offset, self.high + offset)

    def under(self, number: float) -> Estimate[ValueT]:
        """A known number over the estimate, which is not negative: infinite at 0, NaN for 0 / 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            value, high, low = (
                np.divide(number, end)[()] for end in (self.value, self.low, self.high)
            )
        return Estimate(value, low, high)

    def __str__(self) -> str:
        return format(self)

    def __format__(self, spec: str) -> str:
        if np.ndim(self.value) and not spec:
            return repr(self)
        if not spec and hasattr(self.value, "in_best_unit"):
            # A Brian2 quantity keeps its unit.
            return f"{self.value} [{self.low}, {self.high}]"
        spec = spec or ".4g"
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def poisson_interval(
    total: float | np.ndarray, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Exact interval for the mean of a Poisson law from one count of it (Garwood).

    Parameters
    ----------
    total : int or ndarray
        Counts.
    confidence : float
        The interval covers the mean at least this often.

    Returns
    -------
    low, high : float or ndarray

    References
    ----------
    Garwood (1936), Fiducial limits for the Poisson distribution, Biometrika 28:437.

    Examples
    --------
    >>> low, high = poisson_interval(0)
    >>> float(low), round(float(high), 3)
    (0.0, 3.689)
    """
    total = np.asarray(total, dtype=float)
    tail = (1 - confidence) / 2
    # chi2 has no law of 0 degrees of freedom; a count of 0 has its lower end at 0.
    low = np.where(total > 0, chi2.ppf(tail, 2 * np.maximum(total, 1)) / 2, 0.0)
    high = chi2.ppf(1 - tail, 2 * total + 2) / 2
    # Empty index: scalars for a scalar.
    return low[()], high[()]


def count_interval(
    total: float | np.ndarray, variance: float | np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Interval for the mean of a count: Garwood's if it is Poisson, else a normal one.

    Parameters
    ----------
    total : int or ndarray
        Counts.
    variance : float or ndarray, optional
        Their variance as theory has it, for counts that are not Poisson.

    Returns
    -------
    low, high : float or ndarray
        Not below 0.

    Examples
    --------
    >>> low, high = count_interval(100, 25.0)
    >>> f"{low:.1f} {high:.1f}"
    '90.2 109.8'
    """
    if variance is None:
        return poisson_interval(total)
    total = np.asarray(total, dtype=float)
    margin = norm.ppf(1 - _TAIL) * np.sqrt(variance)
    return np.maximum(total - margin, 0.0)[()], (total + margin)[()]


def share_interval(is_so: np.ndarray) -> Estimate[float]:
    """Share of those of which something is so, with the exact interval of Clopper and Pearson.

    Parameters
    ----------
    is_so : ndarray of bool
        Of each of them; at least one.

    Returns
    -------
    Estimate

    References
    ----------
    Clopper and Pearson (1934), The use of confidence or fiducial limits, Biometrika 26:404.

    Examples
    --------
    >>> import numpy as np
    >>> f"{share_interval(np.array([True, False, False, False])):.2f}"
    '0.25 [0.01, 0.81]'
    """
    is_so = np.asarray(is_so, dtype=bool)
    interval = binomtest(int(is_so.sum()), is_so.size).proportion_ci(CONFIDENCE)
    return Estimate(float(is_so.mean()), float(interval.low), float(interval.high))


def bootstrap(
    statistic: Callable[..., Any],
    *columns: np.ndarray,
    seed: int = 0,
    n_resamples: int = _RESAMPLES,
) -> Estimate[Any]:
    r"""Percentile bootstrap over stimuli, for a statistic of means over stimuli.

    Parameters
    ----------
    statistic : callable
        From the means of each of ``columns`` (each of shape (..., *rest)) to the statistic, of
        shape (...) or (..., *rest): applied to the sample and to all resamples at once.
    *columns : ndarray, shape (n_stimuli,) or (n_stimuli, n_latents)
        What is averaged over stimuli; the same stimuli are drawn for all of them.
    seed : int
        Of the resampling.
    n_resamples : int
        Resamples.

    Returns
    -------
    Estimate
        With one stimulus the ends are NaN: the spread over stimuli is not known. The interval has
        no width where all stimuli are alike, as for a neuron that never fired.

    Notes
    -----
    With few stimuli the 2.5 and 97.5 % percentiles of resamples are too narrow: as narrow as a
    normal interval with n in place of n - 1, and the normal law in place of Student's. So
    percentiles further out are taken, at :math:`\Phi(t_{n-1}\sqrt{n/(n-1)})` with the quantiles t
    of Student's law (Hesterberg's expanded percentiles).

    References
    ----------
    Efron and Tibshirani (1993), An Introduction to the Bootstrap, chapter 13; Hesterberg (2015),
    What teachers should know about the bootstrap, The American Statistician 69:371.

    Examples
    --------
    >>> import numpy as np
    >>> spikes, bits = np.array([2.0, 4.0, 3.0]), np.array([1.0, 2.0, 1.5])
    >>> f"{bootstrap(lambda s, b: b / s, spikes, bits):.2f}"
    '0.50 [0.50, 0.50]'
    """
    averaged = [np.asarray(column, dtype=float) for column in columns]
    n = len(averaged[0])
    with np.errstate(divide="ignore", invalid="ignore"):
        value = statistic(*(column.mean(axis=0) for column in averaged))
        resampled = []
        at_once = max(1, _WEIGHTS // n)
        for start in range(0, n_resamples, at_once):
            size = min(at_once, n_resamples - start)
            weights = _times_drawn(n, size, (seed, start)).astype(float)
            resampled.append(statistic(*(weights @ column / n for column in averaged)))
    tail = 100 * norm.cdf(student.ppf(_TAIL, n - 1) * np.sqrt(n / (n - 1))) if n > 1 else 50.0
    # Without interpolation: between a finite value and an infinite one there is nothing.
    ends = np.percentile(
        np.concatenate(resampled), [tail, 100 - tail], axis=0, method="inverted_cdf"
    )
    low, high = ends if n > 1 else np.full_like(ends, np.nan)
    if np.ndim(value) == 0:
        return Estimate(float(value), float(low), float(high))
    return Estimate(value, low, high)


# Several statistics of one record draw the same stimuli: a few blocks are worth keeping.
@functools.lru_cache(maxsize=8)
def _times_drawn(n: int, n_resamples: int, seed: tuple[int, int]) -> np.ndarray:
    """How often each stimulus is drawn in each resample: a resampled mean is a product with it."""
    drawn = np.random.default_rng(seed).integers(n, size=(n_resamples, n))
    drawn += n * np.arange(n_resamples)[:, None]
    times = np.bincount(drawn.ravel(), minlength=n_resamples * n).reshape(n_resamples, n)
    # Small numbers: n draws of one among n.
    return times.astype(np.min_scalar_type(times.max()))
