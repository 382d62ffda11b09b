"""What spikes cost: known answers, and the parts against the whole."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
from brian2 import DimensionMismatchError, joule, kjoule, mole, ms, second, watt
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.constants import Avogadro
from scipy.stats import norm

from pvae_brian import (
    BUDGETS,
    EnergyBudget,
    compare,
    compare_costs,
    load_encoder,
    metabolic_cost,
    metabolic_costs,
    simulate,
)
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.intervals import poisson_interval
from pvae_brian.neurons import Refractory

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
    assert cost.spiking.value.tolist() == [0] * 5
    assert cost.spiking_per_stimulus.value == cost.spiking_per_stimulus.high == 0
    assert cost.resting == pytest.approx(3 * 0.444e9)
    assert cost.total_per_stimulus.value == cost.resting
    np.testing.assert_allclose(cost.total_per_neuron.value, 0.444e9)


def test_four_spikes_in_a_second_cost_what_attwell_and_laughlin_say():
    cost = metabolic_cost(with_counts([[4]]), "attwell-laughlin-2001")
    assert cost.unit == "ATP"
    assert cost.spiking.value[0] == pytest.approx(2.84e9)
    assert cost.resting == pytest.approx(0.444e9)
    assert cost.total_per_stimulus.value == pytest.approx(3.284e9)
    # As the paper has it: 3.29e9 ATP per second at 4 Hz.
    assert cost.total_per_stimulus.value == pytest.approx(3.29e9, rel=2e-3)
    assert cost.total_per_neuron.value[0] == pytest.approx(cost.total_per_stimulus.value)


def test_four_spikes_under_each_other_budget():
    costs = {cost.budget.name: cost for cost in metabolic_costs(with_counts([[4]]), BUDGETS)}
    per_spike = {name: cost.spiking.value[0] / 4 for name, cost in costs.items()}
    assert per_spike == pytest.approx(
        {
            "attwell-laughlin-2001": 7.1e8,
            "howarth-2012": 4.47e8,
            "lennie-2003": 2.4e9,
            "loihi": 1.7e-12 + 256 * 23.6e-12,
            "truenorth": 256 * 26e-12,
            "cmos-45nm": 256 * 0.9e-12,
        }
    )
    # Shares at 4 Hz of Howarth and others (2012): rest 20 %, of which this budget is derived.
    howarth = costs["howarth-2012"]
    assert howarth.resting / howarth.total_per_stimulus.value == pytest.approx(0.20, abs=0.005)
    # 52 pJ at each of 1000 steps.
    assert costs["loihi"].resting == pytest.approx(52e-9)
    assert costs["truenorth"].total_per_stimulus.value == costs["truenorth"].spiking.value[0]


def test_rest_that_is_not_stated_is_not_taken_for_nothing():
    cost = metabolic_cost(with_counts([[4, 1], [0, 2]]), "lennie-2003")
    assert cost.spiking_per_stimulus.value == pytest.approx(3.5 * 2.4e9)
    assert np.isnan([cost.resting, cost.total_per_stimulus.value, cost.total.low]).all()
    assert np.isnan(cost.total_per_neuron.value).all()


def test_rest_lasts_as_long_as_the_window_and_spikes_do_not():
    short = metabolic_cost(with_counts([[4, 0]], window_s=0.25))
    assert short.resting == pytest.approx(2 * 0.444e9 / 4)
    assert short.spiking.value[0] == pytest.approx(2.84e9)


def test_one_stimulus_has_a_cost_and_no_interval_over_stimuli():
    cost = metabolic_cost(with_counts([[4, 1]]))
    assert cost.spiking_per_stimulus.value == pytest.approx(5 * 7.1e8)
    assert np.isnan([cost.total_per_stimulus.low, cost.total_per_stimulus.high]).all()
    # Its repetitions have one.
    low, high = poisson_interval(5)
    assert cost.spiking.low[0] == pytest.approx(low * 7.1e8)
    assert cost.spiking.high[0] == pytest.approx(high * 7.1e8)


def test_a_neuron_that_was_silent_may_fire_yet():
    cost = metabolic_cost(with_counts([[0, 3], [0, 5], [0, 1]])).spiking_per_neuron
    # Garwood's upper end for no spikes, 3.69, in three windows.
    assert (cost.value[0], cost.low[0]) == (0, 0)
    assert cost.high[0] == pytest.approx(3.689 / 3 * 7.1e8, rel=1e-3)
    low, high = poisson_interval(9)
    assert cost.low[1] <= low / 3 * 7.1e8 * (1 + 1e-9)
    assert cost.high[1] >= high / 3 * 7.1e8 * (1 - 1e-9)


def test_several_budgets_are_several(record):
    with pytest.raises(TypeError, match="metabolic_cost"):
        metabolic_costs(record, "loihi")


def test_no_stimuli_are_refused(record):
    with pytest.raises(ValueError, match="at least one"):
        metabolic_cost(record[[]])


# Joules


def test_a_molecule_sets_free_fifty_kilojoules_per_mole():
    cost = metabolic_cost(with_counts([[4]]))
    assert cost.joules_per_unit == pytest.approx(8.3e-20, rel=1e-3)
    energy, power = cost.energy.value, cost.power.value
    assert energy / joule == pytest.approx(3.284e9 * 50e3 / Avogadro)
    assert power / watt == pytest.approx(energy / joule)


def test_hydrolysis_is_a_parameter_and_power_goes_with_the_window():
    record = with_counts([[4, 0], [2, 2]], window_s=0.5)
    cost, low = metabolic_cost(record), metabolic_cost(record, hydrolysis=44 * kjoule / mole)
    assert low.joules_per_unit / cost.joules_per_unit == pytest.approx(44 / 50)
    # What is counted in ATP does not change.
    assert low.total_per_stimulus == cost.total_per_stimulus
    assert low.power.value / watt == pytest.approx(2 * low.energy.value / joule)
    assert low.power.low / watt == pytest.approx(2 * low.energy.low / joule)


def test_in_joules_is_the_same_cost(record):
    atp = metabolic_cost(record)
    joules = atp.in_joules()
    assert (joules.unit, joules.joules_per_unit, joules.budget) == ("J", 1.0, atp.budget)
    assert joules.energy.value / joule == pytest.approx(atp.energy.value / joule)
    for part in ("spiking", "spiking_per_neuron", "total_per_stimulus", "total"):
        for end in ("value", "low", "high"):
            np.testing.assert_allclose(
                getattr(getattr(joules, part), end),
                getattr(getattr(atp, part), end) * atp.joules_per_unit,
            )
    again = joules.in_joules()
    assert again.total_per_stimulus == joules.total_per_stimulus


def test_a_budget_in_joules_knows_no_hydrolysis():
    record = with_counts([[4]])
    cost = metabolic_cost(record, "loihi", hydrolysis=44 * kjoule / mole)
    assert cost.energy.value / joule == pytest.approx(4 * (1.7e-12 + 256 * 23.6e-12) + 52e-9)


@pytest.mark.parametrize("hydrolysis", [50e3, 50 * kjoule, 50 * second])
def test_hydrolysis_must_have_its_unit(record, hydrolysis):
    with pytest.raises(DimensionMismatchError, match="kjoule/mole"):
        metabolic_cost(record, hydrolysis=hydrolysis)


def test_hydrolysis_is_one_number(record):
    with pytest.raises(ValueError, match="one number"):
        metabolic_cost(record, hydrolysis=[44, 60] * kjoule / mole)


@pytest.mark.parametrize("value", [0.0, -50.0, np.inf, np.nan])
def test_hydrolysis_must_be_positive(record, value):
    with pytest.raises(ValueError, match="positive"):
        metabolic_cost(record, hydrolysis=value * kjoule / mole)


def test_fan_out_counts_where_synapses_are_counted():
    record = with_counts([[4]])
    cost = metabolic_cost(record, "truenorth", fan_out=100)
    assert cost.spiking.value[0] == pytest.approx(4 * 100 * 26e-12)
    assert cost.budget.fan_out == 100
    with pytest.raises(ValueError, match="already holds"):
        metabolic_cost(record, "attwell-laughlin-2001", fan_out=100)


# Two routes


def test_mean_over_stimuli_equals_sum_over_neurons(record):
    cost = metabolic_cost(record)
    assert cost.spiking.value.shape == (record.n_stimuli,)
    assert cost.spiking_per_neuron.value.shape == (record.n_latents,)
    total = cost.total_per_stimulus
    assert total.value == pytest.approx(cost.total_per_neuron.value.sum())
    assert total.value == pytest.approx(cost.spiking.value.mean() + cost.resting)
    assert total.low == pytest.approx(cost.spiking_per_stimulus.low + cost.resting)
    assert total.high == pytest.approx(cost.spiking_per_stimulus.high + cost.resting)
    assert total.low < total.value < total.high
    assert cost.total.value == pytest.approx(
        cost.spiking.value.sum() + record.n_stimuli * cost.resting
    )
    assert cost.spiking_in_total.value == pytest.approx(record.counts.sum() * 7.1e8)
    assert cost.resting_in_total == pytest.approx(400 * 12 * 0.444e9)
    per_neuron = cost.total_per_neuron
    assert (per_neuron.low < per_neuron.value).all()
    assert (per_neuron.value < per_neuron.high).all()


def test_several_budgets_at_once_are_each_alone(record):
    for cost, name in zip(metabolic_costs(record, BUDGETS), BUDGETS, strict=True):
        alone = metabolic_cost(record, name)
        assert cost.budget == alone.budget == BUDGETS[name]
        assert cost.spiking_per_stimulus == alone.spiking_per_stimulus


def test_simulated_cost_is_what_the_rates_foretell(record):
    expected = record.rates.sum() * 7.1e8
    error = np.sqrt(record.rates.sum()) * 7.1e8
    assert abs(metabolic_cost(record).spiking.value.sum() - expected) < STANDARD_ERRORS * error


def test_interval_is_as_wide_as_the_spread_over_stimuli(record):
    estimate = metabolic_cost(record).spiking_per_stimulus
    spikes = record.counts.sum(axis=1) * 7.1e8
    normal = 2 * 1.96 * spikes.std() / np.sqrt(record.n_stimuli)
    # 2000 resamples place each end within 6 % of a standard error.
    assert estimate.high - estimate.low == pytest.approx(normal, rel=0.3)


def test_refractory_neurons_have_intervals_of_their_own_variance():
    rates = np.full((3, 4), 50.0)
    record = simulate(rates, window=1 * second, seed=fresh_seed(), neuron=Refractory(10 * ms))
    cost = metabolic_cost(record)
    half = norm.ppf(0.975) * np.sqrt(record.prediction.variance.sum(axis=1))
    np.testing.assert_allclose(cost.spiking.high - cost.spiking.value, half * 7.1e8)
    # Counts vary less than Poisson ones.
    assert (cost.spiking.high - cost.spiking.low < 0.8 * 2 * 1.96 * np.sqrt(200) * 7.1e8).all()


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
    np.testing.assert_allclose(cost.spiking.value, counts.astype(float).sum(axis=1) * spike_cost)
    assert cost.resting == pytest.approx(counts.shape[1] * rest_cost)


def test_same_record_same_cost(record):
    first, again = metabolic_cost(record), metabolic_cost(record)
    assert first.total_per_stimulus == again.total_per_stimulus


# Measured, predicted, and what a bit costs


@pytest.fixture(scope="module")
def shipped():
    encoder, images = load_encoder(shipped_model()), shipped_patches()[:300]
    record = simulate(encoder.posterior_rates(images), seed=fresh_seed())
    return encoder, images, record, compare(encoder, images, record)


def test_costs_side_by_side_are_spikes_times_their_price(shipped):
    encoder, images, record, comparison = shipped
    cost = metabolic_cost(record)
    costs = compare_costs(comparison, cost)
    spikes, rates = record.counts.sum() / 300, encoder.posterior_rates(images).sum() / 300
    prior, bits = encoder.prior_rates.sum(), encoder.kl_divergence(images).mean() / np.log(2)
    assert costs.measured.value == pytest.approx(spikes * 7.1e8)
    assert costs.predicted.value == pytest.approx(rates * 7.1e8)
    assert costs.prior == pytest.approx(prior * 7.1e8)
    assert costs.spontaneous.value == pytest.approx(comparison.prior.spontaneous.value * 7.1e8)
    assert costs.foretold.value == pytest.approx(prior / spikes)
    rest = 256 * 0.444e9
    assert costs.foretold_of_total.value == pytest.approx(
        (prior * 7.1e8 + rest) / (spikes * 7.1e8 + rest)
    )
    assert costs.spiking_per_bit.value == pytest.approx(spikes * 7.1e8 / bits)
    assert costs.total_per_bit.value == pytest.approx((spikes * 7.1e8 + rest) / bits)
    for field in dataclasses.fields(costs):
        estimate = getattr(costs, field.name)
        if field.name not in ("unit", "prior"):
            assert estimate.low < estimate.value < estimate.high, field.name


def test_without_rest_a_bit_costs_the_same_either_way(shipped):
    _, _, record, comparison = shipped
    costs = compare_costs(comparison, metabolic_cost(record, "truenorth"))
    assert costs.total_per_bit.low == pytest.approx(costs.spiking_per_bit.low)
    assert costs.total_per_bit.high == pytest.approx(costs.spiking_per_bit.high)


def test_cost_and_comparison_must_be_of_one_record(shipped, record):
    with pytest.raises(ValueError, match="one record"):
        compare_costs(shipped[-1], metabolic_cost(record))


def test_silence_foretells_more_than_everything():
    encoder, images = load_encoder(shipped_model()), shipped_patches()[:3]
    record = simulate(encoder.posterior_rates(images), n_steps=1)
    silent = dataclasses.replace(record, counts=np.zeros_like(record.counts))
    costs = compare_costs(compare(encoder, images, silent), metabolic_cost(silent))
    assert costs.measured.value == costs.spiking_per_bit.value == 0
    assert costs.foretold.value == np.inf
