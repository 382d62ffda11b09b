"""The code that the spikes carry: exact extremes, closed forms, and another library."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from brian2 import ms, second
from sklearn.metrics import r2_score

from pvae_brian import Encoder, load_encoder, metabolic_cost, simulate
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.decoding import compute_code_course, compute_reconstruction, decoder_features
from pvae_brian.decoding.filling import decode_as_it_fills
from pvae_brian.intervals import Estimate
from pvae_brian.neurons import Refractory

from .chance import STANDARD_ERRORS, fresh_generator, fresh_seed

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def linear_encoder(n_inputs=9, n_latents=5, log_rate=1.0, decoder="linear") -> Encoder:
    torch.manual_seed(fresh_seed())
    decoders = {
        "linear": torch.nn.Linear(n_latents, n_inputs),
        "deep": torch.nn.Sequential(torch.nn.Linear(n_latents, n_inputs), torch.nn.Tanh()),
        None: None,
    }
    return Encoder.from_module(
        torch.nn.Linear(n_inputs, n_latents).double(),
        np.full(n_latents, log_rate),
        image_shape=(n_inputs,),
        decoder=decoders[decoder] and decoders[decoder].double(),
    )


def run(encoder, n_stimuli=30, record="times", **options):
    images = fresh_generator().normal(size=(n_stimuli, encoder.n_inputs))
    keywords = {"window": 1 * second, "n_steps": 20, "seed": fresh_seed()} | options
    return images, simulate(encoder.posterior_rates(images), record=record, **keywords)


def unbiased_r2(images, decoded) -> float:
    """scikit-learn's, but with the variance of n stimuli over n - 1."""
    n = len(images)
    plain = r2_score(images, decoded, multioutput="variance_weighted")
    return 1 - (1 - plain) * (n - 1) / n


@pytest.fixture(scope="module")
def shipped():
    encoder, images = load_encoder(shipped_model()), shipped_patches()
    record = simulate(encoder.posterior_rates(images), seed=fresh_seed(), record="times")
    return encoder, images, record


@pytest.fixture(scope="module")
def course(shipped):
    return compute_code_course(*shipped, metabolic_cost(shipped[2]))


# Features


@pytest.mark.parametrize("decoder", ["linear", "deep"])
def test_a_feature_is_what_one_spike_adds(decoder):
    encoder = linear_encoder(decoder=decoder)
    features = decoder_features(encoder)
    assert features.shape == (5, 9)
    silence, spike = encoder.decode(np.zeros((1, 5))), encoder.decode(np.eye(5)[[2]])
    np.testing.assert_allclose(features[2], (spike - silence)[0])
    if decoder == "linear":
        weight = encoder.model.decoder.weight.detach().numpy()
        np.testing.assert_allclose(features, weight.T)


# Extremes of the whole window


def test_images_that_are_what_silence_decodes_to_have_no_error():
    encoder = linear_encoder(log_rate=-60.0)
    _, record = run(encoder, n_stimuli=4)
    images = np.repeat(encoder.decode(np.zeros((1, 5))), 4, axis=0)
    silent = dataclasses.replace(record, counts=np.zeros_like(record.counts), times=None)
    found = compute_reconstruction(encoder, images, silent)
    assert found.error.value == found.error.high == 0
    # All images are alike: there is no variance to explain.
    assert np.isnan(found.r2.value)


def test_one_stimulus_has_an_error_and_no_interval():
    encoder = linear_encoder()
    images, record = run(encoder, n_stimuli=1)
    found = compute_reconstruction(encoder, images, record)
    decoded = encoder.decode(record.counts)
    assert found.error.value == pytest.approx(((images - decoded) ** 2).sum())
    assert np.isnan([found.error.low, found.r2.value]).all()
    course = compute_code_course(encoder, images, record, metabolic_cost(record), n_times=3)
    assert course.error.value[-1] == pytest.approx(found.error.value)
    assert np.isnan(course.time_to_fraction.value).all()


def test_one_latent_and_one_pixel():
    encoder = linear_encoder(n_inputs=1, n_latents=1)
    images, record = run(encoder)
    found = compute_reconstruction(encoder, images, record)
    assert found.error.low <= found.error.value <= found.error.high
    assert compute_code_course(encoder, images, record, metabolic_cost(record)).r2.value.size == 40


# The whole window by other routes


