"""Goodness of fit of spike counts to Poisson laws of known, different rates."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri, pdtr
from scipy.stats import chi2

# Fewer expected counts than this in a bin, and chi-square's law is a poor approximation.
_LEAST_EXPECTED = 10.0
# Where the bins of each law end, as quantiles of the standard normal.
_QUANTILES = ndtri(
    np.concatenate([[1e-4, 1e-3, 0.01], np.linspace(0.05, 0.95, 19), [0.99, 0.999, 0.9999]])
)
# Bounds the memory: draws whose bins are held at once.
_ROWS = 2**16


@dataclass(frozen=True)
class FitTest:
    """A chi-square test: under the null hypothesis the p-value is nearly uniform in [0, 1].

    Attributes
    ----------
    statistic : float
        Chi-square.
    degrees_of_freedom : int
        Of its law.
    p_value : float
        Chance of a statistic at least as large if the counts are Poisson.
    """

    statistic: float
    degrees_of_freedom: int
    p_value: float


def poisson_fit(counts: ArrayLike, rates: ArrayLike) -> FitTest:
    r"""Test whether counts are independent Poisson draws of given rates.

    Draws are grouped by the decade of their rate. In each group, draw j has edges
    :math:`e_{jb}` near the quantiles b of its own law. With :math:`F_{jb}` the chance that it
    does not exceed :math:`e_{jb}`, the observed numbers :math:`O_b` of draws that do not exceed
    theirs have means :math:`E_b = \sum_j F_{jb}` and covariance
    :math:`C_{bc} = E_{\min(b, c)} - \sum_j F_{jb} F_{jc}`, so

    .. math:: X^2 = (O - E)^\top C^{-1} (O - E) \sim \chi^2

    although the rates differ (Pearson's statistic would not follow that law).

    Parameters
    ----------
    counts : array_like of int
        Counts, of any shape.
    rates : array_like
        Expected counts, of the same shape.

    Returns
    -------
    FitTest
        A single spike at rate 0 gives a p-value of 0. A group that cannot fill two bins with 10
        expected draws each is left out; with no group left the p-value is 1.

    Raises
    ------
    ValueError
        If the shapes differ, or a rate is negative or not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rates = np.full(10_000, 2.0)
    >>> generator = np.random.default_rng(0)
    >>> poisson_fit(generator.poisson(rates), rates).p_value > 1e-3
    True
    >>> poisson_fit(generator.binomial(10, 0.2, size=10_000), rates).p_value < 1e-9
    True
    """
    counts, rates = np.asarray(counts), np.asarray(rates, dtype=float)
    if counts.shape != rates.shape:
        raise ValueError(
            f"counts and rates must have one shape, got {counts.shape} and {rates.shape}"
        )
    if not (np.isfinite(rates) & (rates >= 0)).all():
        raise ValueError("rates must be finite and not negative")
    counts, rates = counts.ravel(), rates.ravel()
    silent = rates == 0
    if counts[silent].any():
        return FitTest(np.inf, int(silent.any()), 0.0)
    seen, expected = counts[~silent], rates[~silent]
    decades = np.floor(np.log10(expected))
    statistic, freedom = 0.0, 0
    for decade in np.unique(decades):
        group = decades == decade
        group_statistic, group_freedom = _group_statistic(seen[group], expected[group])
        statistic += group_statistic
        freedom += group_freedom
    p_value = float(chi2.sf(statistic, freedom)) if freedom else 1.0
    return FitTest(float(statistic), freedom, p_value)


def _group_statistic(counts: np.ndarray, rates: np.ndarray) -> tuple[float, int]:
    def sums(start: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        rows = slice(start, start + _ROWS)
        return _sums(counts[rows], rates[rows])

    # Most of it is in functions of numpy and scipy that let other threads run.
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = threads.map(sums, range(0, len(rates), _ROWS))
        observed, expected, overlap = (
            functools.reduce(np.add, part) for part in zip(*parts, strict=True)
        )
    kept = _filled(expected, len(rates))
    if not kept:
        return 0.0, 0
    expected = expected[kept]
    covariance = np.minimum.outer(expected, expected) - overlap[np.ix_(kept, kept)]
    excess = observed[kept] - expected
    return float(excess @ np.linalg.solve(covariance, excess)), len(kept)


def _sums(counts: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sum over draws: how many do not exceed their edges, their chances to, and the products."""
    # Equal rates share their laws, which saves most of the work where there are few.
    rate, law, number = np.unique(rates, return_inverse=True, return_counts=True)
    edges = _edges(rate[:, None])
    below = _chance_not_above(edges, rate[:, None])
    observed = (counts[:, None] <= edges[law]).sum(axis=0)
    return observed, number @ below, (below * number[:, None]).T @ below


def _edges(rate: np.ndarray) -> np.ndarray:
    """Counts near the quantiles of each law (Cornish and Fisher), in rising order; -1 for none."""
    root = np.sqrt(rate)
    # Further down the expansion would rise again.
    quantiles = np.maximum(_QUANTILES, -3 * root)
    return np.maximum(np.floor(rate + quantiles * root + (quantiles**2 - 1) / 6 - 0.5), -1.0)


def _chance_not_above(edges: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Poisson distribution function at rising edges, worked out once where edges repeat."""
    chance = np.zeros(edges.shape)
    is_new = np.diff(edges, axis=1, prepend=-1.0) > 0
    chance[is_new] = pdtr(edges[is_new], np.broadcast_to(rate, edges.shape)[is_new])
    return np.maximum.accumulate(chance, axis=1)


def _filled(expected: np.ndarray, n_draws: int) -> list[int]:
    """Choose edges such that every bin, that above the last edge too, is expected to be filled."""
    kept, below = [], 0.0
    for edge, total in enumerate(expected):
        if total - below >= _LEAST_EXPECTED and n_draws - total >= _LEAST_EXPECTED:
            kept.append(edge)
            below = total
    return kept
