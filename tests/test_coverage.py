"""Intervals cover what they say they cover, over thousands of simulated repetitions."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import ms, second

from pvae_brian import Refractory, metabolic_cost, simulate
from pvae_brian.fidelity import compute_fidelity
from pvae_brian.intervals import Estimate, bootstrap, count_interval
from pvae_brian.measures import mean_counts

from .chance import fresh_generator, fresh_seed

# With 20 000 repetitions the standard error of a coverage of 0.95 is 0.0015: to leave the band from
# 0.935 to 0.965 by chance takes nearly ten of them. Of 2000, as are printed too, one in 500 would.
N_REPETITIONS = 20_000
LOWEST, HIGHEST = 0.935, 0.965


def coverage(low: np.ndarray, high: np.ndarray, truth: float) -> float:
    holds = (low <= truth) & (truth <= high)
    print(f"covered in {holds[:2000].mean():.4f} of 2000, {holds.mean():.4f} of {len(holds)}")
    return holds.mean()


@pytest.mark.slow
@pytest.mark.parametrize("neuron", ["poisson", Refractory(20 * ms)], ids=["poisson", "refractory"])
def test_interval_of_measured_spikes_for_these_stimuli(neuron):
    n_stimuli = 20
    rates = fresh_generator().gamma(2.0, 2.0, size=(n_stimuli, 5))
    record = simulate(
        np.tile(rates, (N_REPETITIONS, 1)),
        window=1 * second,
        n_steps=60,
        seed=fresh_seed(),
        neuron=neuron,
    )
    law = record[:n_stimuli].prediction
    totals = record.counts.reshape(N_REPETITIONS, -1).sum(axis=1)
    low, high = count_interval(totals, None if law.is_poisson else law.variance.sum())
    assert (
        LOWEST < coverage(low / n_stimuli, high / n_stimuli, law.mean.sum() / n_stimuli) < HIGHEST
    )
    # These are what a user gets.
    for k in range(5):
        measured = compute_fidelity(record[n_stimuli * k : n_stimuli * (k + 1)]).measured
        np.testing.assert_allclose((measured.low, measured.high), (low[k] / 20, high[k] / 20))


@pytest.mark.slow
def test_interval_of_cost_for_stimuli_drawn_like_these():
    n_stimuli, n_parts = 200, 20
    shape = (n_stimuli, N_REPETITIONS // n_parts)
    found = []
    for _ in range(n_parts):
        rates = fresh_generator().gamma(2.0, 2.0, size=(n_stimuli * shape[1], 1))
        record = simulate(rates, window=1 * second, n_steps=20, seed=fresh_seed())
        # Repetition after repetition, each of other stimuli.
        spikes = record.counts.reshape(shape[::-1]).T
        found.append(bootstrap(lambda mean: mean, spikes, seed=record.seed).scaled(7.1e8))
    # It is what a user gets.
    of_first = metabolic_cost(record[:n_stimuli]).spiking_per_stimulus
    first = Estimate(found[-1].value[0], found[-1].low[0], found[-1].high[0])
    assert (of_first.low, of_first.high) == pytest.approx((first.low, first.high))
    low = np.concatenate([estimate.low for estimate in found])
    high = np.concatenate([estimate.high for estimate in found])
    assert LOWEST < coverage(low, high, 4 * 7.1e8) < HIGHEST


@pytest.mark.slow
@pytest.mark.parametrize("mean", [0.02, 0.2, 2.0])
def test_interval_of_a_neuron_that_hardly_fires(mean):
    rates = fresh_generator().gamma(2.0, mean / 2, size=(25, N_REPETITIONS))
    record = simulate(rates, window=1 * second, n_steps=20, seed=fresh_seed())
    estimate = mean_counts(record)
    # Wider than it need be where there are few spikes; resampling alone covers 0.4 of the first.
    # For skewed counts of 25 stimuli it is a little too narrow: 0.93 is what is asked for here.
    assert coverage(estimate.low, estimate.high, mean) > 0.93