def test_r2_is_that_of_scikit_learn(shipped):
    encoder, images, record = shipped
    found = compute_reconstruction(*shipped)
    decoded = encoder.decode(record.counts)
    flat = images.reshape(len(images), -1)
    assert found.r2.value == pytest.approx(unbiased_r2(flat, decoded), rel=1e-6)
    assert found.error.value == pytest.approx(((flat - decoded) ** 2).sum(axis=1).mean())
    assert found.r2.low < found.r2.value < found.r2.high
    np.testing.assert_allclose(found.error_by_stimulus.mean(), found.error.value)


def test_r2_of_few_stimuli_is_that_of_many(shipped):
    encoder, images, record = shipped
    whole = compute_reconstruction(*shipped).r2
    order = fresh_generator().permutation(2000).reshape(200, 10)
    few = [compute_reconstruction(encoder, images[s], record[s]).r2.value for s in order]
    # The ratio of two means of 10 stimuli has a bias of its own, of second order; without the
    # factor n / (n - 1) it would be ten times that of the test: (1 - R2) / 10 = 0.07.
    error = np.std(few) / np.sqrt(200)
    assert abs(np.mean(few) - whole.value) < STANDARD_ERRORS * error + 0.01
    assert STANDARD_ERRORS * error < 0.05


@pytest.mark.parametrize("neuron", ["poisson", "sampler", Refractory(5 * ms)])
def test_error_is_what_the_closed_form_predicts(neuron):
    encoder = linear_encoder(log_rate=2.0)
    image = fresh_generator().normal(size=9)
    images = np.tile(image, (20_000, 1))
    record = simulate(
        encoder.posterior_rates(images), seed=fresh_seed(), neuron=neuron, n_steps=200
    )
    found = compute_reconstruction(encoder, images, record)
    error = found.error_by_stimulus.std() / np.sqrt(len(images))
    assert abs(found.error.value - found.expected_error.value) < STANDARD_ERRORS * error
    # Bias and variance by hand, from the weights.
    weight = encoder.model.decoder.weight.detach().numpy()
    bias = encoder.model.decoder.bias.detach().numpy()
    mean, variance = record.prediction.mean[0], record.prediction.variance[0]
    by_hand = ((image - weight @ mean - bias) ** 2).sum() + (weight**2 @ variance).sum()
    assert found.expected_error.value == pytest.approx(by_hand)


def test_other_decoders_have_no_closed_form():
    encoder = linear_encoder(decoder="deep")
    found = compute_reconstruction(encoder, *run(encoder))
    assert found.expected_error is None
    assert found.error.value > 0


# The course of the window


def test_the_course_ends_where_the_whole_window_does(shipped, course):
    whole, cost = compute_reconstruction(*shipped), metabolic_cost(shipped[2])
    assert course.time_s[-1] == 1
    assert course.error.value[-1] == pytest.approx(whole.error.value)
    assert course.r2.value[-1] == pytest.approx(whole.r2.value)
    assert course.r2.low[-1] == pytest.approx(whole.r2.low)
    assert course.spikes.value[-1] == shipped[2].counts.sum() / 2000
    assert course.spiking.value[-1] == pytest.approx(cost.spiking_per_stimulus.value)
    assert course.energy.value[-1] == pytest.approx(cost.total_per_stimulus.value)
    assert (course.unit, course.budget) == ("ATP", "attwell-laughlin-2001")
    assert (np.diff(course.energy.value) > 0).all()


def test_the_course_at_one_time_by_hand(shipped, course):
    encoder, images, record = shipped
    k, until = 12, course.time_s[12]
    counts = np.zeros(record.counts.shape)
    before = record.spikes.time <= until
    np.add.at(counts, (record.spikes.stimulus[before], record.spikes.latent[before]), 1)
    decoded = encoder.decode(counts / until)
    flat = images.reshape(len(images), -1)
    assert course.spikes.value[k] == counts.sum() / 2000
    assert course.error.value[k] == pytest.approx(((flat - decoded) ** 2).sum(axis=1).mean())
    assert course.r2.value[k] == pytest.approx(unbiased_r2(flat, decoded), rel=1e-6)
    rest = 256 * 0.444e9 * until
    assert course.energy.value[k] == pytest.approx(counts.sum() / 2000 * 7.1e8 + rest)


