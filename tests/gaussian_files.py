"""Gaussian VAEs as the authors write them, and what their code computes, in numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from .checkpoint_files import ACTIVATIONS, dense_layer, linear_map, synthesise, write_official


def synthesise_gaussian(seed, *, n_inputs=9, n_latents=4, fit_prior=False, **choices):
    """Config and weights of a control; with a prior that was trained if ``fit_prior``."""
    config, state = synthesise(seed, n_inputs=n_inputs, n_latents=n_latents, **choices)
    for key in ("prior_clamp", "prior_log_dist", "indicator_approx", "exc_only"):
        del config[key]
    config = {"latent_act": "relu", "fit_prior": fit_prior} | config
    rng = np.random.default_rng([seed, 1])

    def normal(*shape, scale):
        return torch.as_tensor(rng.normal(scale=scale, size=shape), dtype=torch.float32)

    del state["log_rate"], state["n_exp"]
    state["temp"] = torch.tensor(1.0)
    state["loc"] = normal(1, n_latents, scale=fit_prior)
    state["log_scale"] = normal(1, n_latents, scale=fit_prior)
    state["fc_enc.weight"] = normal(2 * n_latents, n_inputs, scale=0.5)
    if config["enc_bias"]:
        state["fc_enc.bias"] = normal(2 * n_latents, scale=0.5)
    return config, state


def write_gaussian(folder, config, state, **options):
    """A checkpoint of a control as the authors' trainer writes it."""
    write_official(folder, config, state, **options)
    (folder / "ConfigPoisVAE.json").rename(folder / "ConfigGausVAE.json")


def authors_gaussian(config, state, x):
    """Mean, scale, activity, KL and decoded activity, in numpy and float64."""
    state = {name: value.numpy().astype(np.float64) for name, value in state.items()}
    h = dense_layer(state, "enc", x) if config["enc_type"] == "mlp" else x
    h = linear_map(state, "fc_enc", h, 1 if config["enc_norm"] else None)
    loc, log_scale = np.split(h, 2, axis=1)

    def scale_of(log_scale):
        return np.exp(5.3 * np.tanh(log_scale / 5.3))

    loc, scale = loc + state["loc"], scale_of(log_scale + state["log_scale"])
    prior_scale = scale_of(state["log_scale"])
    shift, ratio = (loc - state["loc"]) / prior_scale, scale / prior_scale
    kl = 0.5 * (shift**2 + ratio**2 - 2 * np.log(ratio) - 1)
    activity = loc * norm.cdf(loc / scale) + scale * norm.pdf(loc / scale)
    y = linear_map(state, "fc_dec", activity, 0 if config["dec_norm"] else None)
    if config["dec_type"] == "mlp":
        act = ACTIVATIONS[config["activation_fn"]]
        y = act(dense_layer(state, "dec.1", act(y))) @ state["dec.3.weight"].T
        y = y + state["dec.3.bias"]
    return loc, scale, activity, kl, y


def assert_authors_gaussian(encoder, config, state, seed=0):
    x = np.random.default_rng(seed).normal(size=(5, encoder.n_inputs))
    loc, scale, activity, kl, y = authors_gaussian(config, state, x)
    # Both in float64; sums in which terms cancel.
    assert encoder.loc(x) == pytest.approx(loc, rel=1e-9, abs=1e-12)
    assert encoder.scale(x) == pytest.approx(scale, rel=1e-9)
    assert encoder.posterior_rates(x) == pytest.approx(activity, rel=1e-9, abs=1e-12)
    assert encoder.kl_per_latent(x) == pytest.approx(kl, rel=1e-9, abs=1e-12)
    assert encoder.decode(encoder.posterior_rates(x)) == pytest.approx(y, rel=1e-8, abs=1e-8)
