"""Page's and Jonckheere's tests: extremes, all orders tried by hand, other tests, chance."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, kendalltau, mannwhitneyu, norm, rankdata

from pvae_brian.sweep.answers import jonckheere_test, order_tests, page_test

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_generator

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def concordance(strata) -> Fraction:
    """J by its definition, pair by pair."""
    total = Fraction(0)
    for groups in strata:
        for a, b in itertools.combinations(groups, 2):
            for x, y in itertools.product(a, b):
                total += Fraction(int(x < y)) + Fraction(int(x == y), 2)
    return total


def deals(groups):
    """The groups with their values in every order."""
    sizes = [len(group) for group in groups]
    ends = np.cumsum(sizes)
    for order in itertools.permutations(itertools.chain.from_iterable(groups)):
        yield [order[end - size : end] for end, size in zip(ends, sizes, strict=True)]


def all_statistics(strata) -> list[Fraction]:
    return [concordance(dealt) for dealt in itertools.product(*map(deals, strata))]


def share_as_large(strata) -> float:
    observed, null = concordance(strata), all_statistics(strata)
    return sum(value >= observed for value in null) / len(null)


# Extremes


@pytest.mark.parametrize(("n_subjects", "n_treatments"), [(2, 3), (3, 4), (11, 8), (2, 8)])
def test_page_of_a_perfect_order_is_the_smallest_p(n_subjects, n_treatments):
    rising = np.arange(n_subjects * n_treatments, dtype=float).reshape(n_subjects, n_treatments)
    test = page_test(rising)
    assert test.method == "exact"
    assert test.p_value == pytest.approx(test.smallest_p, rel=1e-9)
    assert test.smallest_p == pytest.approx(math.factorial(n_treatments) ** -n_subjects)
    assert page_test(-rising).p_value == pytest.approx(1)


def test_page_of_constants_finds_nothing():
    assert page_test(np.ones((3, 4))).p_value > 0.5


@pytest.mark.parametrize("shape", [(1, 5), (5, 2)])
def test_page_refuses_what_is_too_small(shape):
    with pytest.raises(ValueError, match="take jonckheere_test"):
        page_test(np.zeros(shape))


@pytest.mark.parametrize("n", [2, 3, 5, 8, 12])
def test_jonckheere_of_one_perfect_order_has_p_of_one_over_n_factorial(n):
    rising = [[[float(i)] for i in range(n)]]
    test = jonckheere_test(rising)
    assert test.statistic == n * (n - 1) / 2
    assert test.p_value == pytest.approx(1 / math.factorial(n), rel=1e-12)
    assert test.smallest_p == pytest.approx(test.p_value)
    assert jonckheere_test([rising[0][::-1]]).p_value == pytest.approx(1)


@pytest.mark.parametrize("n", [3, 20])
def test_jonckheere_of_constants_finds_nothing(n):
    """By trying all orders, and with a variance of 0."""
    test = jonckheere_test([[[1.0]] * n])
    assert test.method == ("exact" if n == 3 else "asymptotic")
    assert test.p_value == 1


@pytest.mark.parametrize("strata", [[], [[]], [[[1.0]]], [[[1.0, 2.0]]], [[[], [1.0]]]])
def test_jonckheere_of_nothing_to_compare(strata):
    test = jonckheere_test(strata)
    assert (test.statistic, test.p_value, test.smallest_p) == (0, 1, 1)


def test_strata_are_not_compared_with_one_another():
    """The second is far above the first, and says the same."""
    low, high = [[1.0], [2.0], [3.0]], [[101.0], [102.0], [103.0]]
    test = jonckheere_test([high, low])
    assert test.statistic == 6
    assert test.p_value == pytest.approx(1 / 36)
    assert test.smallest_p == pytest.approx(1 / 36)


# Other routes


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_jonckheere_is_what_trying_all_orders_gives(data):
    """With ties or without, strata of all sizes, empty groups among them."""
    values = st.integers(0, data.draw(st.sampled_from([2, 50])))
    group = st.lists(values, max_size=2)
    strata = data.draw(st.lists(st.lists(group, min_size=1, max_size=3), min_size=1, max_size=2))
    strata = [groups if sum(map(len, groups)) <= 5 else groups[:2] for groups in strata]
    test = jonckheere_test(strata)
    assert test.method == "exact"
    assert test.statistic == concordance(strata)
    assert test.p_value == pytest.approx(share_as_large(strata), rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.integers(0, 4), max_size=3), min_size=2, max_size=3))
def test_mean_and_variance_are_those_over_all_orders(groups):
    while sum(map(len, groups)) > 7:
        groups[-1].pop() if groups[-1] else groups.pop()
    null = np.array(all_statistics([groups]), dtype=float)
    arrays = [np.array(group, dtype=float) for group in groups]
    assert order_tests._variance(arrays) == pytest.approx(null.var(), abs=1e-9)
    assert order_tests._n_pairs(arrays) / 2 == pytest.approx(null.mean())


def test_two_groups_are_the_test_of_mann_and_whitney():
    rng = fresh_generator()
    a, b = rng.normal(size=9), rng.normal(size=7)
    other = mannwhitneyu(b, a, alternative="greater", method="exact")
    test = jonckheere_test([[a, b]])
    assert test.statistic == other.statistic
    assert test.p_value == pytest.approx(other.pvalue, rel=1e-9)


def test_single_values_are_the_test_of_kendall():
    values = fresh_generator().normal(size=9)
    other = kendalltau(np.arange(9), values, alternative="greater", method="exact")
    assert jonckheere_test([[[v] for v in values]]).p_value == pytest.approx(other.pvalue)


def test_many_ties_are_the_normal_test_of_kendall():
    """Kendall's score is twice J less the pairs that are compared; its variance has the ties."""
    values = fresh_generator().integers(0, 4, size=30)
    groups = values.reshape(5, 6)
    other = kendalltau(np.repeat(np.arange(5), 6), values, alternative="greater")
    test = jonckheere_test([groups])
    assert test.method == "asymptotic"
    assert test.p_value == pytest.approx(other.pvalue, rel=1e-9)