def test_error_and_bend_are_those_of_the_closed_form(shipped, course):
    encoder, images, record = shipped
    flat = images.reshape(len(images), -1)
    stays = ((flat - encoder.decode(record.rates)) ** 2).sum(axis=1).mean()
    noise = (record.rates @ (decoder_features(encoder) ** 2).sum(axis=1)).mean()
    expected = stays + noise / course.time_s
    half = (course.error.high - course.error.low) / 2
    # Intervals over stimuli are wider than the spiking noise that is tested here.
    assert (np.abs(course.error.value - expected) < half * STANDARD_ERRORS / 1.96).all()
    half = (course.bend_s.high - course.bend_s.low) / 2
    assert abs(course.bend_s.value - noise / stays) < half * STANDARD_ERRORS / 1.96


def test_time_to_a_share_of_the_final_r2(course):
    final = course.r2.value[-1]
    assert (np.diff(course.time_to_fraction.value) > 0).all()
    for share, time, spikes, energy in zip(
        course.fractions,
        course.time_to_fraction.value,
        course.spikes_to_fraction.value,
        course.energy_to_fraction.value,
        strict=True,
    ):
        # R2 goes with 1/t between two times.
        reached = np.interp(-1 / time, -1 / course.time_s, course.r2.value)
        assert reached == pytest.approx(share * final)
        assert spikes == pytest.approx(np.interp(time, course.time_s, course.spikes.value))
        assert energy == pytest.approx(np.interp(time, course.time_s, course.energy.value))
    spiking = course.spikes_to_fraction.scaled(7.1e8)
    assert course.spiking_to_fraction.value == pytest.approx(spiking.value)
    for part in ("bend_s", "time_to_fraction", "spikes_to_fraction", "energy_to_fraction"):
        estimate = getattr(course, part)
        assert isinstance(estimate, Estimate)
        assert np.all(estimate.low < estimate.value), part
        assert np.all(estimate.value < estimate.high), part


@pytest.mark.parametrize("decoder", ["linear", "deep"])
def test_every_time_of_either_decoder_by_hand(decoder):
    encoder = linear_encoder(decoder=decoder)
    _, record = run(encoder)
    found = list(decode_as_it_fills(encoder, record, 7))
    assert len(found) == 7
    for k, (n_spikes, decoded) in enumerate(found, start=1):
        before = record.spikes.time <= k / 7
        counts = np.zeros(record.counts.shape)
        np.add.at(counts, (record.spikes.stimulus[before], record.spikes.latent[before]), 1)
        np.testing.assert_array_equal(n_spikes, counts.sum(axis=1))
        np.testing.assert_allclose(decoded, encoder.decode(counts * 7 / k), atol=1e-9)


def test_a_finer_grid_finds_the_same_times(shipped, course):
    finer = compute_code_course(*shipped, metabolic_cost(shipped[2]), n_times=160)
    width = course.time_to_fraction.high - course.time_to_fraction.low
    difference = finer.time_to_fraction.value - course.time_to_fraction.value
    assert (np.abs(difference) < width / 4).all()


def test_without_noise_nothing_bends():
    # One spike at the very start of each window: what is decoded goes as 1/t.
    encoder = linear_encoder(n_latents=1)
    images, record = run(encoder, n_stimuli=2)
    spike = dataclasses.replace(
        record.spikes,
        stimulus=np.array([0, 1], np.int32),
        latent=np.zeros(2, np.int32),
        time=np.zeros(2),
    )
    record = dataclasses.replace(record, counts=np.ones((2, 1), np.int32), times=spike)
    course = compute_code_course(encoder, images, record, metabolic_cost(record), n_times=4)
    assert course.spikes.value.tolist() == [1, 1, 1, 1]
    by_hand = [
        ((images - encoder.decode(np.full((2, 1), 4 / k))) ** 2).sum(axis=1).mean()
        for k in (1, 2, 3, 4)
    ]
    np.testing.assert_allclose(course.error.value, by_hand)


def test_a_spike_at_a_time_belongs_to_it():
    encoder = linear_encoder(n_latents=1)
    images, record = run(encoder, n_stimuli=1)
    spikes = dataclasses.replace(
        record.spikes,
        stimulus=np.zeros(2, np.int32),
        latent=np.zeros(2, np.int32),
        time=np.array([0.5, 1.0]),
    )
    record = dataclasses.replace(record, counts=np.array([[2]], np.int32), times=spikes)
    course = compute_code_course(encoder, images, record, metabolic_cost(record), n_times=4)
    assert course.spikes.value.tolist() == [0, 1, 1, 2]


