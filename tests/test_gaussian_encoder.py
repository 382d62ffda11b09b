"""The control behind the seam: the same names as an Encoder, and rates that are its activity."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from brian2 import Network, SpikeMonitor, ms, second
from scipy.special import ndtr
from scipy.stats import norm

from pvae_brian import (
    Encoder,
    GaussianEncoder,
    GaussianVAE,
    GaussianVAEConfig,
    analyse,
    compare,
    convert,
    load_encoder,
    save_checkpoint,
    simulate,
)
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.decoding.features import decoder_features
from pvae_brian.report.cautions import collect_cautions, control_caution
from pvae_brian.runs import load_run, save_run

from .chance import STANDARD_ERRORS, fresh_generator, fresh_seed
from .checkpoint_files import OFFICIAL
from .checkpoint_files import copy as copy_official
from .run_files import assert_is_run, official_images, sha256

SEAM = (
    "family",
    "n_inputs",
    "n_latents",
    "prior_rates",
    "posterior_rates",
    "kl_per_latent",
    "kl_divergence",
    "latent_zeros",
    "decode",
    "has_decoder",
    "has_linear_decoder",
    "model",
    "image_shape",
    "details",
)


def control(folder, activation="relu", **settings_):
    """An untrained control whose weights are large enough to be seen, as a file."""
    config = GaussianVAEConfig(n_inputs=64, n_latents=5, latent_activation=activation, **settings_)
    model = GaussianVAE.from_config(config, seed=3)
    with torch.no_grad():
        model.encoder.head.weight *= 4
        model.encoder.head.bias += 0.3
        model.loc += torch.linspace(-1, 1, 5)
        model.log_scale += 0.2
    save_checkpoint(model, folder / f"{activation}.pt")
    return folder / f"{activation}.pt"


def images(n=7, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 8, 8))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return load_encoder(control(tmp_path_factory.mktemp("control")))


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    """A control with latents of both signs."""
    return load_encoder(control(tmp_path_factory.mktemp("signed"), "none"))


# Numbers --------------------------------------------------------------------------------------


def test_it_stands_where_an_encoder_stands(encoder):
    assert isinstance(encoder, GaussianEncoder)
    poisson = load_encoder(shipped_model())
    assert isinstance(poisson, Encoder)
    for either in (encoder, poisson):
        for name in SEAM:
            assert hasattr(either, name), name
        x = np.zeros((3, either.n_inputs))
        for name in ("posterior_rates", "kl_per_latent", "latent_zeros"):
            values = getattr(either, name)(x)
            assert values.shape == (3, either.n_latents)
            assert values.dtype == np.float64
        assert either.prior_rates.shape == (either.n_latents,)
        assert either.kl_divergence(x) == pytest.approx(either.kl_per_latent(x).sum(axis=1))
        assert either.decode(either.posterior_rates(x)).shape == (3, either.n_inputs)
        assert either.has_linear_decoder
    assert encoder.family == "gaussian-relu"
    assert poisson.family == "poisson"


def test_numbers_are_the_written_formulas(encoder):
    x, model = images(), encoder.model
    raw = x.reshape(7, 64) @ model.encoder.head.weight.detach().numpy().T
    raw += model.encoder.head.bias.detach().numpy()
    loc = raw[:, :5] + model.loc.numpy()
    scale = np.exp(5.3 * np.tanh((raw[:, 5:] + model.log_scale.numpy()) / 5.3))
    t = loc / scale
    assert encoder.loc(x) == pytest.approx(loc, rel=1e-10)
    assert encoder.scale(x) == pytest.approx(scale, rel=1e-12)
    activity = loc * norm.cdf(t) + scale * norm.pdf(t)
    assert encoder.posterior_rates(x) == pytest.approx(activity, rel=1e-9)
    assert encoder.latent_zeros(x) == pytest.approx(norm.sf(t), rel=1e-10)
    prior_loc, prior_scale = np.linspace(-1, 1, 5), math.exp(5.3 * math.tanh(0.2 / 5.3))
    t = prior_loc / prior_scale
    at_rest = prior_loc * norm.cdf(t) + prior_scale * norm.pdf(t)
    # The prior was written in single precision.
    assert encoder.prior_rates == pytest.approx(at_rest, rel=1e-6)
    ratio, shift = scale / prior_scale, (loc - prior_loc) / prior_scale
    kl = 0.5 * (shift**2 + ratio**2 - 2 * np.log(ratio) - 1)
    assert encoder.kl_per_latent(x) == pytest.approx(kl, rel=1e-6, abs=1e-6)


def test_there_is_no_clamp_on_the_rates(encoder):
    assert np.array_equal(
        encoder.posterior_rates(images(), clamped=False), encoder.posterior_rates(images())
    )


def test_a_standard_normal_prior_has_the_activity_of_half_a_normal(tmp_path):
    model = GaussianVAE.from_config(GaussianVAEConfig(n_inputs=64, n_latents=5))
    save_checkpoint(model, tmp_path / "m.pt")
    encoder = load_encoder(tmp_path / "m.pt")
    assert encoder.prior_rates == pytest.approx([1 / math.sqrt(2 * math.pi)] * 5, rel=1e-14)
    # Without a bias a grey image says nothing.
    grey = np.zeros((2, 64))
    assert encoder.posterior_rates(grey) == pytest.approx(encoder.prior_rates[None].repeat(2, 0))
    assert np.all(encoder.latent_zeros(grey) == 0.5)
    assert not encoder.kl_per_latent(grey).any()


def test_latents_are_zero_as_often_as_it_says(encoder):
    n = 20_000
    x = torch.as_tensor(images(1).reshape(1, 64)).expand(n, 64)
    generator = torch.Generator().manual_seed(fresh_seed())
    with torch.no_grad():
        samples = encoder.model.posterior(x).sample(0.0, generator).numpy()
    zeros, activity = encoder.latent_zeros(images(1))[0], encoder.posterior_rates(images(1))[0]
    error = np.sqrt(zeros * (1 - zeros) / n)
    # A rare one is Poisson, whose tails are longer: three more than six standard errors allow.
    assert np.all(np.abs((samples == 0).mean(axis=0) - zeros) < STANDARD_ERRORS * error + 3 / n)
    error = samples.std(axis=0) / math.sqrt(n)
    assert np.all(np.abs(samples.mean(axis=0) - activity) < STANDARD_ERRORS * error + 1e-3)


def test_a_poisson_latent_is_silent_with_the_chance_of_its_rate():
    encoder, patches = load_encoder(shipped_model()), shipped_patches()[:5]
    rates = encoder.posterior_rates(patches)
    assert encoder.latent_zeros(patches) == pytest.approx(np.exp(-rates), rel=1e-14)


def test_batches_and_the_order_of_images_change_no_result(encoder):
    many = np.tile(images(50), (100, 1, 1))[:4999]
    rates = encoder.posterior_rates(many)
    order = fresh_generator().permutation(4999)
    assert encoder.posterior_rates(many[order]) == pytest.approx(rates[order], rel=1e-9)
    assert rates[4090:4100] == pytest.approx(encoder.posterior_rates(many[4090:4100]), rel=1e-9)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((3, 63)), "64"),
        (np.full((3, 64), np.nan), "images must be finite"),
        (np.zeros((0, 64)), "at least one"),
    ],
)
@pytest.mark.parametrize(
    "method", ["posterior_rates", "kl_divergence", "kl_per_latent", "latent_zeros", "loc", "scale"]
)
def test_bad_images_are_refused(encoder, method, bad, message):
    with pytest.raises(ValueError, match=message):
        getattr(encoder, method)(bad)


def test_a_clamp_is_refused(tmp_path):
    path = control(tmp_path)
    for clamp in (5.0, None):
        with pytest.raises(ValueError, match=r"rate_clamp is for a Poisson VAE; .* leave it away"):
            load_encoder(path, rate_clamp=clamp)


# Latents of both signs ------------------------------------------------------------------------


def test_latents_of_both_signs_are_no_rates(signed):
    assert signed.family == "gaussian"
    for ask in (
        lambda: signed.posterior_rates(images()),
        lambda: signed.prior_rates,
        lambda: convert(signed, images()),
    ):
        with pytest.raises(ValueError, match="latents of both signs are no rates") as caught:
            ask()
        assert "\n" not in str(caught.value)
    # But all else is there.
    assert not signed.latent_zeros(images()).any()
    assert signed.loc(images()).min() < 0
    assert signed.kl_divergence(images()).shape == (7,)
    assert signed.decode(signed.loc(images())).shape == (7, 64)


# Downstream -----------------------------------------------------------------------------------


def test_neurons_fire_at_its_activity(encoder):
    x = images(4)
    neurons = convert(encoder, x, window=1 * second, dt=10 * ms)
    Network(neurons, SpikeMonitor(neurons)).run(1 * second)
    assert neurons.counts.shape == (4, 5)
    x = np.tile(x, (100, 1, 1))
    record = simulate(encoder.posterior_rates(x), seed=fresh_seed())
    comparison = compare(encoder, x, record)
    # False alarms as of STANDARD_ERRORS.
    assert abs(comparison.fidelity.z) < STANDARD_ERRORS
    assert comparison.prior.predicted == pytest.approx(encoder.prior_rates.sum())
    assert comparison.coding.kl_nats.value == pytest.approx(encoder.kl_divergence(x).mean())
    assert comparison.clamp.spikes_lost.value == 0


def test_its_decoder_has_features(encoder):
    weight = encoder.model.decoder.head.effective_weight().detach().numpy()
    assert np.array_equal(decoder_features(encoder), weight.T)


def test_a_report_warns_of_its_prior_rate_cost(encoder):
    x = images(60)
    record = simulate(encoder.posterior_rates(x), seed=fresh_seed())
    analysis = analyse(encoder, x, record)
    (caution,) = (text for text in collect_cautions(analysis) if "control" in text)
    assert caution == control_caution(analysis)
    assert "Its prior rate cost is the activity of its prior, no prediction" in caution
    kl = analysis.comparison.clamp.poisson_kl.value
    assert f"is {kl:.4g} nats" in caution
    # It has no optimum to be away from.
    assert not any("prior is not at its optimum" in text for text in collect_cautions(analysis))


def test_a_report_of_a_p_vae_does_not():
    encoder, patches = load_encoder(shipped_model()), shipped_patches()[:40]
    record = simulate(encoder.posterior_rates(patches), seed=fresh_seed())
    analysis = analyse(encoder, patches, record)
    assert control_caution(analysis) is None
    assert not any("control" in text for text in collect_cautions(analysis))


@pytest.mark.parametrize("above", [False, True])
def test_a_run_holds_an_official_control_with_its_config(tmp_path, above):
    outer = tmp_path / "model"
    checkpoint = copy_official("grelu_lin_k32", outer / "training")
    if above:
        (checkpoint / "ConfigGausVAE.json").rename(outer / "ConfigGausVAE.json")
    x = official_images("grelu_lin_k32")
    encoder = load_encoder(checkpoint)
    record = simulate(encoder.posterior_rates(x), n_steps=10, seed=fresh_seed())
    folder = save_run(tmp_path / "run", checkpoint, x, record)
    run = load_run(folder)
    assert run.encoder.family == "gaussian-relu"
    assert_is_run(run, encoder, x, record)
    digests = {file.name: sha256(file) for file in (folder / "model").iterdir()}
    assert run.provenance.model_sha256 == digests
    assert "ConfigGausVAE.json" in digests
    assert len(digests) == 2


def test_a_run_holds_an_own_control(tmp_path):
    checkpoint, x = control(tmp_path), images(6)
    encoder = load_encoder(checkpoint)
    record = simulate(encoder.posterior_rates(x), n_steps=10, seed=fresh_seed())
    run = load_run(save_run(tmp_path / "run", checkpoint, x, record))
    assert_is_run(run, encoder, x, record)


def test_activity_of_the_official_control_is_far_from_its_prior_s():
    # So that a mix-up of the two would be seen above.
    encoder, x = load_encoder(OFFICIAL / "grelu_lin_k32"), official_images("grelu_lin_k32")
    assert np.abs(encoder.posterior_rates(x) / encoder.prior_rates - 1).max() > 1
    assert encoder.latent_zeros(x) == pytest.approx(ndtr(-encoder.loc(x) / encoder.scale(x)))
