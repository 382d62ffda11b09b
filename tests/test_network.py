"""The whole autoencoder in Brian2: the rates its synapses come to, its counts, its readout."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    NeuronGroup,
    Synapses,
    ms,
    mV,
    prefs,
    second,
    seed,
    start_scope,
)
from brian2.utils.logger import catch_logs
from scipy.stats import kstest

from pvae_brian import AutoencoderNetwork, Encoder, load_encoder, simulate
from pvae_brian.measures.goodness import poisson_fit
from pvae_brian.network.clocks import Clocks

from .chance import FALSE_ALARM, fresh_seed
from .checkpoint_files import OFFICIAL
from .images import noise
from .marks import needs_compiler
from .network_models import CHOICES, affine_encoder, small_encoder

POISSON = ["pvae_lin_k48", "pvae_lin_k32_2025", "pvae_mlp_k32"]
ROOT = Path(__file__).parent.parent
WINDOW = 100 * ms
# torch's softplus leaves out up to 2e-9, and rates pass two of them.
RATES = 1e-8


@pytest.fixture(autouse=True)
def target(request):
    """No test here compiles anything, but for those that ask for Cython."""
    start_scope()
    before = prefs.codegen.target
    prefs.codegen.target = getattr(request, "param", "numpy")
    yield prefs.codegen.target
    prefs.codegen.target = before


def show(encoder, images, *, n_steps=5, run_seed=None, **settings):
    network = AutoencoderNetwork(encoder, images, WINDOW, n_steps, **settings)
    run_seed = fresh_seed() if run_seed is None else run_seed
    seed(run_seed)
    network.run()
    return network, network.activity(seed=run_seed)


# Rates: those of the model, whatever its layers


@pytest.mark.parametrize("name", CHOICES)
def test_the_synapses_come_to_the_rates_of_the_model(name):
    encoder = small_encoder(fresh_seed(), **CHOICES[name])
    images = noise((6, 9), fresh_seed())
    _, activity = show(encoder, images)
    np.testing.assert_allclose(activity.record.rates, encoder.posterior_rates(images), rtol=RATES)


@pytest.mark.parametrize("scale", [1e-3, 30.0, 300.0])
def test_rates_are_right_where_the_clamps_saturate(scale):
    encoder = small_encoder(3, rate_clamp=5.3, excitatory_only=scale == 300)
    images = scale * noise((4, 9), 3)
    _, activity = show(encoder, images, n_steps=2)
    np.testing.assert_allclose(activity.record.rates, encoder.posterior_rates(images), rtol=RATES)


@pytest.mark.parametrize("name", POISSON)
def test_official_models_have_the_authors_rates(name):
    with np.load(OFFICIAL / name / "expected.npz") as expected:
        images, rates = expected["x"], expected["rate"]
    _, activity = show(load_encoder(OFFICIAL / name), images, n_steps=1)
    # Theirs are in single precision.
    np.testing.assert_allclose(activity.record.rates, rates, rtol=1e-5)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("target", ["cython"], indirect=True)
def test_cython_comes_to_the_same(target):
    encoder = small_encoder(5, **CHOICES["clamped"])
    images = noise((3, 9), 5)
    _, activity = show(encoder, images)
    assert activity.record.device == "cython"
    np.testing.assert_allclose(activity.record.rates, encoder.posterior_rates(images), rtol=RATES)
    decoded = encoder.decode(activity.record.counts)
    np.testing.assert_allclose(activity.reconstructions, decoded, rtol=1e-9, atol=1e-12)


STANDALONE = """
    import numpy as np
    from brian2 import *
    from pvae_brian import AutoencoderNetwork, OnOffInput
    from pvae_brian.measures.goodness import poisson_fit
    from tests.images import noise
    from tests.network_models import small_encoder

    set_device('cpp_standalone', directory={directory!r}, build_on_run=False)
    seed({seed})
    # After a minute of such windows the times of their starts and of the steps round apart.
    images = noise((1300, 9), {seed})
    mlp = small_encoder(1, encoder='mlp', rate_clamp=5.0)
    graded = AutoencoderNetwork(mlp, images, 100*ms, 3, record='times')
    linear = small_encoder(2)
    spiking = AutoencoderNetwork(linear, images, 100*ms, 20, OnOffInput(100*Hz, 40*ms))
    graded.run()
    spiking.run()
    device.build(directory={directory!r})
    for network, encoder in ((graded, mlp), (spiking, linear)):
        activity = network.activity(seed={seed})
        record = activity.record
        assert record.device == 'cpp_standalone'
        assert np.allclose(activity.reconstructions, encoder.decode(record.counts), rtol=1e-9)
        assert (activity.decoder_events == 9*record.counts.sum(axis=1)).all()
        print(poisson_fit(record.counts, record.rates).p_value)
    record = graded.activity(seed=1).record
    assert np.allclose(record.rates, mlp.posterior_rates(images), rtol=1e-8)
    assert (record.binned_counts(record.window)[:, :, 0] == record.counts).all()
    activity = spiking.activity(seed=1)
    assert (activity.encoder_events == 4*activity.input_spikes).all()