def test_a_share_reached_before_the_first_time_is_followed_back():
    # So many spikes that half of R2 is there at once: two times tell as much as many.
    encoder = linear_encoder(log_rate=6.0)
    images, record = run(encoder, n_stimuli=400, n_steps=2000)
    images = encoder.decode(record.rates)
    fine = compute_code_course(encoder, images, record, metabolic_cost(record), n_times=400)
    coarse = compute_code_course(encoder, images, record, metabolic_cost(record), n_times=4)
    assert fine.time_to_fraction.value[0] < coarse.time_s[0]
    assert coarse.time_to_fraction.value[0] < coarse.time_s[0]
    assert coarse.time_to_fraction.low[0] < coarse.time_to_fraction.high[0]
    np.testing.assert_allclose(
        coarse.time_to_fraction.value[0], fine.time_to_fraction.value[0], rtol=0.2
    )
    rate = coarse.spikes_to_fraction.value[0] / coarse.time_to_fraction.value[0]
    assert rate == pytest.approx(coarse.spikes.value[0] / coarse.time_s[0])


def test_a_decoder_that_is_not_linear_has_no_bend():
    encoder = linear_encoder(decoder="deep")
    images, record = run(encoder)
    course = compute_code_course(encoder, images, record, metabolic_cost(record))
    assert np.isnan([course.bend_s.value, course.bend_s.low]).all()
    assert np.isfinite(course.error.value).all()


def test_features_have_double_precision():
    encoder = linear_encoder()
    weight = encoder.model.decoder.weight.detach().numpy().T.copy()
    encoder.model.decoder.bfloat16()
    np.testing.assert_allclose(decoder_features(encoder), weight, rtol=1e-2)


def test_silence_has_a_course():
    encoder = linear_encoder(log_rate=-60.0)
    images, record = run(encoder)
    course = compute_code_course(encoder, images, record, metabolic_cost(record))
    assert course.spikes.value.max() == 0
    assert np.ptp(course.error.value) == pytest.approx(0, abs=1e-9)
    assert course.bend_s.value == pytest.approx(0, abs=1e-9)


def test_a_budget_without_rest_has_spiking_costs_only(shipped):
    encoder, images, record = shipped[0], shipped[1][:50], shipped[2][:50]
    course = compute_code_course(encoder, images, record, metabolic_cost(record, "lennie-2003"))
    assert np.isnan(course.energy.value).all()
    assert np.isnan(course.energy_to_fraction.value).all()
    assert (course.spiking_to_fraction.value > 0).all()


def test_a_window_of_another_length(shipped):
    encoder, images = shipped[0], shipped[1][:200]
    record = simulate(
        encoder.posterior_rates(images), window=200 * ms, record="times", seed=fresh_seed()
    )
    course = compute_code_course(encoder, images, record, metabolic_cost(record))
    assert course.time_s[-1] == 0.2
    assert 0.02 < course.bend_s.value < 0.1
    assert (course.time_to_fraction.value < 0.2).all()
    rest = 256 * 0.444e9
    np.testing.assert_allclose(
        course.energy.value, course.spikes.value * 7.1e8 + rest * course.time_s
    )
    np.testing.assert_allclose(
        course.energy_to_fraction.value,
        course.spikes_to_fraction.value * 7.1e8 + rest * course.time_to_fraction.value,
    )


# Refusals


def test_what_does_not_go_together_is_refused(shipped):
    encoder, images, record = shipped[0], shipped[1][:20], shipped[2][:20]
    cost = metabolic_cost(record)
    counts_only = dataclasses.replace(record, times=None)
    with pytest.raises(ValueError, match="record='times'"):
        compute_code_course(encoder, images, counts_only, cost)
    with pytest.raises(ValueError, match="stimuli of the record"):
        compute_reconstruction(encoder, images[:3], record)
    with pytest.raises(ValueError, match="of this record"):
        compute_code_course(encoder, images, record, metabolic_cost(record[:3]))
    another_window = dataclasses.replace(record, window_s=0.5)
    with pytest.raises(ValueError, match=r"0\.5 s"):
        compute_code_course(encoder, images, record, metabolic_cost(another_window))
    with pytest.raises(ValueError, match="two times"):
        compute_code_course(encoder, images, record, cost, n_times=1)
    blind = linear_encoder(decoder=None)
    with pytest.raises(ValueError, match="no decoder"):
        compute_reconstruction(blind, *run(blind))