def test_the_normal_law_is_near_the_exact_one(monkeypatch):
    rng = fresh_generator()
    strata = [rng.normal(size=(5, 4)) for _ in range(3)]
    exact = jonckheere_test(strata)
    monkeypatch.setattr(order_tests, "_VALUES", 0)
    normal = jonckheere_test(strata)
    assert (exact.method, normal.method) == ("exact", "asymptotic")
    # Half the chance of one value of J, which the exact p-value holds whole.
    assert normal.p_value == pytest.approx(exact.p_value, abs=0.02)


def test_a_worked_example():
    """Progeny of males with 2, 1 and 0 mutant alleles (www.statext.com/practice)."""
    groups = [[16, 8, 6], [27, 16, 15], [31, 29, 18, 42]]
    # One tie of the first and second group, and 27 above 18.
    assert jonckheere_test([groups]).statistic == 9 - 1 - 0.5 + 12 + 12 - 1
    variance = (10 * 9 * 25 - 3 * 2 * 11 * 2 - 4 * 3 * 13 - 2 * 1 * 9) / 72
    variance += (3 * 2 * 1 * 2 + 4 * 3 * 2) * 0 / (36 * 10 * 9 * 8)
    variance += (3 * 2 * 2 + 4 * 3) * 2 / (8 * 10 * 9)
    z = (30.5 - 33 / 2) / math.sqrt(variance)
    assert jonckheere_test([groups]).p_value == pytest.approx(norm.sf(z))


def test_page_is_what_trying_all_orders_gives():
    values = fresh_generator().normal(size=(3, 4))
    ranks = rankdata(values, axis=1)
    columns = np.arange(1, 5)
    single = [columns @ np.array(order) for order in itertools.permutations(columns)]
    null = [sum(rows) for rows in itertools.product(single, repeat=3)]
    test = page_test(values)
    observed = (ranks @ columns).sum()
    assert test.statistic == observed
    assert test.p_value == pytest.approx(np.mean(np.array(null) >= observed))


# Chance


@pytest.mark.parametrize("level", [0.05, 0.3])
def test_false_alarms_are_as_rare_as_promised(level):
    """On noise, p-values at or under a level come at most as often as it says, and nearly so."""
    rng = fresh_generator()
    n = 3000
    found = {"page": 0, "strata": 0, "ties": 0}
    for _ in range(n):
        noise = rng.normal(size=(4, 5))
        found["page"] += page_test(noise).p_value <= level
        strata = [[noise[0, :2], noise[0, 2:]], [noise[1, :1], noise[1, 1:3], noise[1, 3:]]]
        found["strata"] += jonckheere_test(strata).p_value <= level
        found["ties"] += jonckheere_test([np.round(noise[2:]).T[:, :1]]).p_value <= level
    for name, n_found in found.items():
        assert binom.sf(n_found - 1, n, level) > FALSE_ALARM, name
    # Page's L has a standard deviation of 10 here: no more is lost than the chance of one value.
    lost = level - found["page"] / n
    assert lost < 0.04 + STANDARD_ERRORS * math.sqrt(level * (1 - level) / n)


def test_a_trend_in_noise_is_found():
    """Ten subjects, a step of two standard deviations."""
    rng = fresh_generator()
    values = rng.normal(size=(10, 5)) + 2 * np.arange(5)
    assert page_test(values).p_value < 1e-3
    assert jonckheere_test([row[:, None] for row in values]).p_value < 1e-3