"""


@needs_compiler
@pytest.mark.slow
def test_two_networks_in_one_standalone_program(tmp_path):
    """In a process of its own: a standalone device keeps its project for good."""
    script = textwrap.dedent(STANDALONE.format(directory=str(tmp_path / "p"), seed=fresh_seed()))
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT
    )
    assert result.returncode == 0, result.stderr
    assert min(map(float, result.stdout.split()[-2:])) > FALSE_ALARM


# Counts


def test_silent_latents_never_fire_and_draw_the_bias():
    encoder = small_encoder(1, decoder_bias=True)
    encoder.model.log_rate.data.fill_(-800.0)
    _, activity = show(encoder, noise((3, 9)))
    assert not activity.record.counts.any()
    assert not activity.decoder_events.any()
    bias = encoder.model.decoder.head.bias.detach().numpy()
    np.testing.assert_array_equal(activity.reconstructions, np.tile(bias, (3, 1)))


def test_one_pixel_one_latent_one_stimulus_one_step():
    _, activity = show(affine_encoder([[0.0]], [0.0], [np.log(1000)]), [[1.0]], n_steps=1)
    assert activity.record.counts.shape == (1, 1)
    assert 500 < activity.record.counts[0, 0] < 1500
    assert activity.reconstructions is None
    assert activity.decoder_events.tolist() == [0]


@pytest.mark.parametrize("n_steps", [1, 7])
def test_counts_pass_the_chi_square_of_the_rate_driven_neurons(n_steps):
    """From 0.05 to 150 spikes per window, by synapses and by `simulate`, in one test of both."""
    generator = np.random.default_rng(fresh_seed())
    rates = np.tile([0.05, 0.3, 1, 5, 50, 150], 200)
    encoder = affine_encoder(
        generator.normal(scale=0.05, size=(len(rates), 4)), np.zeros(len(rates)), np.log(rates)
    )
    images = generator.normal(size=(100, 4))
    _, activity = show(encoder, images, n_steps=n_steps)
    expected = encoder.posterior_rates(images)
    assert poisson_fit(activity.record.counts, expected).p_value > FALSE_ALARM
    driven = simulate(expected, WINDOW, n_steps, seed=fresh_seed(), device="numpy")
    assert poisson_fit(driven.counts, expected).p_value > FALSE_ALARM


def test_images_change_while_the_network_runs():
    """Each latent has an image of its own, which makes it fire; counts start anew with each."""
    encoder = affine_encoder(40 * np.eye(4), np.full(4, -60.0), np.full(4, 25.0))
    _, activity = show(encoder, [[1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 1, 0, 0]])
    fires = activity.record.counts > 0
    wanted = np.zeros((4, 4), dtype=bool)
    wanted[[0, 1, 3], [0, 2, 1]] = True
    np.testing.assert_array_equal(fires, wanted)


def test_the_same_seed_gives_the_same_activity():
    encoder, images = small_encoder(1), noise((4, 9))
    first, again, other = (
        show(encoder, images, run_seed=number, record="times")[1] for number in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.record.counts, again.record.counts)
    np.testing.assert_array_equal(first.record.spikes.time, again.record.spikes.time)
    np.testing.assert_array_equal(first.reconstructions, again.reconstructions)
    assert (first.record.counts != other.record.counts).any()


# Readout and synaptic events


@pytest.mark.parametrize("name", ["linear", "normalized", "mlp"])
def test_the_readout_draws_what_the_decoder_makes_of_the_counts(name):
    encoder = small_encoder(fresh_seed(), **CHOICES[name])
    _, activity = show(encoder, noise((5, 9), fresh_seed()))
    assert activity.record.counts.any()
    decoded = encoder.decode(activity.record.counts)
    np.testing.assert_allclose(activity.reconstructions, decoded, rtol=1e-9, atol=1e-12)


def test_of_a_decoder_that_is_not_linear_the_readout_holds_the_first_layer():
    encoder = small_encoder(2, decoder="mlp")
    network, activity = show(encoder, noise((5, 9)))
    assert not network.parameters.has_linear_decoder
    first = encoder.model.decoder.head
    held = activity.record.counts @ first.weight.detach().numpy().T
    np.testing.assert_allclose(activity.reconstructions, held, rtol=1e-9, atol=1e-12)


def test_every_spike_is_an_event_at_each_synapse_and_zeros_are_none():
    features = np.array([[1.0, 0.0, 2.0], [0.0, 0.0, 1.0], [3.0, 0.0, 0.0]])
    encoder = affine_encoder(np.zeros((3, 3)), np.zeros(3), np.log([5, 50, 500]), features)
    _, activity = show(encoder, np.zeros((4, 3)))
    counts = activity.record.counts
    np.testing.assert_array_equal(activity.decoder_events, counts @ [2, 0, 2])
    np.testing.assert_allclose(activity.reconstructions, counts @ features.T)
    assert not activity.encoder_events.any()
    assert not activity.input_spikes.any()


def test_a_model_without_any_weight_fires_at_its_prior_rates():
    encoder = affine_encoder(np.zeros((2, 3)), np.zeros(2), np.log([2.0, 3.0]), np.zeros((3, 2)))
    images = noise((3, 3))
    _, activity = show(encoder, images)
    np.testing.assert_allclose(activity.record.rates, encoder.posterior_rates(images), rtol=1e-12)
    assert not activity.reconstructions.any()


# Spike times


def test_times_belong_to_the_counts_and_lie_anywhere_in_a_step():
    encoder = affine_encoder(np.zeros((3, 1)), np.zeros(3), np.log([0.5, 20, 500]))
    _, activity = show(encoder, np.zeros((20, 1)), n_steps=4, record="times")
    record = activity.record
    counts = record.binned_counts(WINDOW)[:, :, 0]
    np.testing.assert_array_equal(counts, record.counts)
    assert (np.diff(record.spikes.stimulus) >= 0).all()
    # Given their number, times of a constant rate are uniform in the window.
    assert kstest(record.spikes.time / record.window_s, "uniform").pvalue > FALSE_ALARM


# Use


def test_groups_of_the_user_get_every_spike():
    encoder = affine_encoder(np.zeros((2, 1)), np.zeros(2), np.log([30.0, 3.0]))
    network = AutoencoderNetwork(encoder, np.zeros((3, 1)), WINDOW, 5)
    mine = NeuronGroup(1, "v : volt", clock=network.latents.clock)
    wires = Synapses(
        network.latents, mine, on_pre="v_post += mV*new_spikes_pre", clock=network.latents.clock
    )
    wires.connect()
    network.add(mine, wires)
    network.run(network.duration)
    assert mine.v[0] / mV == pytest.approx(network.activity(seed=0).record.counts.sum())


def test_activity_is_the_same_however_the_run_was_cut_and_after_it_went_on():
    encoder, images = small_encoder(1), noise((3, 9))
    _, whole = show(encoder, images, run_seed=3)
    network = AutoencoderNetwork(encoder, images, WINDOW, 5)
    seed(3)
    network.run(140 * ms)
    with pytest.raises(ValueError, match=r"run for 0.14 s and needs 0.3 s to show 3 images"):
        network.activity(seed=3)
    network.run(160 * ms)
    np.testing.assert_array_equal(network.activity(seed=3).record.counts, whole.record.counts)
    network.run(250 * ms)
    later = network.activity(seed=3)
    np.testing.assert_array_equal(later.record.counts, whole.record.counts)
    np.testing.assert_array_equal(later.reconstructions, whole.reconstructions)


def test_the_prediction_of_graded_input_is_poisson():
    encoder, images = small_encoder(1), noise((3, 9))
    prediction = AutoencoderNetwork(encoder, images).prediction
    assert prediction.is_poisson
    np.testing.assert_array_equal(prediction.mean, encoder.posterior_rates(images))


@pytest.mark.parametrize(
    ("window", "n_steps"), [(100 * ms, 3), (30 * ms, 7), (second / 3, 10), (100 * ms, 1)]
)
def test_windows_start_at_steps_to_the_last_bit(window, n_steps):
    clocks = Clocks.of(float(window), n_steps, 2000)
    starts, step = np.arange(2000) * float(clocks.window.dt), float(clocks.step.dt)
    np.testing.assert_array_equal(starts, np.arange(2000) * n_steps * step)
    assert float(clocks.window.dt) == pytest.approx(float(window), rel=1e-9)


def test_rates_beyond_counting_are_refused():
    encoder = affine_encoder([[1.0]], [0.0], [25.0])
    with pytest.raises(ValueError, match="must not exceed 1e\\+09 spikes per window"):
        AutoencoderNetwork(encoder, [[0.0]])
    encoder = affine_encoder(np.zeros((3, 1)), np.zeros(3), np.full(3, 20.0))
    with pytest.raises(ValueError, match=r"make its latents fire 1.46e\+09 spikes"):
        AutoencoderNetwork(encoder, [[0.0]])


def test_names_in_the_script_mean_nothing_to_the_network():
    rate, weight, count, value, total = 1 * mV, 2, 3, 4, 5  # noqa: F841
    with catch_logs() as logs:
        network, activity = show(small_encoder(1), noise((2, 9)))
    assert not [message for _, name, message in logs if "conflict" in name]
    assert activity.record.counts.shape == (2, 4)
    # With a group of the user's in it, its names are looked up as Brian2 does.
    time_constant = 5 * ms  # noqa: F841
    mine = NeuronGroup(
        1, "dv/dt = -v/time_constant : 1", method="exact", clock=network.latents.clock
    )
    network.add(mine)
    network.run(WINDOW)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"images": np.zeros((2, 8))}, ValueError, r"9 pixels each"),
        ({"images": [[np.nan] * 9]}, ValueError, r"images must be finite"),
        ({"window": 0 * second}, ValueError, r"window must be a positive"),
        ({"window": 1.0}, DimensionMismatchError, r"window must be a time"),
        ({"n_steps": 0}, ValueError, r"n_steps must be at least 1"),
        ({"input": "spikes"}, ValueError, r"input must be 'graded'"),
        ({"record": "all"}, ValueError, r"record must be one of"),
    ],
)
def test_what_does_not_fit_is_refused(settings, error, message):
    with pytest.raises(error, match=message):
        AutoencoderNetwork(small_encoder(1), **({"images": noise((2, 9))} | settings))


def test_models_without_a_counterpart_in_synapses_are_refused():
    import torch

    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(9, 2))
    encoder = Encoder.from_module(module, np.zeros(2), image_shape=(1, 3, 3))
    with pytest.raises(ValueError, match=r"got an encoder of type Sequential; for any other take"):
        AutoencoderNetwork(encoder, noise((1, 9)))
    decoder = torch.nn.Sequential(torch.nn.Linear(2, 9))
    encoder = Encoder.from_module(
        torch.nn.Linear(9, 2), np.zeros(2), image_shape=(9,), decoder=decoder
    )
    with pytest.raises(ValueError, match=r"decoder must begin with a linear map"):
        AutoencoderNetwork(encoder, noise((1, 9)))


def test_a_control_is_refused():
    with pytest.raises(TypeError, match=r"got GaussianEncoder; simulate"):
        AutoencoderNetwork(load_encoder(OFFICIAL / "grelu_lin_k32"), noise((1, 256)))
