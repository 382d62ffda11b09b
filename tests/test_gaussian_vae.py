"""The Gaussian VAE: moments behind a rectifier, its KL, its samples, its weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from pvae_brian.models import GaussianVAE, GaussianVAEConfig, free_energy
from pvae_brian.models.rectified import rectified_moments

from .chance import STANDARD_ERRORS, fresh_seed


def quadrature(t):
    """Mean and variance of max(0, v), v ~ Normal(t, 1), by integrals of positive functions.

    Below zero both fall like the density at 0, which stands before the integral.
    """

    def moment(order):
        def integrand(u):
            return u**order * math.exp(-u * u / 2 + min(t, 0) * u)

        return quad(integrand, 0, np.inf, epsabs=0, epsrel=1e-13)[0] * norm.pdf(t)

    if t <= 0:
        mean = moment(1)
        return mean, moment(2) - mean**2
    ends = max(0, t - 40), t + 40
    mean = quad(lambda v: v * norm.pdf(v - t), *ends, points=[t], epsabs=0, epsrel=1e-13)[0]
    variance = quad(
        lambda v: (v - mean) ** 2 * norm.pdf(v - t), *ends, points=[t], epsabs=0, epsrel=1e-13
    )[0]
    return mean, variance + mean**2 * norm.sf(t)


def moments(t, dtype, scale=1.0):
    t = torch.as_tensor(t, dtype=dtype)
    mean, variance = rectified_moments(t * scale, torch.full_like(t, scale))
    return mean.double().numpy(), variance.double().numpy()


# Moments behind the rectifier -----------------------------------------------------------------


def test_extremes_are_exact():
    for dtype in (torch.float32, torch.float64):
        eps = torch.finfo(dtype).eps
        mean, variance = moments([0.0, 40.0, -200.0, -1e4], dtype)
        assert mean[0] == pytest.approx(1 / math.sqrt(2 * math.pi), rel=4 * eps)
        assert variance[0] == pytest.approx(0.5 - 1 / (2 * math.pi), rel=4 * eps)
        # No rectifier to be seen, or nothing else.
        assert mean[1] == 40
        assert variance[1] == 1
        assert not mean[2:].any()
        assert not variance[2:].any()


@pytest.fixture(scope="module")
def exact():
    """Of numbers that either precision holds exactly, and so does their product with a scale."""
    t = np.arange(-40, 40.25, 0.5)
    return t, *np.array([quadrature(value) for value in t]).T


@pytest.mark.parametrize("scale", [1.0, 2**-7, 2**7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments_are_the_integrals(exact, dtype, scale):
    t, *integrals = exact
    limits, units = torch.finfo(dtype), (scale, scale**2)
    for ours, theirs, unit in zip(moments(t, dtype, scale), integrals, units, strict=True):
        assert np.isfinite(ours).all()
        assert np.all(ours >= 0)
        # exp(-t^2 / 2) turns a rounding of t into t^2 of them, and the smallest numbers have
        # fewer digits.
        tolerance = 100 * limits.eps * (1 + t**2) * theirs + limits.tiny * max(1, 1 / unit)
        assert np.all(np.abs(ours / unit - theirs) <= tolerance)


def test_gradients_are_the_finite_differences():
    seed = fresh_seed()
    generator = torch.Generator().manual_seed(seed)
    loc = 4 * torch.randn(60, dtype=torch.float64, generator=generator)
    scale = 0.3 + torch.rand(60, dtype=torch.float64, generator=generator)
    inputs = (loc.requires_grad_(), scale.requires_grad_())
    assert torch.autograd.gradcheck(rectified_moments, inputs)
    assert torch.autograd.gradgradcheck(rectified_moments, inputs)


def test_gradients_are_right_where_almost_nothing_passes():
    # Of the logarithm, which is nearly a parabola: differences of it have small errors.
    t = torch.linspace(-37, 40, 155, dtype=torch.float64)
    for scale in (0.5, 1.0, 3.0):
        loc = (t * scale).requires_grad_()
        scales = torch.full_like(t, scale).requires_grad_()
        for which in (0, 1):
            value = rectified_moments(loc, scales)[which].log()
            grads = torch.autograd.grad(value.sum(), (loc, scales))
            step = 1e-4 * scale
            for grad, nudge in zip(grads, ((step, 0), (0, step)), strict=True):
                above, below = (
                    rectified_moments(loc.detach() + sign * nudge[0], scales + sign * nudge[1])
                    for sign in (1, -1)
                )
                slope = (above[which].log() - below[which].log()).detach() / (2 * step)
                # Third derivatives of order t / scale^3 times the step squared, and rounding.
                assert np.allclose(grad.numpy(), slope.numpy(), rtol=1e-6, atol=1e-5 / scale)


def test_gradients_in_single_precision_are_finite_and_right():
    t = torch.linspace(-40, 40, 1601)
    results = []
    for dtype in (torch.float32, torch.float64):
        loc, scale = t.to(dtype).requires_grad_(), torch.ones_like(t, dtype=dtype).requires_grad_()
        mean, variance = rectified_moments(loc, scale)
        of_mean = torch.autograd.grad(mean.sum(), (loc, scale), retain_graph=True)
        results.append([*of_mean, *torch.autograd.grad(variance.sum(), (loc, scale))])
    for single, double in zip(*results, strict=True):
        assert single.isfinite().all()
        # Of order 1 at the most, except that by the scale: the variance is its square.
        assert np.allclose(single.numpy(), double.numpy(), rtol=1e-5, atol=1e-6)


# Posterior ------------------------------------------------------------------------------------


def small_model(seed=1, prior=False, **settings_):
    """A model whose weights, and prior, are large enough to be seen."""
    config = GaussianVAEConfig(n_inputs=9, n_latents=4, **settings_)
    model = GaussianVAE.from_config(config, seed=seed).double()
    with torch.no_grad():
        model.encoder.head.weight *= 20
        if prior:
            model.loc += torch.linspace(-2, 3, 4)
            model.log_scale += torch.linspace(-1, 1.5, 4)
    return model


def images(n=5, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=(n, 9)))


@pytest.mark.parametrize("prior", [False, True])
@pytest.mark.parametrize("activation", ["relu", "none"])
def test_posterior_is_the_written_formula(activation, prior):
    model = small_model(latent_activation=activation, prior=prior)
    posterior = model.posterior(images())
    raw = model.encoder(images())
    loc = raw[:, :4] + model.loc
    scale = torch.exp(5.3 * torch.tanh((raw[:, 4:] + model.log_scale) / 5.3))
    assert torch.allclose(posterior.loc, loc)
    assert torch.allclose(posterior.scale, scale)
    law = torch.distributions.Normal(loc, scale)
    prior_law = torch.distributions.Normal(
        model.loc, torch.exp(5.3 * torch.tanh(model.log_scale / 5.3))
    )
    kl = torch.distributions.kl_divergence(law, prior_law)
    assert torch.allclose(posterior.kl, kl, rtol=1e-10, atol=1e-12)
    if activation == "none":
        assert torch.equal(posterior.mean, posterior.loc)
        assert torch.allclose(posterior.variance, scale.square())
    else:
        mean, variance = rectified_moments(loc, scale)
        assert torch.allclose(posterior.mean, mean)
        assert torch.allclose(posterior.variance, variance)
    assert posterior.free_mean is posterior.mean


@pytest.mark.parametrize("prior", [False, True])
def test_an_encoder_that_says_nothing_gives_the_prior(prior):
    model = small_model(prior=prior)
    with torch.no_grad():
        model.encoder.head.weight.zero_()
    posterior, at_rest = model.posterior(images()), model.prior()
    assert not posterior.kl.any()
    assert not at_rest.kl.any()
    assert at_rest.mean.shape == (1, 4)
    assert torch.equal(posterior.mean, at_rest.mean.expand(5, 4))
    if not prior:
        assert at_rest.mean[0].tolist() == pytest.approx([1 / math.sqrt(2 * math.pi)] * 4)


def test_kl_keeps_its_digits_close_to_the_prior():
    model = small_model().float()
    with torch.no_grad():
        model.encoder.head.weight.zero_()
        model.encoder.head.bias[4:] = torch.tensor([1e-4, 2e-4, 5e-4, 1e-3])
        kl = model.posterior(images(1).float()).kl[0].double().numpy()
    # expm1(2 d) / 2 - d = d^2 + 2 d^3 / 3 + ..., of which the formula as it is written keeps no
    # digit: it adds 1, and takes it away.
    d = np.array([1e-4, 2e-4, 5e-4, 1e-3])
    assert kl == pytest.approx(d**2 + 2 * d**3 / 3, rel=5e-3)


@pytest.mark.parametrize("activation", ["relu", "none"])
def test_samples_have_the_mean_and_variance(activation):
    model = small_model(latent_activation=activation)
    with torch.no_grad():
        # So that every latent is above zero often enough for standard errors to be normal ones.
        model.encoder.head.weight.zero_()
        model.encoder.head.bias += torch.tensor([-1.0, 0.0, 1.0, 3.0, 0.0, 0.5, -0.5, 1.0])
    generator = torch.Generator().manual_seed(fresh_seed())
    n = 100_000
    posterior = model.posterior(images(1).expand(n, 9))
    with torch.no_grad():
        samples = posterior.sample(0.0, generator).numpy()
        mean, variance = posterior.mean[0].numpy(), posterior.variance[0].numpy()
    centred = samples - mean
    for values in (centred, centred**2 - variance):
        error = values.std(axis=0) / math.sqrt(n)
        assert np.all(np.abs(values.mean(axis=0)) < STANDARD_ERRORS * error)
    assert (samples.min() >= 0) == (activation == "relu")


def test_samples_follow_their_generator_and_let_gradients_pass_at_any_temperature():
    model = small_model()
    posterior = model.posterior(images())

    def sample(temperature):
        return posterior.sample(temperature, torch.Generator().manual_seed(3))

    assert torch.equal(sample(0.0), sample(1.0))
    (grad,) = torch.autograd.grad(sample(0.0).sum(), model.encoder.head.weight)
    assert grad.isfinite().all()
    # Both halves: means and scales.
    assert grad[:4].any()
    assert grad[4:].any()


@pytest.mark.parametrize("activation", ["relu", "none"])
def test_free_energy_of_a_linear_decoder_is_that_of_samples(activation):
    model = small_model(latent_activation=activation, decoder_bias=True)
    generator = torch.Generator().manual_seed(fresh_seed())
    x = images(1)
    with torch.no_grad():
        exact = free_energy(model, x)
        kl = model.posterior(x).kl.sum()
        samples = model.posterior(x.expand(50_000, 9)).sample(0.0, generator)
        errors = (x - model.decode(samples)).square().sum(dim=1)
    assert float(exact.kl) == pytest.approx(float(kl))
    standard_error = float(errors.std()) / math.sqrt(50_000)
    difference = float(errors.mean() - exact.reconstruction)
    assert abs(difference) < STANDARD_ERRORS * standard_error


def test_gradients_of_the_free_energy_reach_all_weights_but_not_the_prior():
    for decoder in ("linear", "mlp"):
        model = small_model(decoder=decoder, encoder="mlp")
        energy = free_energy(model, images(), generator=torch.Generator().manual_seed(0))
        energy.total(1.0).backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
    assert {"loc", "log_scale"} & dict(model.named_parameters()).keys() == set()
    assert {"loc", "log_scale"} <= model.state_dict().keys()


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_any_architecture_has_these_shapes(data):
    kind = st.sampled_from(["linear", "mlp"])
    n_inputs, n_latents, n = (data.draw(st.integers(1, 6)) for _ in range(3))
    config = GaussianVAEConfig(
        n_inputs=n_inputs,
        n_latents=n_latents,
        latent_activation=data.draw(st.sampled_from(["relu", "none"])),
        encoder=data.draw(kind),
        decoder=data.draw(kind),
        encoder_bias=data.draw(st.booleans()),
        decoder_norm=data.draw(st.booleans()),
    )
    model = GaussianVAE.from_config(config)
    posterior = model.posterior(torch.ones(n, n_inputs))
    for name in ("loc", "scale", "mean", "variance", "kl"):
        assert getattr(posterior, name).shape == (n, n_latents)
    assert model.decode(posterior.sample()).shape == (n, n_inputs)
    assert model.n_latents == n_latents


# Config and weights ---------------------------------------------------------------------------


def test_new_models_have_the_law_of_the_authors_weights():
    config = GaussianVAEConfig(n_inputs=64, n_latents=50, decoder_bias=True)
    state = torch.random.get_rng_state()
    model = GaussianVAE.from_config(config, seed=fresh_seed())
    assert torch.equal(torch.random.get_rng_state(), state)
    for head in (model.encoder.head, model.decoder.head):
        weight = head.weight.detach().double()
        n = weight.numel()
        assert abs(float(weight.mean())) < STANDARD_ERRORS * 0.05 / math.sqrt(n)
        # The variance of a sample of n normal numbers has a relative error of sqrt(2 / n).
        spread = float(weight.square().mean()) / 0.05**2
        assert abs(spread - 1) < STANDARD_ERRORS * math.sqrt(2 / n)
        assert not head.bias.any()
    assert model.encoder.head.weight.shape == (100, 64)
    assert not model.loc.any()
    assert not model.log_scale.any()


def test_the_seed_makes_the_weights():
    config = GaussianVAEConfig(n_inputs=9, n_latents=4, encoder="mlp", decoder="mlp")
    first, again, other = (GaussianVAE.from_config(config, seed=seed) for seed in (3, 3, 4))
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first.encoder.head.weight, other.encoder.head.weight)


def test_families():
    assert small_model().family == "gaussian-relu"
    assert small_model(latent_activation="none").family == "gaussian"


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"latent_activation": "softplus"}, r"latent_activation must be one of \('relu', 'none'\)"),
        ({"latent_activation": None}, "got None"),
        ({"n_latents": 0}, "n_latents must be at least 1"),
        ({"encoder": "conv"}, r"encoder must be one of \('linear', 'mlp'\), got 'conv'"),
        ({"activation": "mish"}, "activation must be one of"),
        ({"decoder_norm": "yes"}, "decoder_norm must be True or False, got 'yes'"),
    ],
)
def test_bad_settings_are_refused(settings_, message):
    with pytest.raises(ValueError, match=message):
        GaussianVAEConfig(**{"n_inputs": 9, "n_latents": 4} | settings_)


def test_a_model_without_a_decoder_says_so():
    model = GaussianVAE(torch.nn.Linear(9, 8), None, torch.zeros(4), torch.zeros(4))
    assert model.posterior(images().float()).mean.shape == (5, 4)
    with pytest.raises(ValueError, match="has no decoder"):
        model.decode(torch.zeros(1, 4))
