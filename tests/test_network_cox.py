"""Poisson input: ON and OFF spikes, synaptic events, and counts of a Cox process."""

from __future__ import annotations

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, ms, mV, prefs, second, seed, start_scope
from scipy.signal import lfilter
from scipy.special import expit

from pvae_brian import AutoencoderNetwork, OnOffInput
from pvae_brian.measures.goodness import poisson_fit
from pvae_brian.network import predict_cox, read_parameters

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_generator, fresh_seed
from .images import noise
from .network_models import affine_encoder, small_encoder

WINDOW = 100 * ms
N_STEPS = 20
# Slow and noisy, so that the excess is large.
INPUT = OnOffInput(100 * Hz, 40 * ms)


@pytest.fixture(autouse=True)
def _numpy():
    start_scope()
    before = prefs.codegen.target
    prefs.codegen.target = "numpy"
    yield
    prefs.codegen.target = before


def show(encoder, images, *, n_steps=N_STEPS, window=WINDOW, spikes=INPUT):
    network = AutoencoderNetwork(encoder, images, window, n_steps, input=spikes)
    run_seed = fresh_seed()
    seed(run_seed)
    network.run()
    return network, network.activity(seed=run_seed)


def replicated(weight, bias, log_rate, n):
    """One network of n copies that share nothing, so that they are independent."""
    return affine_encoder(np.kron(np.eye(n), weight), np.tile(bias, n), np.tile(log_rate, n))


def in_standard_errors(samples, expected):
    """How far means over the first axis are from what is expected, each by itself."""
    off = samples - expected
    return off.mean(axis=0) / (off.std(axis=0, ddof=1) / np.sqrt(len(off)))


# Extremes


def test_an_image_of_zeros_brings_no_spikes_and_counts_stay_poisson():
    encoder = small_encoder(1)
    network, activity = show(encoder, np.zeros((3, 9)))
    assert not activity.input_spikes.any()
    assert not activity.encoder_events.any()
    rates = encoder.posterior_rates(np.zeros((3, 9)))
    np.testing.assert_allclose(activity.record.rates, rates, rtol=1e-8)
    np.testing.assert_allclose(network.prediction.mean, rates, rtol=1e-8)
    np.testing.assert_allclose(network.prediction.variance, rates, rtol=1e-8)


def test_in_the_only_step_of_the_first_window_nothing_has_arrived_yet():
    encoder = affine_encoder([[2.0]], [0.5], [0.3])
    parameters = read_parameters(encoder)
    prediction = predict_cox(parameters, np.ones((1, 1)), INPUT, 0.1, 1)
    np.testing.assert_allclose(prediction.mean, encoder.posterior_rates([[0.0]]), rtol=1e-8)
    np.testing.assert_allclose(prediction.variance, prediction.mean, rtol=1e-12)


def test_ever_more_and_smaller_spikes_come_to_the_graded_network():
    encoder, images = small_encoder(2, rate_clamp=3.0), noise((1, 9), 2)
    parameters = read_parameters(encoder)
    rates = encoder.posterior_rates(images)
    off = []
    for rate in (1e4, 1e6, 1e8):
        spikes = OnOffInput(rate * Hz, 1 * ms)
        # The same image again, so that what it drives has settled.
        prediction = predict_cox(parameters, np.tile(images, (2, 1)), spikes, 1.0, 400)
        off.append(np.abs(prediction.mean[1] / rates - 1).max())
        assert (prediction.variance >= prediction.mean * (1 - 1e-12)).all()
    assert off[2] < 1e-4 * max(1, off[0])
    assert off[2] < off[1] < off[0]


def test_silent_latents_and_bright_pixels_have_predictions():
    silent = affine_encoder([[1.0], [1.0]], [0.0, 0.0], [-800.0, 0.0])
    many = OnOffInput(1e5 * Hz, 20 * ms)
    prediction = predict_cox(read_parameters(silent), np.array([[0.5]]), many, 0.1, 20)
    assert prediction.mean[0, 0] == prediction.variance[0, 0] == 0
    assert prediction.mean[0, 1] > 1
    # So bright that the clamp at 10 holds the rate; what it fluctuates by is nothing then.
    bright = predict_cox(
        read_parameters(silent), np.array([[1000.0]] * 2), OnOffInput(1e8 * Hz, 20 * ms), 1.0, 100
    )
    assert bright.mean[1, 1] == pytest.approx(np.exp(10), rel=1e-3)
    assert np.isfinite(bright.variance).all()


# Input spikes and events


