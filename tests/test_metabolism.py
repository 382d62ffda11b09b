"""What spikes cost: known answers, and the parts against the whole."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from brian2 import second
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pvae_brian import BUDGETS, EnergyBudget, metabolic_cost, simulate

from .chance import STANDARD_ERRORS, fresh_generator, fresh_seed

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@pytest.fixture(scope="module")
def record():
    rates = fresh_generator().gamma(1.0, 2.0, size=(400, 12))
    return simulate(rates, window=1 * second, seed=fresh_seed(), n_steps=20)


@functools.cache
def silent_record():
    return simulate([[0.0]], window=1 * second, n_steps=1)


def with_counts(counts, window_s=1.0):
    counts = np.array(counts, np.int32)
    rates = np.zeros(counts.shape)
    return dataclasses.replace(silent_record(), counts=counts, rates=rates, window_s=window_s)


# Known answers


def test_silence_costs_rest_alone():
    cost = metabolic_cost(simulate(np.zeros((5, 3)), window=1 * second, n_steps=1))
    assert cost.spiking.tolist() == [0] * 5
    assert cost.spiking_per_stimulus.value == cost.spiking_per_stimulus.high == 0
    assert cost.resting == pytest.approx(3 * 0.444e9)
    assert cost.total_per_stimulus.value == cost.resting
    np.testing.assert_allclose(cost.per_neuron, 0.444e9)


def test_four_spikes_in_a_second_cost_what_attwell_and_laughlin_say():
    cost = metabolic_cost(with_counts([[4]]), "attwell-laughlin-2001")
    assert cost.spiking[0] == pytest.approx(2.84e9)
    assert cost.resting == pytest.approx(0.444e9)
    # As the paper has it: 3.29e9 ATP per second at 4 Hz.
    assert cost.total_per_stimulus.value == pytest.approx(3.29e9, rel=2e-3)
    assert cost.per_neuron[0] == pytest.approx(cost.total_per_stimulus.value)


def test_rest_lasts_as_long_as_the_window_and_spikes_do_not():
    short = metabolic_cost(with_counts([[4, 0]], window_s=0.25))
    assert short.resting == pytest.approx(2 * 0.444e9 / 4)
    assert short.spiking[0] == pytest.approx(2.84e9)


def test_one_stimulus_has_a_cost_and_no_interval():
    cost = metabolic_cost(with_counts([[4, 1]]))
    assert cost.spiking_per_stimulus.value == pytest.approx(5 * 7.1e8)
    assert np.isnan([cost.total_per_stimulus.low, cost.total_per_stimulus.high]).all()


# Two routes


def test_mean_over_stimuli_equals_sum_over_neurons(record):
    cost = metabolic_cost(record)
    assert cost.spiking.shape == (record.n_stimuli,)
    assert cost.per_neuron.shape == (record.n_latents,)
    total = cost.total_per_stimulus
    assert total.value == pytest.approx(cost.per_neuron.sum())
    assert total.value == pytest.approx(cost.spiking.mean() + cost.resting)
    assert total.low == pytest.approx(cost.spiking_per_stimulus.low + cost.resting)
    assert total.high == pytest.approx(cost.spiking_per_stimulus.high + cost.resting)
    assert total.low < total.value < total.high


def test_simulated_cost_is_what_the_rates_foretell(record):
    expected = record.rates.sum() * 7.1e8
    error = np.sqrt(record.rates.sum()) * 7.1e8
    assert abs(metabolic_cost(record).spiking.sum() - expected) < STANDARD_ERRORS * error


def test_interval_is_as_wide_as_the_spread_over_stimuli(record):
    estimate = metabolic_cost(record).spiking_per_stimulus
    spikes = record.counts.sum(axis=1) * 7.1e8
    normal = 2 * 1.96 * spikes.std() / np.sqrt(record.n_stimuli)
    # 2000 resamples place each end within 6 % of a standard error.
    assert estimate.high - estimate.low == pytest.approx(normal, rel=0.3)


@given(
    counts=arrays(
        np.int32,
        array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.integers(0, 2**31 - 1),
    ),
    spike_cost=st.floats(0, 1e12),
    rest_cost=st.floats(0, 1e12),
)
@settings(deadline=None, max_examples=25)
def test_any_budget_is_linear_in_spikes_and_time(counts, spike_cost, rest_cost):
    budget = EnergyBudget("mine", spike_cost, rest_cost, "C", "this test")
    cost = metabolic_cost(with_counts(counts), budget)
    assert cost.budget is budget
    np.testing.assert_allclose(cost.spiking, counts.astype(float).sum(axis=1) * spike_cost)
    assert cost.resting == pytest.approx(counts.shape[1] * rest_cost)


def test_same_record_same_cost(record):
    first, again = metabolic_cost(record), metabolic_cost(record)
    assert first.total_per_stimulus == again.total_per_stimulus


# Budgets


def test_shipped_budgets_say_where_they_come_from():
    for name, budget in BUDGETS.items():
        assert budget.name == name
        assert budget.grade in {"A", "B", "C"}
        assert budget.source


@pytest.mark.parametrize("budget", ["attwell", "", None, 3.0, ["attwell-laughlin-2001"]])
def test_unknown_budget_is_named_with_those_there_are(record, budget):
    with pytest.raises(ValueError, match="attwell-laughlin-2001"):
        metabolic_cost(record, budget)


@pytest.mark.parametrize("cost", [-1.0, np.nan, np.inf])
@pytest.mark.parametrize("field", ["spike_cost", "rest_cost"])
def test_costs_are_finite_and_not_negative(field, cost):
    with pytest.raises(ValueError, match=field):
        dataclasses.replace(BUDGETS["attwell-laughlin-2001"], **{field: cost})
