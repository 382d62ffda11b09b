"""Intervals: Garwood's against the Poisson law, the bootstrap against laws that are known."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import scipy.stats
from brian2 import joule
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import brentq
from scipy.stats import binom, poisson

from pvae_brian import Estimate, intervals
from pvae_brian.intervals import bootstrap, poisson_interval

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_generator, fresh_seed


def identity(mean):
    return mean


# Garwood's interval


def test_no_count_has_lower_end_zero_and_upper_end_in_closed_form():
    low, high = poisson_interval(0)
    assert low == 0
    assert high == pytest.approx(-np.log(0.025), rel=1e-12)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
@pytest.mark.parametrize("total", [1, 2, 10, 1000, 10**6])
def test_ends_invert_the_poisson_distribution_function(total, confidence):
    tail = (1 - confidence) / 2
    span = (total / 10, total + 10 * np.sqrt(total) + 20)
    low = brentq(lambda mean: poisson.sf(total - 1, mean) - tail, 1e-9, span[1], xtol=1e-10)
    high = brentq(lambda mean: poisson.cdf(total, mean) - tail, span[0], span[1], xtol=1e-10)
    np.testing.assert_allclose(poisson_interval(total, confidence), (low, high), rtol=1e-6)


@pytest.mark.parametrize("mean", [0.01, 0.3, 1.0, 3.689, 10.0, 150.0])
def test_interval_covers_any_mean_at_least_as_often_as_it_says(mean):
    counts = np.arange(poisson.isf(1e-15, mean) + 1)
    low, high = poisson_interval(counts)
    coverage = poisson.pmf(counts, mean)[(low <= mean) & (mean <= high)].sum()
    assert coverage >= 0.95 - 1e-12


def test_interval_of_a_scalar_is_of_scalars_and_that_of_an_array_has_its_shape():
    assert all(np.isscalar(end) for end in poisson_interval(3))
    counts = np.array([[0, 3], [7, 10**9]])
    low, high = poisson_interval(counts)
    assert low.shape == high.shape == counts.shape
    assert (low[0, 1], high[0, 1]) == poisson_interval(3)
    assert (low <= counts).all()
    assert (counts <= high).all()


# The bootstrap


def test_one_stimulus_says_nothing_of_the_spread():
    estimate = bootstrap(identity, np.array([3.0]))
    assert estimate.value == 3
    assert np.isnan([estimate.low, estimate.high]).all()
    of_neurons = bootstrap(identity, np.array([[3.0, 0.0]]))
    assert of_neurons.value.tolist() == [3, 0]
    assert np.isnan([of_neurons.low, of_neurons.high]).all()


@pytest.mark.parametrize("value", [0, 3, 10**9])
@pytest.mark.parametrize("n", [2, 7, 1000])
def test_stimuli_that_are_all_alike_give_exactly_no_width(value, n):
    estimate = bootstrap(identity, np.full(n, value))
    assert (estimate.value, estimate.low, estimate.high) == (value, value, value)


def test_resampled_mean_of_zeros_and_ones_follows_a_binomial_law():
    n, ones, n_resamples = 40, 12, 20_000
    column = np.zeros(n)
    column[:ones] = 1
    estimate = bootstrap(identity, column, seed=fresh_seed(), n_resamples=n_resamples)
    assert estimate.value == ones / n
    law = binom(n, ones / n)
    # Percentiles expanded for n - 1 and Student's law.
    low = scipy.stats.norm.cdf(scipy.stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1)))
    for end, tail in ((estimate.low, low), (estimate.high, 1 - low)):
        # The share of resamples up to the end, and up to the value before it, enclose the tail.
        error = STANDARD_ERRORS * np.sqrt(0.025 * 0.975 / n_resamples)
        k = round(end * n)
        assert law.cdf(k - 1) - error < tail < law.cdf(k) + error


def ratio(a, b):
    return a / b


@pytest.mark.parametrize("n", [30, 400])
def test_agrees_with_scipy_in_its_monte_carlo_error(n):
    rng = fresh_generator()
    a = rng.gamma(2.0, size=n)
    b = a + rng.gamma(2.0, size=n)
    n_resamples = 10_000
    ours = bootstrap(ratio, a, b, seed=fresh_seed(), n_resamples=n_resamples)
    # scipy takes percentiles as they are, ours lie further out by what n - 1 and Student's law ask.
    tail = scipy.stats.norm.cdf(scipy.stats.t.ppf(0.025, n - 1) * np.sqrt(n / (n - 1)))
    theirs = scipy.stats.bootstrap(
        (a, b),
        lambda a, b, axis: a.mean(axis=axis) / b.mean(axis=axis),
        confidence_level=1 - 2 * tail,
        paired=True,
        vectorized=True,
        method="percentile",
        n_resamples=n_resamples,
        rng=fresh_generator(),
    )
    assert ours.value == pytest.approx(a.mean() / b.mean(), rel=1e-12)
    # Standard error of a quantile of a normal law: sqrt(p (1 - p) / n) / density. The law
    # of resamples is nearly normal: a third is added for that.
    density = scipy.stats.norm.pdf(scipy.stats.norm.ppf(tail))
    error = np.sqrt(2 * tail * (1 - tail) / n_resamples) / density * theirs.standard_error
    interval = theirs.confidence_interval
    np.testing.assert_allclose(
        (ours.low, ours.high), tuple(interval), rtol=0, atol=1.33 * STANDARD_ERRORS * error
    )


def test_interval_covers_the_mean_of_overdispersed_spikes():
    rng = fresh_generator()
    n_stimuli, n_repeats, covered = 500, 10_000, []
    for _ in range(20):
        rates = rng.gamma(2.0, 5.0, size=(n_stimuli, n_repeats // 20))
        estimate = bootstrap(identity, rng.poisson(rates), seed=fresh_seed())
        covered.append((estimate.low <= 10) & (estimate.high >= 10))
    # 0.95 up to the percentile method's own error, below 0.002 here; a standard error is 0.0022.
    assert 0.935 < np.mean(covered) < 0.965


def test_few_stimuli_make_a_wider_interval():
    n_stimuli, n_repeats = 8, 20_000
    estimate = bootstrap(
        identity, fresh_generator().normal(size=(n_stimuli, n_repeats)), seed=fresh_seed()
    )
    # 0.946 here, where plain percentiles cover 0.89; a standard error is 0.0016.
    assert 0.93 < ((estimate.low <= 0) & (estimate.high >= 0)).mean() < 0.965


def test_same_stimuli_are_drawn_for_all_columns():
    spikes = fresh_generator().poisson(3.0, size=50) + 1.0
    estimate = bootstrap(ratio, 2 * spikes, spikes)
    assert (estimate.value, estimate.low, estimate.high) == (2, 2, 2)


def test_each_neuron_gets_the_interval_that_it_has_alone():
    counts = fresh_generator().poisson([[0.0, 0.1, 7.0]], size=(60, 3))
    together = bootstrap(identity, counts, seed=5)
    for neuron in range(3):
        alone = bootstrap(identity, counts[:, neuron], seed=5)
        got = [end[neuron] for end in (together.value, together.low, together.high)]
        np.testing.assert_allclose(got, (alone.value, alone.low, alone.high), rtol=1e-12)


def test_seed_sets_the_resamples():
    column = fresh_generator().normal(size=100)
    first = bootstrap(identity, column, seed=1)
    assert bootstrap(identity, column, seed=1) == first
    assert bootstrap(identity, column, seed=2) != first


def test_resamples_in_many_blocks_are_as_good_as_in_one(monkeypatch):
    column = fresh_generator().normal(size=100)
    in_one = bootstrap(identity, column, seed=fresh_seed())
    monkeypatch.setattr(intervals, "_WEIGHTS", 700)
    in_blocks = bootstrap(identity, column, seed=fresh_seed())
    # Standard error of the 2.5 % quantile of 2000 normal numbers: 0.06 of their deviation.
    error = 0.06 * np.sqrt(2) * column.std() / 10
    for ours, theirs in ((in_one.low, in_blocks.low), (in_one.high, in_blocks.high)):
        assert abs(ours - theirs) < STANDARD_ERRORS * error


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_neuron_that_fires_once_has_an_infinite_end_and_a_silent_one_no_number():
    spikes = np.zeros((30, 3))
    spikes[0, 0] = 1
    bits = np.ones((30, 3)) * [1, 1, 0]
    estimate = bootstrap(ratio, bits, spikes)
    assert estimate.value.tolist()[:2] == [30, np.inf]
    assert np.isfinite(estimate.low[0])
    assert estimate.high[:2].tolist() == [np.inf, np.inf]
    assert np.isnan([estimate.value[2], estimate.low[2], estimate.high[2]]).all()


@given(
    column=arrays(np.float64, st.integers(2, 30), elements=st.floats(-1e6, 1e6)),
    seed=st.integers(0, 2**32 - 1),
)
@settings(deadline=None, max_examples=50)
def test_interval_is_ordered_and_lies_within_the_values(column, seed):
    estimate = bootstrap(identity, column, seed=seed, n_resamples=200)
    rounding = 1e-9 * np.abs(column).max()
    assert column.min() - rounding <= estimate.low <= estimate.high <= column.max() + rounding


# Estimate


def test_estimate_reads_well_and_changes_its_unit():
    estimate = Estimate(1.0, 0.5, 2.0)
    assert f"{estimate}" == "1 [0.5, 2]"
    assert f"{estimate.scaled(2):.2f}" == "2.00 [1.00, 4.00]"
    with pytest.raises(dataclasses.FrozenInstanceError):
        estimate.value = 2.0


def test_false_alarm_rate_is_that_of_the_standard_errors():
    assert 2 * scipy.stats.norm.sf(STANDARD_ERRORS) < FALSE_ALARM / 100


def test_an_estimate_prints_with_its_interval_and_unit():
    assert str(Estimate(2.0, 1.5, 2.5)) == "2 [1.5, 2.5]"
    assert f"{Estimate(2.0, 1.5, 2.5):.2f}" == "2.00 [1.50, 2.50]"
    assert "J" in str(Estimate(2.0, 1.5, 2.5).scaled(joule))
    assert "array" in f"{Estimate(np.zeros(2), np.zeros(2), np.zeros(2))}"


def test_an_estimate_over_and_under_a_number():
    estimate = Estimate(4.0, 2.0, 8.0)
    assert estimate.over(2.0) == Estimate(2.0, 1.0, 4.0)
    assert estimate.under(8.0) == Estimate(2.0, 1.0, 4.0)
    assert Estimate(0.0, 0.0, 2.0).under(1.0) == Estimate(np.inf, 0.5, np.inf)
    assert np.isnan(Estimate(0.0, 0.0, 0.0).over(0.0).value)
