"""Sparsity: known values, bounds, and the closed form for Poisson counts."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pvae_brian.intervals import bootstrap
from pvae_brian.measures.sparsity import (
    compute_sparsity,
    lifetime_sparsity,
    lifetime_sparsity_shares,
    population_sparsity,
)

from .chance import STANDARD_ERRORS, fresh_generator, fresh_seed
from .test_spikes import make_record

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

COUNT_MATRICES = arrays(
    np.int32,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.one_of(st.just(0), st.integers(0, 5), st.integers(0, 2**31 - 1)),
)


# Extremes


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (5, 1), (4, 3)])
def test_silence_is_as_sparse_as_can_be(shape):
    silent = np.zeros(shape, np.int32)
    assert (lifetime_sparsity(silent) == 1).all()
    assert (population_sparsity(silent) == 1).all()
    assert (lifetime_sparsity_shares(silent) == 1).all()


# Rounding would put the last one below 0.
@pytest.mark.parametrize("count", [1, 3, 10**9, 793568184])
def test_equal_responses_are_not_sparse_at_all(count):
    counts = np.full((3, 7), count)
    assert lifetime_sparsity(counts).tolist() == [0] * 7
    assert population_sparsity(counts) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("count", [1, 3, 10**9])
@pytest.mark.parametrize("m", [2, 3, 7, 11, 1000])
def test_a_single_response_is_as_sparse_as_can_be(m, count):
    counts = np.zeros((m, 1))
    counts[m // 2] = count
    # Rounding would put some of them above 1.
    assert 1 - 1e-12 < lifetime_sparsity(counts)[0] <= 1
    assert 1 - 1e-12 < population_sparsity(counts.T)[0] <= 1


def test_one_stimulus_has_no_lifetime_and_one_neuron_no_population():
    assert lifetime_sparsity([[5, 0, 2]]).tolist() == [1, 1, 1]
    assert population_sparsity([[5], [0], [2]]).tolist() == [1, 1, 1]
    assert lifetime_sparsity_shares([[5, 0, 2]]).tolist() == [1]


def test_by_hand():
    # Mean 2, mean square 14/3, m = 3: (1 - 4 * 3/14) / (2/3) = 3/14.
    assert lifetime_sparsity([[1], [2], [3]])[0] == pytest.approx(3 / 14)
    assert population_sparsity([[1, 2, 3]])[0] == pytest.approx(3 / 14)
    # Half of m responses alike: (1 - 1/2) / (1 - 1/m).
    assert lifetime_sparsity([[2], [2], [0], [0]])[0] == pytest.approx(2 / 3)


# Properties


@given(counts=COUNT_MATRICES)
def test_lies_between_zero_and_one(counts):
    for sparsity, n in (
        (lifetime_sparsity(counts), counts.shape[1]),
        (population_sparsity(counts), counts.shape[0]),
    ):
        assert sparsity.shape == (n,)
        assert (sparsity >= 0).all()
        assert (sparsity <= 1).all()


@given(counts=COUNT_MATRICES)
def test_shares_average_to_the_lifetime_sparsity(counts):
    shares = lifetime_sparsity_shares(counts)
    assert shares.shape == (len(counts),)
    assert (shares >= 0).all()
    assert shares.mean() == pytest.approx(lifetime_sparsity(counts).mean(), abs=1e-9)


@given(counts=COUNT_MATRICES, factor=st.integers(1, 50), data=st.data())
@settings(deadline=None)
def test_neither_scale_nor_order_matters(counts, factor, data):
    order = data.draw(st.permutations(range(len(counts))))
    np.testing.assert_allclose(
        lifetime_sparsity(factor * counts[order].astype(float)),
        lifetime_sparsity(counts),
        atol=1e-9,
    )


# Poisson counts of rate r: the mean square is r + r^2, so the sparsity is 1 / (1 + r)


@pytest.mark.parametrize("rate", [0.01, 0.3, 2.0, 50.0])
def test_sparsity_of_poisson_counts_is_one_over_one_plus_rate(rate):
    n_stimuli, n_latents = 20_000, 5
    counts = fresh_generator().poisson(rate, size=(n_stimuli, n_latents))
    shares = lifetime_sparsity_shares(counts)
    error = shares.std() / np.sqrt(n_stimuli)
    # The index is off by terms of the order of 1 / n_stimuli: far below the error.
    assert abs(lifetime_sparsity(counts).mean() - 1 / (1 + rate)) < STANDARD_ERRORS * error


def test_resampled_shares_cover_the_sparsity_of_poisson_counts():
    rng = fresh_generator()
    rates = rng.gamma(1.0, 2.0, size=10)
    truth = (1 / (1 + rates)).mean()
    covered = []
    for _ in range(600):
        shares = lifetime_sparsity_shares(rng.poisson(rates, size=(300, 10)))
        estimate = bootstrap(lambda mean: mean, shares, seed=fresh_seed(), n_resamples=400)
        assert estimate.low <= estimate.value <= estimate.high
        covered.append(estimate.low <= truth <= estimate.high)
    # 0.95 up to the percentile method's error; one standard error of 600 repeats is 0.009.
    assert 0.89 < np.mean(covered) < 0.995


def test_interval_of_many_neurons_and_few_stimuli_holds_the_value():
    # Where the index itself is resampled, duplicates make it too low by 1 / n_stimuli, and with
    # many neurons that is more than the interval is wide.
    counts = fresh_generator().poisson(0.5, size=(50, 500))
    shares = lifetime_sparsity_shares(counts)
    estimate = bootstrap(lambda mean: mean, shares, seed=fresh_seed())
    assert estimate.low < lifetime_sparsity(counts).mean() < estimate.high


# Of a record


def test_sparsity_of_a_record_is_bootstrapped_over_its_stimuli():
    counts = fresh_generator().poisson([0.2, 1.0, 5.0], size=(80, 3))
    record = dataclasses.replace(make_record(counts, with_times=False), seed=fresh_seed())
    found = compute_sparsity(record)
    assert found.fraction_zeros.value == pytest.approx((counts == 0).mean())
    assert found.lifetime.value == pytest.approx(lifetime_sparsity(counts).mean())
    assert found.population.value == pytest.approx(population_sparsity(counts).mean())
    # Each as it would be alone.
    for estimate, shares in [
        (found.fraction_zeros, (counts == 0).mean(axis=1)),
        (found.lifetime, lifetime_sparsity_shares(counts)),
        (found.population, population_sparsity(counts)),
    ]:
        alone = bootstrap(lambda mean: mean, shares, seed=record.seed)
        assert (estimate.low, estimate.high) == pytest.approx((alone.low, alone.high))
        assert estimate.low < estimate.value < estimate.high


def test_sparsity_of_one_stimulus_has_no_spread():
    found = compute_sparsity(make_record([[5, 0, 2, 0]], with_times=False))
    assert (found.fraction_zeros.value, found.lifetime.value) == (0.5, 1)
    for estimate in (found.fraction_zeros, found.lifetime, found.population):
        assert np.isnan([estimate.low, estimate.high]).all()


@pytest.mark.parametrize("empty", [([], slice(None)), (slice(None), [])])
def test_nothing_has_no_sparsity(empty):
    with pytest.raises(ValueError, match="at least one stimulus and one latent"):
        compute_sparsity(make_record([[5, 1], [2, 3]])[empty])
