"""Prior, decoder and scale at their optimum: gradients vanish there, and nothing near is better."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from pvae_brian.models import (
    GaussianVAE,
    GaussianVAEConfig,
    PoissonVAE,
    PoissonVAEConfig,
    evaluate,
    free_energy,
    train,
)
from pvae_brian.models.closed_form import (
    fit_start,
    has_free_decoder,
    has_free_prior,
    has_free_scale,
    noise_and_cost,
    set_decoder,
    set_scale,
)

from .chance import fresh_generator, fresh_seed


def build(family="poisson", **settings):
    settings = {"n_inputs": 9, "n_latents": 5} | settings
    if family == "poisson":
        model = PoissonVAE.from_config(PoissonVAEConfig(**settings), seed=fresh_seed())
        torch.nn.init.uniform_(model.log_rate, -3, 1)
    else:
        activation = {"gaussian-relu": "relu", "gaussian": "none"}[family]
        config = GaussianVAEConfig(**settings, latent_activation=activation)
        model = GaussianVAE.from_config(config, seed=fresh_seed())
    return model.double()


def images(n=200):
    return torch.as_tensor(fresh_generator().normal(size=(n, 9)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("family", ["poisson", "gaussian-relu", "gaussian"])
def test_no_gradient_is_left_in_a_decoder_at_its_optimum(family, bias):
    model, x = build(family, decoder_bias=bias), images()
    before = free_energy(model, x).reconstruction
    set_decoder(model, x)
    energy = free_energy(model, x)
    assert energy.reconstruction < before
    energy.reconstruction.backward()
    for parameter in model.decoder.parameters():
        assert parameter.grad.abs().max() < 1e-8


def test_a_decoder_for_silent_latents_is_finite():
    model, x = build(), images()
    with torch.no_grad():
        model.log_rate.fill_(-2000.0)
    set_decoder(model, x)
    assert model.decoder.head.weight.isfinite().all()


@pytest.mark.parametrize("beta", [0.1, 3.0])
def test_no_other_scale_is_better(beta):
    model, x = build(), images()
    with torch.no_grad():
        kept = model.decode(model.posterior(x).mean)
        gains = model.log_gain(x)

    def total(log_factor):
        with torch.no_grad():
            model.log_rate += log_factor
            model.decoder.head.weight /= np.exp(log_factor)
            value = float(free_energy(model, x).total(beta))
            model.log_rate -= log_factor
            model.decoder.head.weight *= np.exp(log_factor)
        return value

    # As many steps as it takes, for one changes a scale by a limited factor.
    for _ in range(100):
        set_scale(model, *noise_and_cost(model, x, beta))
    best = minimize_scalar(total, bounds=(-1, 1), method="bounded", options={"xatol": 1e-10})
    assert best.x == pytest.approx(0, abs=1e-4)
    noise, cost = noise_and_cost(model, x, beta)
    assert torch.allclose(noise, cost, rtol=1e-3, atol=1e-5)
    with torch.no_grad():
        assert torch.allclose(model.decode(model.posterior(x).mean), kept)
        assert torch.equal(model.log_gain(x), gains)


def test_latents_that_do_nothing_keep_their_scale():
    model = build()
    nothing = torch.zeros(5, dtype=torch.float64)
    assert set_scale(model, nothing, nothing).tolist() == [1.0] * 5


@pytest.mark.parametrize("beta", [0.5, 2.0])
def test_the_start_does_not_depend_on_the_first_rates(beta):
    x = images(2000)
    model, other = build(), build()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        other.log_rate += 3.0
    before = float(free_energy(model, x).total(beta).detach())
    for each in (model, other):
        # More images than latents by far, so the rounds settle.
        for _ in range(20):
            fit_start(each, x, beta)
    after = float(free_energy(model, x).total(beta).detach())
    assert after < before
    assert after == pytest.approx(float(free_energy(other, x).total(beta).detach()), rel=1e-3)


def test_without_a_price_rates_are_left_alone():
    model, x = build(), images()
    before = model.posterior(x).mean.detach()
    fit_start(model, x, 0.0)
    assert torch.allclose(model.posterior(x).mean, before)


def test_the_start_leaves_what_has_no_closed_form():
    model, x = build(decoder_norm=True, encoder_bias=False), images()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fit_start(model, x, 1.0)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("family", "settings", "expected"),
    [
        ("poisson", {}, (True, True, True)),
        ("poisson", {"encoder_bias": False}, (False, True, False)),
        ("poisson", {"excitatory_only": True}, (False, True, False)),
        ("poisson", {"rate_clamp": 5.0}, (True, True, False)),
        ("poisson", {"rate_offset": 0.1}, (True, True, False)),
        ("poisson", {"rate_offset": 1e-7}, (True, True, True)),
        ("poisson", {"decoder_norm": True}, (True, False, False)),
        ("poisson", {"decoder": "mlp"}, (True, False, False)),
        ("gaussian-relu", {}, (False, True, False)),
        ("gaussian", {"decoder": "mlp"}, (False, False, False)),
    ],
)
def test_which_parts_have_a_closed_form(family, settings, expected):
    model = build(family, **settings)
    assert (has_free_prior(model), has_free_decoder(model), has_free_scale(model)) == expected


def test_it_reaches_a_lower_free_energy_in_as_many_epochs():
    # On sparse features in noise, as P-VAEs are for.
    rng = fresh_generator()
    x = rng.poisson(0.3, (2000, 6)) @ rng.normal(size=(6, 9)) + 0.1 * rng.normal(size=(2000, 9))
    totals = []
    for closed_form in (True, False):
        model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=9, n_latents=12))
        train(model, x, epochs=5, batch_size=100, tolerance=None, closed_form=closed_form)
        totals.append(float(evaluate(model, x).total(1.0)))
    assert totals[0] < totals[1]


def sparse_images(n, n_inputs=16):
    rng = fresh_generator()
    return rng.poisson(0.5, (n, 6)) @ rng.normal(size=(6, n_inputs))


@pytest.mark.parametrize("beta", [1e-4, 0.01, 0.1, 1.0, 4.0])
def test_training_does_not_lose_what_the_start_has_won(beta):
    # Where rates are high, steps of the size that low rates need would.
    images = sparse_images(600)
    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=16, n_latents=8))
    x = torch.as_tensor(images, dtype=torch.float32)
    fit_start(model, x, beta)
    start = float(evaluate(model, images).total(beta))
    train(model, images, beta=beta)
    assert float(evaluate(model, images).total(beta)) < start


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("is_same", [True, False])
def test_rates_of_few_images_stay_finite(n, is_same):
    # Their best rates are infinite, for images that are alike carry no information.
    images = np.repeat(sparse_images(1), n, axis=0) if is_same else sparse_images(n)
    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=16, n_latents=8))
    record = train(model, images, epochs=10)
    assert record.mean_posterior_rate <= 8 * 1.3e4
    # No worse than to encode nothing, and an image may be empty.
    assert float(evaluate(model, images).total(1.0)) <= (images**2).sum(axis=1).mean() + 1e-6


def test_what_is_added_to_rates_is_no_part_of_the_prior():
    model, x = build(rate_offset=1.0), images(500)
    train(model, x.numpy(), epochs=3, batch_size=100, tolerance=None)
    posterior = model.posterior(x)
    prior = model.log_rate.exp()
    assert torch.allclose(prior, posterior.mean.mean(dim=0) - 1, rtol=1e-3)
