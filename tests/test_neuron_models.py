"""Neuron models other than Poisson: what the engine simulates follows their own laws."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
from brian2 import DimensionMismatchError, ms, mV, second
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, kstest

import pvae_brian
from pvae_brian import Bernoulli, Poisson, Refractory, Sampler, simulate
from pvae_brian.engine import EngineError
from pvae_brian.measures.goodness import poisson_fit
from pvae_brian.neurons import MODELS, NeuronModel, as_neuron, from_settings
from pvae_brian.neurons.refractory import recovered_wait

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_seed
from .marks import TARGETS

RATES = [0.0, 0.05, 1.0, 5.0, 40.0]


def check_prediction(record) -> None:
    """Mean and variance of each column of counts, in standard errors.

    The variance of a sample variance is taken from the sample's own fourth moment.
    """
    n = len(record.counts)
    mean, variance = record.prediction.mean[0], record.prediction.variance[0]
    found = record.counts.mean(axis=0)
    np.testing.assert_array_less(
        np.abs(found - mean), STANDARD_ERRORS * np.sqrt(variance / n) + 1e-12
    )
    squares = (record.counts - mean) ** 2
    error = squares.std(axis=0) / np.sqrt(n)
    np.testing.assert_array_less(
        np.abs(squares.mean(axis=0) - variance), STANDARD_ERRORS * error + 1e-9
    )


@pytest.mark.filterwarnings("ignore:Bernoulli neurons")
@pytest.mark.parametrize("target", TARGETS)
def test_bernoulli_counts_are_binomial(target):
    rates = np.tile([*RATES, 60.0], (20_000, 1))
    record = simulate(rates, n_steps=50, neuron="bernoulli", device=target, seed=fresh_seed())
    assert record.neuron == Bernoulli()
    check_prediction(record)
    # At a spike in each step there is nothing random left.
    assert (record.counts[:, -1] == 50).all()
    assert not record.counts[:, 0].any()
    # The whole law, for one rate.
    expected = binom.pmf(np.arange(51), 50, 5.0 / 50) * len(rates)
    found = np.bincount(record.counts[:, 3], minlength=51)
    assert np.abs((found - expected) / np.sqrt(expected + 1)).max() < STANDARD_ERRORS


@pytest.mark.filterwarnings("ignore:Bernoulli neurons")
@pytest.mark.parametrize("target", TARGETS)
def test_bernoulli_spikes_lie_on_the_grid(target):
    record = simulate(
        np.tile([5.0, 60.0], (500, 1)),
        window=2 * second,
        n_steps=50,
        neuron=Bernoulli(),
        device=target,
        record="times",
    )
    steps = record.spikes.time / 0.04
    np.testing.assert_allclose(steps, np.round(steps), atol=1e-9)
    assert record.spikes.time.max() == pytest.approx(1.96)
    counted = np.zeros(record.counts.shape, int)
    np.add.at(counted, (record.spikes.stimulus, record.spikes.latent), 1)
    np.testing.assert_array_equal(counted, record.counts)


def test_bernoulli_says_what_to_expect():
    with pytest.warns(UserWarning, match=r"expect 20 spikes and a Fano factor of 0\.8 instead"):
        simulate([[20.0]], n_steps=100, neuron="bernoulli")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        simulate([[1.0]], n_steps=100, neuron="bernoulli")


def test_the_sampler_is_named_and_right():
    rates = np.tile(RATES, (20_000, 1))
    record = simulate(rates, neuron="sampler", record="times", seed=fresh_seed())
    assert record.neuron == Sampler()
    assert record.neuron.settings() == {"name": "sampler"}
    assert poisson_fit(record.counts, rates).p_value > FALSE_ALARM
    check_prediction(record)
    assert kstest(record.spikes.time, "uniform").pvalue > FALSE_ALARM
    counted = np.zeros(record.counts.shape, int)
    np.add.at(counted, (record.spikes.stimulus, record.spikes.latent), 1)
    np.testing.assert_array_equal(counted, record.counts)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("absolute", "relative", "n_steps"),
    [
        (10 * ms, 0 * ms, 100),
        # Steps longer than the period, so that spikes queue.
        (2 * ms, 0 * ms, 100),
        (0 * ms, 20 * ms, 100),
        (3 * ms, 5 * ms, 400),
        # A period longer than the window: one spike at most.
        (2000 * ms, 0 * ms, 50),
    ],
)
def test_refractory_counts_follow_renewal_theory(absolute, relative, n_steps, target):
    rates = np.tile(RATES, (20_000, 1))
    neuron = Refractory(absolute=absolute, relative=relative)
    record = simulate(rates, n_steps=n_steps, neuron=neuron, device=target, seed=fresh_seed())
    assert record.neuron == neuron
    check_prediction(record)
    assert not record.counts[:, 0].any()
    if absolute > 1 * second:
        assert record.counts.max() == 1
    # Refractoriness breaks the Poisson prediction, and the test of it notices.
    assert poisson_fit(record.counts, rates).p_value < FALSE_ALARM


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("absolute_s", "relative_s", "n_steps"),
    [(0.004, 0.0, 250), (0.001, 0.0, 200), (0.0, 0.005, 200), (0.002, 0.005, 1000)],
)
def test_refractory_intervals_have_their_law(absolute_s, relative_s, n_steps, target):
    """Integrated hazards between spikes are exponential (time rescaling), at any step."""
    rate, duration_s = 150.0, 2.0
    record = simulate(
        np.full((4000, 1), rate * duration_s / 4),
        window=duration_s * second,
        n_steps=n_steps,
        neuron=Refractory(absolute=absolute_s * second, relative=relative_s * second),
        record="times",
        device=target,
        seed=fresh_seed(),
    )
    rate /= 4
    trains = np.split(record.spikes.time, np.flatnonzero(np.diff(record.spikes.stimulus)) + 1)
    # The first few only: later ones may be cut off by the end of the window.
    few = np.array([train[:6] for train in trains if len(train) >= 6])
    assert len(few) > 0.999 * len(record.counts)
    assert (np.diff(few) >= absolute_s).all()
    rested = few[:, 0] * rate
    s = np.diff(few).ravel() - absolute_s
    hazard = rate * s
    if relative_s:
        hazard += rate * relative_s * np.expm1(-s / relative_s)
    for exponential in (rested, hazard):
        assert kstest(exponential, "expon").pvalue > FALSE_ALARM


@pytest.mark.parametrize("target", TARGETS)
def test_refractory_times_and_counts_agree(target):
    record = simulate(
        np.tile(RATES, (300, 1)),
        n_steps=100,
        neuron=Refractory(relative=3 * ms),
        record="times",
        device=target,
    )
    counted = np.zeros(record.counts.shape, int)
    np.add.at(counted, (record.spikes.stimulus, record.spikes.latent), 1)
    np.testing.assert_array_equal(counted, record.counts)
    assert record.spikes.time.max() <= 1


def test_too_few_steps_for_the_queue():
    with pytest.raises(ValueError, match=r"n_steps=10 are too few .* take n_steps=120 or more"):
        simulate([[60.0]], n_steps=10, neuron=Refractory(relative=1 * ms))
    with pytest.raises(ValueError, match="take n_steps=50 or more"):
        simulate([[1e6]], n_steps=10, neuron=Refractory(absolute=20 * ms))
    simulate([[1e6]], n_steps=50, neuron=Refractory(absolute=20 * ms))


def test_spikes_left_in_the_queue_are_an_error(monkeypatch):
    """The engine checks what the neuron model promises."""
    monkeypatch.setattr(Refractory, "n_extra_steps", lambda *_: 0)
    with pytest.raises(EngineError, match="had spikes left when the simulation ended"):
        simulate(np.full((200, 20), 40.0), n_steps=80, neuron=Refractory(relative=0.1 * ms))


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({}, ValueError, "needs an absolute or a relative period above zero"),
        ({"absolute": -1 * ms}, ValueError, "absolute must be a finite time, not negative"),
        ({"relative": np.inf * ms}, ValueError, "relative must be a finite time"),
        ({"absolute": 0.002}, DimensionMismatchError, "absolute must be a time with its unit"),
        ({"absolute": 1 * mV}, DimensionMismatchError, "absolute must be a time with its unit"),
        ({"absolute": "2 ms"}, TypeError, "absolute must be a time such as"),
    ],
)
def test_bad_periods(keywords, error, message):
    with pytest.raises(error, match=message):
        Refractory(**keywords)


@given(wait=st.floats(0, 1e6), relative=st.floats(1e-9, 1e6))
def test_recovery_solves_its_equation(wait, relative):
    interval = float(recovered_wait(np.array([wait]), relative)[0])
    assert interval >= wait - 1e-300
    back = interval + relative * np.expm1(-interval / relative)
    # Rounding of the larger terms is all that may differ.
    assert back == pytest.approx(wait, rel=1e-9, abs=1e-12 * max(relative, interval))


@pytest.mark.parametrize(
    "neuron", [Poisson(), Bernoulli(), Sampler(), Refractory(2 * ms), Refractory(1 * ms, 3 * ms)]
)
def test_settings_describe_a_model(neuron):
    assert from_settings(neuron.settings()) == neuron
    assert MODELS[neuron.name] is type(neuron)
    assert as_neuron(neuron) is neuron


@pytest.mark.parametrize("settings", [{}, {"name": "lif"}, {"name": "poisson", "tau": 1.0}])
def test_settings_of_no_model(settings):
    with pytest.raises(ValueError, match="neuron model"):
        from_settings(settings)


@dataclass(frozen=True)
class Regular(NeuronModel):
    """A model of a user's own: one spike in the middle of the window."""

    name: ClassVar[str] = "regular"
    knows_arrivals: ClassVar[bool] = False

    def predict(self, rates, window_s, n_steps):
        return None

    def population(self, n):
        from brian2 import NeuronGroup, SpikeMonitor

        from pvae_brian.neurons import Population

        group = NeuronGroup(
            n,
            "rate : Hz\nfired : boolean",
            threshold="t >= 0.5*second and not fired and rate > 0*Hz",
            reset="fired = True",
        )
        counter = SpikeMonitor(group, record=False)
        variables = counter.variables
        return Population((group, counter), group.variables["rate"], variables["count"])


def test_a_model_of_ones_own():
    record = simulate([[0.0, 1.0, 2.0]], neuron=Regular(), record="times")
    assert record.counts.tolist() == [[0, 1, 1]]
    assert record.spikes.time.tolist() == [0.5, 0.5]
    assert record.prediction is None
    with pytest.raises(ValueError, match="take device='numpy' for a model of your own"):
        simulate([[1.0]], neuron=Regular(), device="cpp_standalone")


def test_poisson_is_the_default():
    assert simulate([[1.0]]).neuron == Poisson() == pvae_brian.simulate([[1.0]]).neuron
