"""Fano factors and firing rates: known values, Elephant, and their intervals by Monte Carlo."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from brian2 import ms, second
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.special import gammainc
from scipy.stats import bernoulli, binom, nbinom, poisson

from pvae_brian import NeuronModel, Refractory, simulate
from pvae_brian.intervals import poisson_interval
from pvae_brian.measures import (
    fano_factor,
    mean_firing_rate,
    residual_fano,
    residual_fano_band,
)
from pvae_brian.neurons import Bernoulli, CountPrediction, Poisson

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_generator, fresh_seed
from .test_spikes import make_record

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

NORMAL = 1.959963984540054
COUNT_MATRICES = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.one_of(st.just(0), st.integers(0, 5), st.integers(0, 2**31 - 1)),
)


@dataclass(frozen=True)
class Unknown(NeuronModel):
    """A neuron model that has no theory."""

    name: ClassVar[str] = "unknown"

    def predict(self, rates, window_s, n_steps):
        return None


def poisson_law(rates) -> CountPrediction:
    return Poisson().predict(np.array(rates, dtype=float), 1.0, 100)


def standard_error(estimate):
    return (estimate.high - estimate.value) / NORMAL


# Fano factor across stimuli: extremes, by hand, Elephant, theory


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1), (3, 2)])
def test_a_neuron_that_never_fired_has_no_fano_factor(shape):
    assert np.isnan(fano_factor(np.zeros(shape, np.int32))).all()


def test_equal_counts_do_not_vary():
    assert fano_factor(np.full((5, 3), 7)).tolist() == [0, 0, 0]
    assert fano_factor([[3, 1]]).tolist() == [0, 0]


def test_fano_factor_by_hand():
    # Variances 2/3 and 8/9, means 2 and 2/3.
    np.testing.assert_allclose(fano_factor([[1, 0], [2, 0], [3, 2]]), [1 / 3, 4 / 3])


@pytest.mark.parametrize("counts", [[1, 2], np.ones((2, 2, 2))])
def test_counts_have_two_axes(counts):
    with pytest.raises(ValueError, match=r"shape \(n_stimuli, n_latents\)"):
        fano_factor(counts)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_nothing_has_no_measure(shape):
    counts = np.zeros(shape, np.int32)
    law = CountPrediction(counts, counts)
    empty = make_record(np.zeros((3, 3)))[: shape[0], : shape[1]]
    for measure in (
        lambda: fano_factor(counts),
        lambda: residual_fano(counts, law),
        lambda: residual_fano_band(law),
        lambda: mean_firing_rate(empty),
        lambda: mean_firing_rate(empty, axis=None),
    ):
        with pytest.raises(ValueError, match="at least one stimulus and one latent"):
            measure()


@given(counts=COUNT_MATRICES)
@settings(deadline=None)
def test_fano_factor_of_any_counts_against_a_plain_loop(counts):
    found = fano_factor(counts)
    assert found.shape == (counts.shape[1],)
    for latent, column in enumerate(counts.T.tolist()):
        mean = sum(column) / len(column)
        variance = sum((count - mean) ** 2 for count in column) / len(column)
        expected = variance / mean if mean else np.nan
        assert found[latent] == pytest.approx(expected, nan_ok=True, rel=1e-9, abs=1e-6)


def test_rates_and_fano_factors_against_elephant():
    statistics = pytest.importorskip("elephant.statistics")
    neo = pytest.importorskip("neo")
    rates = np.outer([0.1, 1.0, 3.0, 2.0, 0.5], [0.0, 1.0, 4.0, 10.0])
    record = simulate(rates, window=2 * second, record="times", seed=fresh_seed())
    fanos, found = fano_factor(record.counts), mean_firing_rate(record)
    trains = list(zip(*(record.raster(s) for s in range(record.n_stimuli)), strict=True))
    for latent, of_latent in enumerate(trains):
        expected = statistics.fanofactor(list(of_latent))
        assert fanos[latent] == pytest.approx(expected, nan_ok=True)
        per_train = [
            statistics.mean_firing_rate(neo.SpikeTrain(train, units="s", t_stop=2.0)).item()
            for train in of_latent
        ]
        assert found.value[latent] == pytest.approx(np.mean(per_train))
    assert mean_firing_rate(record, axis=None).value == pytest.approx(found.value.mean())


def test_poisson_counts_of_one_rate_have_a_fano_factor_of_one():
    n, rate = 2000, 5.0
    record = simulate(np.full((n, 50), rate), n_steps=10, seed=fresh_seed())
    # Of a sample variance: fourth cumulant over n, and twice the squared variance over n - 1.
    error = np.sqrt(1 / (n * rate) + 2 / (n - 1))
    assert (np.abs(fano_factor(record.counts) - 1) < STANDARD_ERRORS * error).all()


def test_rates_that_vary_add_to_the_fano_factor_but_not_to_the_residual_one():
    rates = np.repeat([[2.0], [18.0]], 2000, axis=0)
    record = simulate(rates, n_steps=10, seed=fresh_seed())
    # Var[rate] / mean rate = 64 / 10.
    assert fano_factor(record.counts)[0] == pytest.approx(7.4, rel=0.2)
    residual = residual_fano(record.counts, record.prediction)
    assert abs(residual.value[0] - 1) < STANDARD_ERRORS * standard_error(residual)[0]


# Residual Fano factor


def test_residual_fano_by_hand():
    law = poisson_law([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0]])
    found = residual_fano([[2, 2, 0], [1, 0, 0]], law)
    np.testing.assert_allclose(found.value, [(1 + 4) / 4, 0, np.nan])
    error = np.array([np.sqrt(1 + 2 + 3 + 18) / 4, np.sqrt(2 + 8) / 2, np.nan])
    np.testing.assert_allclose(found.low, [0, 0, np.nan])
    np.testing.assert_allclose(found.high, found.value + NORMAL * error)
    whole = residual_fano([[2, 2, 0], [1, 0, 0]], law, axis=None)
    assert whole.value == pytest.approx(5 / 6)
    assert whole.high == pytest.approx(5 / 6 + NORMAL * np.sqrt(1 + 2 + 3 + 18 + 2 + 8) / 6)
    assert whole.low == 0


@pytest.mark.parametrize(
    "of",
    [
        lambda: bernoulli(0.5),
        lambda: bernoulli(0.02),
        lambda: binom(20, 0.3),
        lambda: nbinom(3.5, 0.4),
        lambda: poisson(2.5),
    ],
)
def test_the_error_is_exact_for_binomial_poisson_and_negative_binomial_counts(of):
    distribution = of()
    mean, variance, excess = (float(moment) for moment in distribution.stats("mvk"))
    law = CountPrediction(np.full((4, 1), mean), np.full((4, 1), variance))
    # Fourth central moment, less the square of the second.
    of_square = (excess + 3) * variance**2 - variance**2
    low, high = residual_fano_band(law)
    assert high[0] == pytest.approx(variance / mean + NORMAL * np.sqrt(4 * of_square) / (4 * mean))
    found = residual_fano([[0], [1], [2], [1]], law)
    assert found.high - found.value == pytest.approx(high - variance / mean)
    assert found.low[0] == pytest.approx(max(0, 2 * found.value[0] - found.high[0]))
    assert low[0] == pytest.approx(max(0, 2 * variance / mean - high[0]))


@pytest.mark.parametrize(("period", "tolerance"), [(0.01, 0.01), (0.1, 0.04), (0.2, 0.08)])
def test_the_error_is_near_for_refractory_counts(period, tolerance):
    """Against the chances of each number of spikes after a dead time, in a window of 1."""
    rates = np.geomspace(0.01, 0.5 / period, 50)
    law = Refractory(absolute=period * second).predict(rates[:, None], 1.0, 1000)
    n = np.arange(1, 200)
    left = np.maximum(1 - (n - 1) * period, 0)
    at_least = np.where(left > 0, gammainc(n, rates[:, None] * left), 0.0)
    chance = -np.diff(at_least, prepend=1.0, append=0.0, axis=1)
    squares = (np.arange(200) - law.mean) ** 2
    variance = (chance * (squares - law.variance) ** 2).sum(axis=1)
    for i in range(50):
        one = CountPrediction(law.mean[i : i + 1], law.variance[i : i + 1])
        fano = one.fano[0, 0]
        error = (residual_fano_band(one)[1][0] - fano) / NORMAL
        assert error == pytest.approx(np.sqrt(variance[i]) / law.mean[i, 0], rel=tolerance)


def test_nothing_predicted_has_no_residual_fano():
    for counts in (np.zeros((2, 1), int), np.ones((2, 1), int)):
        for law in (
            poisson_law([[0.0], [0.0]]),
            CountPrediction(np.zeros((2, 1)), np.zeros((2, 1))),
        ):
            found = residual_fano(counts, law)
            assert np.isnan([found.value, found.low, found.high]).all()
            assert np.isnan(residual_fano(counts, law, axis=None).value)
    assert np.isnan(residual_fano_band(poisson_law([[0.0, 0.0]]))).all()


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (1, 1)])
def test_a_prediction_is_of_the_same_counts(shape):
    with pytest.raises(ValueError, match="one shape"):
        residual_fano(np.ones((2, 2)), poisson_law(np.ones(shape)))


@given(counts=COUNT_MATRICES, data=st.data())
@settings(deadline=None)
def test_residual_fano_of_any_counts_against_a_plain_loop(counts, data):
    rates = data.draw(arrays(float, counts.shape, elements=st.sampled_from([0.0, 1e-3, 2.0, 1e6])))
    found = residual_fano(counts, poisson_law(rates))
    band = residual_fano_band(poisson_law(rates))
    for i in range(counts.shape[1]):
        expected = sum(rates[:, i])
        if not expected:
            assert np.isnan([found.value[i], band[0][i], band[1][i]]).all()
            continue
        value = sum((z - r) ** 2 for z, r in zip(counts[:, i].tolist(), rates[:, i], strict=True))
        error = np.sqrt(sum(r + 2 * r**2 for r in rates[:, i])) / expected
        assert found.value[i] == pytest.approx(value / expected)
        assert found.high[i] == pytest.approx(value / expected + NORMAL * error)
        assert band[0][i] == pytest.approx(max(0, 1 - NORMAL * error), abs=1e-12)
        assert band[1][i] == pytest.approx(1 + NORMAL * error)


@pytest.mark.parametrize("neuron", [Poisson(), Bernoulli()])
def test_the_band_holds_the_spread_of_simulated_neurons(neuron):
    """Exact for both: each neuron is repeated often enough to measure its variance."""
    n_repeats, n_steps = 2000, 20
    stimuli = np.geomspace(0.05, 9.0, 40)
    rates = np.repeat(stimuli[:, None], n_repeats, axis=1)
    law = neuron.predict(rates, 1.0, n_steps)
    if isinstance(neuron, Poisson):
        counts = simulate(rates, n_steps=n_steps, seed=fresh_seed()).counts
    else:
        counts = fresh_generator().binomial(n_steps, rates / n_steps)
    found = residual_fano(counts, law).value
    low, high = residual_fano_band(law)
    centre, error = (low + high)[0] / 2, (high - low)[0] / (2 * NORMAL)
    assert abs(found.mean() - centre) < STANDARD_ERRORS * error / np.sqrt(n_repeats)
    assert centre == pytest.approx(law.variance[:, 0].sum() / law.mean[:, 0].sum())
    # The relative error of a standard deviation is sqrt((kurtosis - 1) / 4n): 1.6 % if normal.
    assert found.std() == pytest.approx(error, rel=2 * STANDARD_ERRORS / np.sqrt(2 * n_repeats))


@pytest.mark.parametrize(
    "neuron", ["poisson", Refractory(absolute=2 * ms), Refractory(relative=5 * ms)]
)
def test_95_percent_of_simulated_neurons_lie_in_the_band_and_cover_their_law(neuron):
    n_neurons = 1500
    rates = np.repeat(np.geomspace(1, 60, 40)[:, None], n_neurons, axis=1)
    record = simulate(
        rates, window=500 * ms, n_steps=1000, neuron=neuron, seed=fresh_seed(), record="counts"
    )
    law = record.prediction
    found = residual_fano(record.counts, law)
    low, high = residual_fano_band(law)
    expected = law.variance[:, 0].sum() / law.mean[:, 0].sum()
    in_band = np.count_nonzero((low <= found.value) & (found.value <= high))
    covered = np.count_nonzero((found.low <= expected) & (expected <= found.high))
    # Sums of squares are skewed: up to 1 % is allowed for.
    for n_right in (in_band, covered):
        assert binom.ppf(FALSE_ALARM, n_neurons, 0.94) <= n_right
        assert n_right <= binom.isf(FALSE_ALARM, n_neurons, 0.96)
    whole = residual_fano(record.counts, law, axis=None)
    assert abs(whole.value - expected) < STANDARD_ERRORS * standard_error(whole)


# Firing rates


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (4, 1)])
def test_silence_has_a_rate_of_zero_and_garwoods_end(shape):
    record = dataclasses.replace(
        make_record(np.zeros(shape), with_times=False, window_s=0.5), rates=np.zeros(shape)
    )
    per_neuron, whole = mean_firing_rate(record), mean_firing_rate(record, axis=None)
    assert per_neuron.value.tolist() == per_neuron.low.tolist() == [0] * shape[1]
    assert per_neuron.high == pytest.approx(-np.log(0.025) / (0.5 * shape[0]))
    assert (whole.value, whole.low) == (0, 0)
    assert whole.high == pytest.approx(-np.log(0.025) / (0.5 * shape[0] * shape[1]))


def test_poisson_rates_by_hand():
    record = make_record([[3, 0], [5, 1], [10, 2]], with_times=False, window_s=0.25)
    found, whole = mean_firing_rate(record), mean_firing_rate(record, axis=None)
    assert found.value == pytest.approx(np.array([18, 3]) / 0.75)
    low, high = poisson_interval(np.array([18, 3]))
    assert found.low == pytest.approx(low / 0.75)
    assert found.high == pytest.approx(high / 0.75)
    assert whole.value == pytest.approx(21 / 1.5)
    assert (whole.low, whole.high) == pytest.approx(np.array(poisson_interval(21)) / 1.5)


def test_refractory_rates_have_the_interval_of_theory():
    neuron = Refractory(absolute=10 * ms)
    rates = np.tile([40.0, 5.0], (200, 1))
    record = simulate(rates, window=500 * ms, neuron=neuron, seed=fresh_seed())
    law, found = record.prediction, mean_firing_rate(record)
    assert found.value == pytest.approx(record.counts.sum(axis=0) / 100)
    assert standard_error(found) == pytest.approx(np.sqrt(law.variance.sum(axis=0)) / 100)
    expected = law.mean.sum(axis=0) / 100
    assert (np.abs(found.value - expected) < STANDARD_ERRORS * standard_error(found)).all()
    whole = mean_firing_rate(record, axis=None)
    assert standard_error(whole) == pytest.approx(np.sqrt(law.variance.sum()) / 200)


def test_rates_of_neurons_without_theory_are_bootstrapped():
    counts = fresh_generator().poisson([4.0, 0.5, 0.0], size=(400, 3))
    record = make_record(counts, with_times=False, window_s=2.0, neuron=Unknown())
    found, whole = mean_firing_rate(record), mean_firing_rate(record, axis=None)
    np.testing.assert_allclose(found.value, counts.mean(axis=0) / 2)
    assert whole.value == pytest.approx(counts.mean() / 2)
    error = counts.std(axis=0) / 2 / np.sqrt(400)
    assert standard_error(found) == pytest.approx(error, rel=0.5)
    assert standard_error(whole) == pytest.approx(
        counts.mean(axis=1).std() / 2 / np.sqrt(400), rel=0.5
    )
    assert (found.low[2], found.high[2]) == (0, 0)
    one = mean_firing_rate(record[0])
    assert np.isnan([one.low, one.high]).all()


def test_garwoods_interval_covers_the_rate_of_every_neuron_at_least_as_often_as_it_says():
    n_neurons = 2000
    record = simulate(np.full((5, n_neurons), 0.8), n_steps=5, seed=fresh_seed())
    found = mean_firing_rate(record)
    covered = np.count_nonzero((found.low <= 0.8) & (found.high >= 0.8))
    assert covered >= binom.ppf(FALSE_ALARM, n_neurons, 0.95)
