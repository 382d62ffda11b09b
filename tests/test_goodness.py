"""poisson_fit: right on every rate, uniform p-values, and it sees the errors it is there for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import binom, chisquare, kstest, poisson

from pvae_brian.measures import goodness
from pvae_brian.measures.goodness import FitTest, poisson_fit

from .chance import FALSE_ALARM, fresh_generator

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def mixed_rates(rng, shape):
    """Gamma-distributed rates, most of them low, between 0.001 and 200."""
    return np.clip(rng.gamma(0.4, 12.0, size=shape), 0.001, 200.0)


# Extremes


@pytest.mark.parametrize("shape", [(), (0,), (1,), (50, 20)])
def test_no_spikes_at_rate_zero_fit(shape):
    assert poisson_fit(np.zeros(shape, int), np.zeros(shape)) == FitTest(0.0, 0, 1.0)


def test_a_single_spike_at_rate_zero_is_impossible():
    rates = np.ones((50, 20))
    rates[3] = 0
    counts = fresh_generator().poisson(rates)
    assert poisson_fit(counts, rates).p_value > FALSE_ALARM
    counts[3, 7] = 1
    fit = poisson_fit(counts, rates)
    assert (fit.statistic, fit.p_value) == (np.inf, 0)


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-6])
def test_silence_at_rates_next_to_zero_is_not_tested(rate):
    assert poisson_fit(np.zeros(1000, int), np.full(1000, rate)) == FitTest(0.0, 0, 1.0)


def test_a_single_count_is_not_tested():
    assert poisson_fit([3], [3.0]) == FitTest(0.0, 0, 1.0)


def test_silence_at_a_rate_of_one_is_no_fit():
    assert poisson_fit(np.zeros(1000, int), np.ones(1000)).p_value < 1e-100


@pytest.mark.parametrize(
    ("counts", "rates", "message"),
    [
        ([1, 2], [1.0], "one shape"),
        ([[1, 2]], [[1.0], [2.0]], "one shape"),
        ([1], [-1.0], "not negative"),
        ([1], [np.nan], "finite"),
        ([1], [np.inf], "finite"),
    ],
)
def test_rejects(counts, rates, message):
    with pytest.raises(ValueError, match=message):
        poisson_fit(counts, rates)


# Another route: with one rate for all, it is Pearson's test


@pytest.mark.parametrize("rate", [0.02, 0.3, 1.0, 7.0, 64.0, 1000.0])
def test_with_one_rate_it_is_pearsons_chi_square(rate):
    counts = fresh_generator().poisson(rate, size=5000)
    edges = np.unique(goodness._edges(np.array([[rate]]))[0])
    kept, filled = [], 0.0
    for below in poisson.cdf(edges, rate) * len(counts):
        kept.append(below - filled >= 10 and len(counts) - below >= 10)
        filled = below if kept[-1] else filled
    bounds = np.concatenate([[-1], edges[kept], [np.inf]])
    expected = np.diff(poisson.cdf(bounds, rate)) * len(counts)
    observed, _ = np.histogram(counts, bounds + 0.5)
    assert expected.min() >= 10
    fit = poisson_fit(counts, np.full(5000, rate))
    assert fit.degrees_of_freedom == len(observed) - 1
    oracle = chisquare(observed, expected)
    np.testing.assert_allclose((fit.statistic, fit.p_value), oracle, rtol=1e-6)


@pytest.mark.parametrize("rate", [1e-9, 0.003, 0.1, 0.9, 3.0, 40.0, 1e4, 1e9])
def test_edges_rise_and_cut_the_law_near_its_quantiles(rate):
    edges = goodness._edges(np.array([[rate]]))[0]
    assert (np.diff(edges) >= 0).all()
    assert edges[0] >= -1
    wanted = poisson.ppf([1e-4, 0.5, 0.9999], rate)
    # An edge is a whole count, so it may be one off; in the tails the expansion is off by more.
    assert (np.abs(edges[[0, 12, -1]] - wanted) <= 1 + 0.02 * np.sqrt(rate)).all()


@given(
    rates=arrays(
        np.float64, st.integers(1, 200), elements=st.floats(-8, 9).map(lambda log: 10.0**log)
    ),
    repeats=st.integers(1, 40),
    data=st.data(),
)
@settings(deadline=None, max_examples=100)
def test_statistic_is_a_number_for_any_rates(rates, repeats, data):
    rates = np.tile(rates, repeats)
    seed = data.draw(st.integers(0, 2**32 - 1))
    fit = poisson_fit(np.random.default_rng(seed).poisson(rates), rates)
    assert 0 <= fit.p_value <= 1
    assert 0 <= fit.statistic < np.inf
    assert poisson_fit(rates.astype(int)[:, None], rates[:, None]).statistic >= 0


def test_order_and_shape_of_the_draws_do_not_matter():
    rng = fresh_generator()
    rates = mixed_rates(rng, (300, 8))
    counts = rng.poisson(rates)
    order = rng.permutation(counts.size)
    again = poisson_fit(counts.ravel()[order], rates.ravel()[order])
    fit = poisson_fit(counts.tolist(), rates.tolist())
    assert again.degrees_of_freedom == fit.degrees_of_freedom
    assert again.statistic == pytest.approx(fit.statistic, rel=1e-8)


def test_bounded_memory_does_not_change_the_test(monkeypatch):
    rng = fresh_generator()
    rates = mixed_rates(rng, 3000)
    counts = rng.poisson(rates)
    whole = poisson_fit(counts, rates)
    monkeypatch.setattr(goodness, "_ROWS", 7)
    assert poisson_fit(counts, rates).statistic == pytest.approx(whole.statistic, rel=1e-8)


# Under the null hypothesis


def p_values(rng, rates, repeats):
    return [poisson_fit(rng.poisson(rates), rates).p_value for _ in range(repeats)]


@pytest.mark.parametrize(
    "draw_rates",
    [
        lambda rng: mixed_rates(rng, (100, 50)),
        lambda rng: np.full(2000, 2.0),
        lambda rng: np.repeat([100.0, 400.0, 900.0], [500, 500, 1000]),
        # Laws of rates that are far apart do not overlap.
        lambda rng: rng.uniform(1e6, 1e7, size=1000),
    ],
    ids=["mixed", "homogeneous", "three rates", "high rates"],
)
def test_p_values_of_poisson_counts_are_uniform(draw_rates):
    rng = fresh_generator()
    p = p_values(rng, draw_rates(rng), 300)
    assert kstest(p, "uniform").pvalue > FALSE_ALARM
    # The tail, where false alarms come from. Chi-square is an approximation there: three times
    # as many are allowed for.
    assert sum(np.array(p) < 0.01) <= binom.isf(FALSE_ALARM, 300, 0.03)


@pytest.mark.slow
def test_p_values_of_a_large_record_are_uniform():
    rng = fresh_generator()
    p = p_values(rng, mixed_rates(rng, (2000, 50)), 30)
    assert kstest(p, "uniform").pvalue > FALSE_ALARM


# What it is there for


@pytest.fixture
def rng():
    return fresh_generator()


@pytest.fixture
def rates(rng):
    return mixed_rates(rng, (2000, 50))


def test_sees_binomial_counts(rng, rates):
    # Fano factor 0.9: one Bernoulli draw per step, at rate * dt = 0.1.
    trials = np.ceil(rates / 0.1).astype(int)
    assert poisson_fit(rng.binomial(trials, rates / trials), rates).p_value < FALSE_ALARM


def test_sees_counts_that_vary_too_much(rng, rates):
    gains = rng.gamma(50, 1 / 50, size=rates.shape)
    assert poisson_fit(rng.poisson(rates * gains), rates).p_value < FALSE_ALARM


@pytest.mark.parametrize("bias", [0.98, 1.02])
def test_sees_a_bias_of_two_percent(rng, rates, bias):
    assert poisson_fit(rng.poisson(bias * rates), rates).p_value < FALSE_ALARM


def test_sees_a_lost_backlog(rng):
    # At most one spike per step, and those that wait at the end of the window are lost.
    rates = rng.uniform(0, 95, size=(500, 50))
    n_steps = 100
    waiting, counts = np.zeros(rates.shape, int), np.zeros(rates.shape, int)
    for _ in range(n_steps):
        waiting += rng.poisson(rates / n_steps)
        spikes = waiting > 0
        counts += spikes
        waiting -= spikes
    assert poisson_fit(counts, rates).p_value < FALSE_ALARM
    assert poisson_fit(counts + waiting, rates).p_value > FALSE_ALARM


def test_sees_rates_that_are_swapped_between_neurons(rng, rates):
    assert poisson_fit(rng.poisson(rates), rates[:, ::-1]).p_value < FALSE_ALARM


def test_sees_counts_that_are_all_equal_to_their_rate():
    assert poisson_fit(np.full(1000, 50), np.full(1000, 50.0)).p_value < FALSE_ALARM