def test_on_and_off_neurons_fire_as_the_pixels_say():
    images = np.array([[1.0, -2.0, 0.0], [0.0, 3.0, -0.5]]).repeat(200, axis=0)
    network, activity = show(affine_encoder(np.ones((2, 3)), [0, 0], [0, 0]), images)
    expected = np.abs(images).sum(axis=1) * 100 * 0.1
    assert poisson_fit(activity.input_spikes, expected).p_value > FALSE_ALARM
    assert len(network.on_off) == activity.n_input_neurons == 6


def test_each_input_spike_is_an_event_at_each_of_its_synapses():
    weight = np.array([[1.0, 0.0], [1.0, 0.0], [0.5, 0.0]])
    images = np.abs(noise((5, 2)))
    _, one = show(affine_encoder(weight, np.zeros(3), np.zeros(3)), images)
    # Of the second pixel no latent knows: its spikes arrive nowhere.
    assert (one.encoder_events % 3 == 0).all()
    assert 0 < one.encoder_events.sum() < 3 * one.input_spikes.sum()
    _, all_ = show(affine_encoder(np.ones((3, 2)), np.zeros(3), np.zeros(3)), images)
    np.testing.assert_array_equal(all_.encoder_events, 3 * all_.input_spikes)


# Counts, by two routes


def test_given_the_rates_that_came_about_counts_are_poisson():
    generator = fresh_generator()
    encoder = affine_encoder(
        generator.normal(scale=0.3, size=(300, 5)), np.zeros(300), generator.normal(size=300)
    )
    _, activity = show(encoder, generator.normal(size=(60, 5)))
    record = activity.record
    assert poisson_fit(record.counts, record.rates).p_value > FALSE_ALARM


@pytest.mark.slow
@pytest.mark.parametrize("clamp", [None, 4.0])
def test_simulated_counts_have_the_mean_and_variance_that_are_predicted(clamp):
    n = 800
    weight = np.array([[0.6, -0.5, 0.4, 0.3, -0.6, 0.2], [-0.2, 0.5, 0.6, -0.4, 0.3, 0.5]])
    images = np.array([[1.0, -1, 1, 1, -1, 1], [-1, 1, 2, 0, 0.5, 1]] * 4)
    encoder = replicated(weight, np.array([0.2, -0.3]), np.array([1.5, 1.0]), n)
    encoder.model.set_rate_clamp(clamp)
    network, activity = show(encoder, np.tile(images, n))
    copies = activity.record.counts.reshape(8, n, 2).swapaxes(0, 1).astype(float)
    prediction = network.prediction
    mean, variance = (moment[:, :2] for moment in (prediction.mean, prediction.variance))
    assert np.abs(in_standard_errors(copies, mean)).max() < STANDARD_ERRORS
    squares = (copies - mean) ** 2
    assert np.abs(in_standard_errors(squares, variance)).max() < STANDARD_ERRORS
    # It can fail: as Poisson counts of these means they would not pass.
    all_squares = squares.reshape(n, -1).sum(axis=1)
    assert in_standard_errors(all_squares, mean.sum()) > STANDARD_ERRORS
    assert poisson_fit(activity.record.counts, prediction.mean).p_value < FALSE_ALARM


def rates_by_sampling(parameters, images, spikes, window_s, n_steps, n_samples, generator):
    """Mean rates of windows, from input spikes that are drawn and filtered."""
    dt = window_s / n_steps
    shown = np.repeat(images, n_steps, axis=0)
    a = np.exp(-dt / spikes.tau)
    found = []
    for _ in range(n_samples):
        arrived = generator.poisson(np.abs(shown) * spikes.rate_per_unit * dt) * np.sign(shown)
        # So that a constant input of x comes to weight @ x.
        drive = lfilter([0, 1 - a], [1, -a], arrived / (spikes.rate_per_unit * dt), axis=0)
        u = drive @ parameters.encoder.weight.T + parameters.encoder.bias
        load = np.exp(-parameters.log_gain_clamp - parameters.log_rate)
        if parameters.rate_clamp is not None:
            load = load + np.exp(-parameters.rate_clamp)
        v = u + parameters.log_rate
        rates = np.exp(v) * expit(-(v + np.log(load))) + parameters.rate_offset
        found.append(rates.reshape(len(images), n_steps, -1).mean(axis=1))
    return np.array(found)


