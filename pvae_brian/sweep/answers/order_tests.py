"""Tests for a trend over ordered groups: Page's, and Jonckheere's in strata."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, page_trend_test

# Beyond these, exact laws take too long: scipy tries all orders of a row of Page's test.
_PAGE_TREATMENTS, _PAGE_SUBJECTS = 8, 40
# All orders of so many values are 40320.
_TIED_VALUES = 8
_VALUES = 100


@dataclass(frozen=True)
class TrendTest:
    """A one-sided test that values rise from group to group.

    Attributes
    ----------
    name : str
        'Page' or 'Jonckheere'.
    statistic : float
        Page's L, or Jonckheere's J summed over strata.
    p_value : float
        Chance of a statistic as large, if every order within a subject or stratum were as likely.
    smallest_p : float
        The smallest that values without ties can reach, however strong the trend.
    method : str
        'exact' or 'asymptotic'.
    n_subjects : int
        Rows of Page's test, strata of Jonckheere's.
    """

    name: str
    statistic: float
    p_value: float
    smallest_p: float
    method: str
    n_subjects: int


def page_test(values: np.ndarray) -> TrendTest:
    r"""Test that values rise along the rows of a complete table (Page's L).

    .. math:: L = \sum_{j=1}^{n} j \sum_{i=1}^{m} R_{ij}

    with the ranks R within each row.

    Parameters
    ----------
    values : ndarray, shape (n_subjects, n_treatments)
        At least two subjects and three treatments.

    Returns
    -------
    TrendTest
        Exact up to 8 treatments and 40 subjects; conservative with ties.

    Raises
    ------
    ValueError
        If there are too few of them.

    References
    ----------
    Page (1963), Ordered hypotheses for multiple treatments, Journal of the American Statistical
    Association 58:216.

    Examples
    --------
    >>> test = page_test(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    >>> test.statistic, round(test.p_value * 36, 9)
    (28.0, 1.0)
    """
    n_subjects, n_treatments = values.shape
    if n_subjects < 2 or n_treatments < 3:
        raise ValueError(
            f"Page's test needs at least 2 subjects and 3 treatments, got {n_subjects} and "
            f"{n_treatments}; take jonckheere_test"
        )
    is_small = n_treatments <= _PAGE_TREATMENTS and n_subjects <= _PAGE_SUBJECTS
    result = page_trend_test(values, method="exact" if is_small else "asymptotic")
    # A sum of probabilities may come out above 1 by rounding.
    return TrendTest(
        name="Page",
        statistic=float(result.statistic),
        p_value=min(float(result.pvalue), 1.0),
        smallest_p=math.factorial(n_treatments) ** -float(n_subjects),
        method=result.method,
        n_subjects=n_subjects,
    )


def jonckheere_test(strata: Sequence[Sequence[Sequence[float]]]) -> TrendTest:
    r"""Test that values rise from group to group in each stratum (Jonckheere and Terpstra).

    .. math:: J = \sum_{s} \sum_{a < b} \sum_{x \in a,\, y \in b} [x < y] + \tfrac{1}{2} [x = y]

    Only values of the same stratum are compared, so that strata may differ in level, and groups
    may differ in size or be absent.

    Parameters
    ----------
    strata : sequence of sequences of sequences of float
        Values by stratum and group, groups in the order in which values should rise.

    Returns
    -------
    TrendTest
        Exact up to 100 values in a stratum without ties, or 8 with ties; else normal, with the
        variance of J for ties. Where there is nothing to compare the p-value is 1.

    References
    ----------
    Jonckheere (1954), A distribution-free k-sample test against ordered alternatives, Biometrika
    41:133; Hollander, Wolfe and Chicken (2014), Nonparametric Statistical Methods, 6.2, for the
    variance with ties.

    Examples
    --------
    >>> test = jonckheere_test([[[1.0], [2.0], [3.0]]])
    >>> test.statistic, round(test.p_value * 6, 9), test.method
    (3.0, 1.0, 'exact')
    """
    arrays = [[np.asarray(group, dtype=float) for group in groups] for groups in strata]
    statistic = sum(_concordance(groups) for groups in arrays)
    orders = [_n_orders(groups) for groups in arrays]
    if all(_has_exact_law(groups) for groups in arrays):
        # Of twice J, which ties make a whole number too.
        law: np.ndarray = np.ones(1)
        for groups in arrays:
            law = np.convolve(law, _law(groups))
        p_value, method = float(law[round(2 * statistic) :].sum()), "exact"
    else:
        variance = sum(_variance(groups) for groups in arrays)
        mean = sum(_n_pairs(groups) for groups in arrays) / 2
        z = (statistic - mean) / math.sqrt(variance) if variance else -math.inf
        p_value, method = float(norm.sf(z)), "asymptotic"
    return TrendTest(
        name="Jonckheere",
        statistic=float(statistic),
        p_value=min(p_value, 1.0),
        smallest_p=math.prod(1 / n for n in orders),
        method=method,
        n_subjects=len(strata),
    )


def _concordance(groups: list[np.ndarray]) -> float:
    """J of one stratum."""
    return float(
        sum(
            (a[:, None] < b).sum() + (a[:, None] == b).sum() / 2
            for a, b in itertools.combinations(groups, 2)
        )
    )


def _n_pairs(groups: list[np.ndarray]) -> int:
    return sum(len(a) * len(b) for a, b in itertools.combinations(groups, 2))


def _n_orders(groups: list[np.ndarray]) -> int:
    """Ways to deal the values of a stratum to its groups."""
    return math.factorial(sum(map(len, groups))) // math.prod(
        math.factorial(len(group)) for group in groups
    )


def _has_ties(groups: list[np.ndarray]) -> bool:
    values = np.concatenate([np.empty(0), *groups])
    return len(np.unique(values)) < len(values)


def _has_exact_law(groups: list[np.ndarray]) -> bool:
    return sum(map(len, groups)) <= (_TIED_VALUES if _has_ties(groups) else _VALUES)


def _law(groups: list[np.ndarray]) -> np.ndarray:
    """Probabilities of twice J = 0, 1, 2, ... if every order of the values is as likely."""
    if _has_ties(groups):
        return _law_with_ties(groups)
    # J is a sum of independent Mann-Whitney statistics, of each group against all before it.
    # Whole numbers of Python: a quotient of polynomials, exact.
    ways, before = [1], 0
    for group in groups:
        for i in range(1, len(group) + 1):
            ways = _divide(_multiply(ways, before + i), i)
        before += len(group)
    total = sum(ways)
    law = np.zeros(2 * len(ways) - 1)
    law[::2] = [n / total for n in ways]
    return law


def _multiply(ways: list[int], power: int) -> list[int]:
    """A polynomial times 1 - q^power, by its coefficients."""
    product = ways + [0] * power
    for i, n in enumerate(ways):
        product[i + power] -= n
    return product


def _divide(ways: list[int], power: int) -> list[int]:
    """A polynomial over 1 - q^power, which divides it."""
    quotient = ways[:-power]
    for i in range(power, len(quotient)):
        quotient[i] += quotient[i - power]
    return quotient


def _law_with_ties(groups: list[np.ndarray]) -> np.ndarray:
    """The same by trying all orders."""
    member = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    orders = np.array(list(itertools.permutations(np.concatenate(groups))))
    twice = np.zeros(len(orders), dtype=int)
    for i, j in itertools.combinations(range(len(member)), 2):
        if member[i] != member[j]:
            twice += 1 + np.sign(orders[:, j] - orders[:, i]).astype(int)
    return np.bincount(twice, minlength=2 * _n_pairs(groups) + 1) / len(orders)


def _variance(groups: list[np.ndarray]) -> float:
    """Variance of J of one stratum, given its ties."""
    sizes = np.array([len(group) for group in groups], dtype=float)
    ties = np.unique(np.concatenate(groups), return_counts=True)[1].astype(float)
    n = sizes.sum()
    if n < 2:
        return 0.0

    def cubic(k: np.ndarray) -> float:
        return (k * (k - 1) * (2 * k + 5)).sum()

    def triples(k: np.ndarray) -> float:
        return (k * (k - 1) * (k - 2)).sum()

    def pairs(k: np.ndarray) -> float:
        return (k * (k - 1)).sum()

    variance = (cubic(n) - cubic(sizes) - cubic(ties)) / 72
    variance += pairs(sizes) * pairs(ties) / (8 * n * (n - 1))
    if n > 2:
        variance += triples(sizes) * triples(ties) / (36 * n * (n - 1) * (n - 2))
    # Rounding may leave less than nothing where all values are tied.
    return max(float(variance), 0.0)
