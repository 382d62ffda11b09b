"""What a network costs: as many synaptic events as were counted, and nothing twice."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from brian2 import Hz, joule, kjoule, mole, ms, prefs, second, seed, watt
from hypothesis import given
from hypothesis import strategies as st
from scipy.constants import Avogadro

from pvae_brian import (
    BUDGETS,
    AutoencoderNetwork,
    Encoder,
    EnergyBudget,
    NetworkActivity,
    OnOffInput,
    metabolic_cost,
    network_cost,
    simulate,
)

from .chance import fresh_generator, fresh_seed

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

# All of these are sums of powers of two, so that sums of costs are exact.
PARTS = EnergyBudget(
    "parts",
    grade="C",
    source="this test",
    scope="per part",
    propagation_cost=2.0**-3,
    synaptic_cost=2.0**-6,
    fan_out=1e9,
    rest_cost=2.0**4,
)
BRAIN = EnergyBudget("brain", 2.0**3, 2.0**4, "C", "this test")
# All-in for each event, as that of a chip measured as a whole.
CHIP = EnergyBudget(
    "chip", rest_cost=0.0, grade="C", source="this test", synaptic_cost=0.5, fan_out=1e9
)


def an_activity(counts, input_spikes, encoder_events, decoder_events, n_inputs=6, window_s=1.0):
    counts = np.array(counts, np.int32)
    silent = simulate(np.zeros(counts.shape), window=1 * second, n_steps=1)
    return NetworkActivity(
        record=dataclasses.replace(silent, counts=counts, window_s=window_s),
        reconstructions=None,
        input_spikes=np.array(input_spikes),
        encoder_events=np.array(encoder_events),
        decoder_events=np.array(decoder_events),
        n_input_neurons=n_inputs,
    )


@pytest.fixture(scope="module")
def known():
    return an_activity([[4, 1, 0], [0, 2, 1]], [10, 30], [25, 80], [40, 24], window_s=0.5)


# Known answers


def test_a_silent_network_costs_rest_alone():
    none = np.zeros(2, np.int64)
    for budget in (PARTS, BRAIN):
        cost = network_cost(an_activity(np.zeros((2, 3)), none, none, none), budget)
        for part in ("latents", "inputs", "encoder_synapses", "decoder_synapses"):
            estimate = getattr(cost, part)
            assert (estimate.value, estimate.low, estimate.high) == (0, 0, 0)
        assert cost.spiking_by_stimulus.tolist() == [0, 0]
        # Three latents and six input neurons for a second.
        assert cost.resting == 9 * 2**4
        assert cost.total_per_stimulus.value == cost.resting


def test_parts_are_priced_by_what_was_counted(known):
    cost = network_cost(known, PARTS)
    assert (cost.cost_per_spike, cost.cost_per_event) == (2**-3, 2**-6)
    assert (cost.latent_spikes.value, cost.input_spikes.value) == (4, 20)
    assert (cost.encoder_events.value, cost.decoder_events.value) == (52.5, 32)
    assert (cost.latents.value, cost.inputs.value) == (4 / 8, 20 / 8)
    assert cost.encoder_synapses.value == 52.5 / 64
    assert cost.decoder_synapses.value == 32 / 64
    assert cost.spiking_by_stimulus.tolist() == [15 / 8 + 65 / 64, 33 / 8 + 104 / 64]
    assert cost.resting == 9 * 2**4 / 2
    assert (cost.unit, cost.n_stimuli, cost.n_latents, cost.n_input_neurons) == ("ATP", 2, 3, 6)


def test_events_are_never_added_to_a_spike_that_is_all_in(known):
    cost = network_cost(known, BRAIN)
    assert cost.spiking_by_stimulus.tolist() == [15 * 8, 33 * 8]
    assert cost.cost_per_event == cost.encoder_synapses.value == cost.decoder_synapses.value == 0
    # They are told all the same.
    assert (cost.encoder_events.value, cost.decoder_events.value) == (52.5, 32)


def test_spikes_are_never_added_to_an_event_that_is_all_in(known):
    cost = network_cost(known, CHIP)
    assert cost.spiking_by_stimulus.tolist() == [65 / 2, 104 / 2]
    assert cost.cost_per_spike == cost.latents.value == cost.inputs.value == 0
    assert cost.total_per_stimulus.value == cost.spiking_per_stimulus.value


@pytest.mark.parametrize("name", BUDGETS)
def test_each_budget_that_ships(known, name):
    cost = network_cost(known, name)
    spikes, events = np.array([15, 33]), np.array([65, 104])
    expected = {
        "attwell-laughlin-2001": 7.1e8 * spikes,
        "howarth-2012": 4.47e8 * spikes,
        "lennie-2003": 2.4e9 * spikes,
        "loihi": 1.7e-12 * spikes + 23.6e-12 * events,
        "truenorth": 26e-12 * events,
        "cmos-45nm": 0.9e-12 * events,
    }[name]
    assert cost.spiking_by_stimulus == pytest.approx(expected, rel=1e-12)
    assert cost.budget is BUDGETS[name]


def test_rest_that_is_not_stated_is_not_taken_for_nothing(known):
    cost = network_cost(known, "lennie-2003")
    assert np.isnan([cost.resting, cost.total_per_stimulus.value, cost.total.high]).all()
    assert cost.spiking_per_stimulus.value == 24 * 2.4e9


def test_propagation_alone_is_a_part(known):
    budget = EnergyBudget(
        "wire", grade="C", source="this test", scope="per part", propagation_cost=0.25
    )
    assert network_cost(known, budget).spiking_by_stimulus.tolist() == [15 / 4, 33 / 4]


def test_one_stimulus_has_a_cost_and_no_interval():
    cost = network_cost(an_activity([[4, 1]], [3], [6], [5]), PARTS)
    assert cost.spiking_per_stimulus.value == 8 / 8 + 11 / 64
    assert np.isnan([cost.latents.low, cost.total_per_stimulus.high]).all()


def test_joules_and_watts(known):
    cost = network_cost(known, BRAIN, hydrolysis=44 * kjoule / mole)
    joules = cost.in_joules()
    each = 44e3 / Avogadro
    assert cost.joules_per_unit == pytest.approx(each)
    assert (joules.unit, joules.joules_per_unit) == ("J", 1.0)
    for name in ("latents", "inputs", "total_per_stimulus", "spiking_per_stimulus"):
        for end in ("value", "low", "high"):
            of_atp = getattr(getattr(cost, name), end)
            assert getattr(getattr(joules, name), end) == pytest.approx(of_atp * each)
    assert joules.spiking_by_stimulus == pytest.approx(cost.spiking_by_stimulus * each)
    assert joules.latent_spikes == cost.latent_spikes
    assert joules.cost_per_spike == pytest.approx(8 * each)
    total = (24 * 8 + 9 * 2**4 / 2) * each
    assert cost.energy.value / joule == pytest.approx(total)
    assert cost.power.value / watt == pytest.approx(2 * total)
    assert joules.power.value / watt == pytest.approx(2 * total)


# Refusals


def test_a_record_is_no_activity(known):
    with pytest.raises(TypeError, match=r"got SpikeRecord; .* metabolic_cost"):
        network_cost(known.record)


def test_no_stimuli_are_refused():
    none = np.zeros(0, np.int64)
    whole = an_activity([[1, 2]], [3], [4], [5])
    empty = dataclasses.replace(
        whole,
        record=whole.record[[]],
        input_spikes=none,
        encoder_events=none,
        decoder_events=none,
    )
    with pytest.raises(ValueError, match="at least one"):
        network_cost(empty)


def test_an_unknown_budget_and_a_wrong_hydrolysis_are_refused(known):
    with pytest.raises(ValueError, match="budget must be one of"):
        network_cost(known, "no-such")
    # For any budget, though this one has no ATP.
    with pytest.raises(ValueError, match="positive"):
        network_cost(known, "loihi", hydrolysis=0 * kjoule / mole)


# Two routes


@given(st.data())
def test_the_parts_add_up_for_any_numbers(data):
    n = data.draw(st.integers(1, 4), label="n_stimuli")
    numbers = st.lists(st.integers(0, 2**40), min_size=n, max_size=n)
    counts = data.draw(st.lists(st.integers(0, 2**31 - 1), min_size=n, max_size=n))
    activity = an_activity(np.array(counts)[:, None], *(data.draw(numbers) for _ in range(3)))
    price = st.floats(0, 1e12)
    for budget in (
        dataclasses.replace(PARTS, propagation_cost=data.draw(price), synaptic_cost=1e3),
        dataclasses.replace(BRAIN, spike_cost=data.draw(price)),
        dataclasses.replace(CHIP, synaptic_cost=data.draw(price)),
    ):
        cost = network_cost(activity, budget)
        parts = (cost.latents, cost.inputs, cost.encoder_synapses, cost.decoder_synapses)
        total = sum(part.value for part in parts)
        assert cost.spiking_per_stimulus.value == pytest.approx(total)
        assert cost.spiking_by_stimulus.mean() == pytest.approx(total)
        assert cost.total_per_stimulus.value == pytest.approx(total + cost.resting)


def linear_encoder(filters, features, log_rate):
    """An encoder of these filters, with a linear decoder of these features."""

    def layer(matrix):
        matrix = torch.as_tensor(matrix)
        module = torch.nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=matrix.dtype)
        with torch.no_grad():
            module.weight.copy_(matrix)
        return module

    return Encoder.from_module(
        layer(filters), log_rate, image_shape=(filters.shape[1],), decoder=layer(features)
    )


@pytest.fixture
def shown(monkeypatch):
    """Show images of noise to a network, and return it with its activity."""
    monkeypatch.setitem(prefs, "codegen.target", "numpy")

    def show(features, n_images=8, **options):
        generator, number = fresh_generator(), fresh_seed()
        n_inputs, n_latents = features.shape
        filters = generator.normal(scale=0.3, size=(n_latents, n_inputs))
        encoder = linear_encoder(filters, features, np.full(n_latents, np.log(3.0)))
        images = generator.normal(size=(n_images, n_inputs))
        network = AutoencoderNetwork(encoder, images, window=50 * ms, n_steps=10, **options)
        seed(number)
        network.run()
        return network.activity(seed=number)

    return show


def test_where_every_synapse_is_there_the_assumed_fan_out_says_the_same(shown):
    activity = shown(np.ones((7, 4)))
    assert activity.record.counts.sum() > 0
    for budget in (PARTS, CHIP):
        assumed = metabolic_cost(activity.record, budget, fan_out=7)
        cost = network_cost(activity, budget)
        # To the last bit, for the costs and the number of images are powers of two.
        assert cost.spiking_by_stimulus.tolist() == assumed.spiking.value.tolist()
        assert cost.spiking_per_stimulus == assumed.spiking_per_stimulus
        assert cost.resting == assumed.resting
    loihi = network_cost(activity, "loihi").spiking_by_stimulus
    assumed = metabolic_cost(activity.record, "loihi", fan_out=7)
    assert loihi == pytest.approx(assumed.spiking.value, rel=1e-12)
    brain = network_cost(activity, BRAIN).spiking_by_stimulus
    assert brain.tolist() == metabolic_cost(activity.record, BRAIN).spiking.value.tolist()


def test_a_synapse_that_is_not_there_costs_nothing(shown):
    # Latents 0 to 3 have 7, 5, 3 and 1 synapses.
    features = np.ones((7, 4)) * (np.arange(7)[:, None] < np.array([7, 5, 3, 1]))
    activity = shown(features)
    events = activity.record.counts @ np.array([7, 5, 3, 1])
    cost = network_cost(activity, CHIP)
    assert cost.spiking_by_stimulus.tolist() == (events / 2).tolist()
    assert (cost.encoder_events.value, cost.input_spikes.value) == (0, 0)
    assumed = metabolic_cost(activity.record, CHIP, fan_out=7)
    assert cost.spiking_per_stimulus.value < assumed.spiking_per_stimulus.value


def test_spiking_input_pays_for_its_spikes_events_and_rest(shown):
    activity = shown(np.ones((7, 4)), input=OnOffInput(200 * Hz, 20 * ms))
    assert activity.input_spikes.min() > 0
    cost = network_cost(activity, PARTS)
    spikes, inputs = activity.record.counts.sum(axis=1), activity.input_spikes
    # Each input spike goes to 4 latents, each spike of a latent to 7 units of the readout.
    expected = (spikes + inputs) / 8 + (4 * inputs + 7 * spikes) / 64
    assert cost.spiking_by_stimulus.tolist() == expected.tolist()
    assert cost.encoder_synapses.value == pytest.approx(4 * inputs.mean() / 64)
    assert cost.n_input_neurons == 14
    assert cost.resting == pytest.approx((4 + 14) * 0.05 * 2**4)
    assert cost.inputs.low <= cost.inputs.value <= cost.inputs.high