@pytest.mark.parametrize("clamp", [None, 5.0, 2.0])
@pytest.mark.parametrize("scale", [0.1, 0.3])
def test_the_prediction_agrees_with_sampled_rates(clamp, scale):
    generator = fresh_generator()
    weight = generator.normal(scale=scale, size=(5, 12))
    encoder = affine_encoder(weight, generator.normal(scale=0.3, size=5), generator.normal(size=5))
    encoder.model.set_rate_clamp(clamp)
    parameters, images = read_parameters(encoder), generator.normal(size=(3, 12))
    prediction = predict_cox(parameters, images, INPUT, 0.1, N_STEPS)
    sampled = rates_by_sampling(parameters, images, INPUT, 0.1, N_STEPS, 4000, generator)
    mean, excess = prediction.mean, prediction.variance - prediction.mean
    assert np.abs(in_standard_errors(sampled, mean)).max() < STANDARD_ERRORS
    squares = (sampled - mean) ** 2
    # Of normal sums the squares are far from it: a chance of 1e-9 lies somewhat further out.
    assert np.abs(in_standard_errors(squares, excess)).max() < 1.5 * STANDARD_ERRORS


def test_steps_that_are_alike_stand_for_each_other(monkeypatch):
    """Quick synapses forget within a part of the window; working out all steps changes nothing."""
    encoder, images = small_encoder(1, rate_clamp=4.0), noise((3, 9))
    arguments = (read_parameters(encoder), images, OnOffInput(2000 * Hz, 2 * ms), 0.1, 200)
    short = predict_cox(*arguments)
    monkeypatch.setattr("pvae_brian.network.cox._FORGOTTEN", 1e-300)
    whole = predict_cox(*arguments)
    np.testing.assert_allclose(short.mean, whole.mean, rtol=1e-6)
    excess = whole.variance - whole.mean
    assert excess.min() > 0
    np.testing.assert_allclose(short.variance - short.mean, excess, rtol=1e-6)


def test_blocks_of_stimuli_change_nothing(monkeypatch):
    parameters, images = read_parameters(small_encoder(1)), noise((7, 9))
    whole = predict_cox(parameters, images, INPUT, 0.1, 10)
    monkeypatch.setattr("pvae_brian.network.cox._NUMBERS", 1)
    apart = predict_cox(parameters, images, INPUT, 0.1, 10)
    np.testing.assert_allclose(apart.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(apart.variance, whole.variance, rtol=1e-12)


# Refusals


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0 * Hz, 20 * ms), ValueError, r"positive, finite frequency"),
        ((np.inf * Hz, 20 * ms), ValueError, r"positive, finite frequency"),
        (([1, 2] * Hz, 20 * ms), ValueError, r"a single frequency"),
        (("fast", 20 * ms), TypeError, r"such as 100\*Hz"),
        ((100, 20 * ms), DimensionMismatchError, r"must be a frequency"),
        ((100 * Hz, 0 * second), ValueError, r"tau must be a positive time"),
        ((100 * Hz, 20 * mV), DimensionMismatchError, r"tau must be a time"),
    ],
)
def test_rates_and_time_constants_out_of_range(arguments, error, message):
    with pytest.raises(error, match=message):
        OnOffInput(*arguments)


def test_an_mlp_cannot_have_it():
    with pytest.raises(ValueError, match=r"Poisson input needs a linear encoder"):
        AutoencoderNetwork(small_encoder(1, encoder="mlp"), noise((1, 9)), input=INPUT)


def test_what_no_theory_covers_is_said():
    network = AutoencoderNetwork(
        small_encoder(1, excitatory_only=True), noise((1, 9)), WINDOW, 5, input=INPUT
    )
    with pytest.raises(ValueError, match=r"there is no prediction for a model whose log gains"):
        _ = network.prediction
    parameters = read_parameters(affine_encoder([[3.0]], [0.0], [0.0]))
    rare = OnOffInput(0.1 * Hz, 20 * ms)
    with pytest.raises(ValueError, match=r"a single spike moves a log rate by"):
        predict_cox(parameters, np.ones((1, 1)), rare, 0.1, 20)
    wild = OnOffInput(20 * Hz, 40 * ms)
    with pytest.raises(ValueError, match=r"fluctuates by up to .* clamps act on the rate"):
        predict_cox(parameters, np.full((1, 1), 3.0), wild, 0.1, 20)


@pytest.mark.parametrize(
    ("spikes", "n_steps", "message"),
    [
        (OnOffInput(100 * Hz, 1 * ms), 1, r"tau must not be shorter .* take n_steps=100 or more"),
        (OnOffInput(1e9 * Hz, 20 * ms), 20, r"would bring .* spikes"),
    ],
)
def test_input_that_steps_or_counters_cannot_follow(spikes, n_steps, message):
    with pytest.raises(ValueError, match=message):
        AutoencoderNetwork(small_encoder(1), 9 * np.ones((1, 9)), WINDOW, n_steps, input=spikes)
