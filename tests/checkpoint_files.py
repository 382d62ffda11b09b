"""Checkpoints as the authors write them, and what their models compute, in numpy."""

from __future__ import annotations

import collections
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import erf, expit

from pvae_brian import CheckpointError, PoissonVAE, PoissonVAEConfig, load_encoder

OFFICIAL = Path(__file__).parent / "checkpoints"
EPS32 = np.finfo(np.float32).eps
# numpy's own function for pickled numbers, whose name differs between its versions.
SCALAR = np.float64(0).__reduce__()[0]


def weights_file(folder):
    (file,) = folder.glob("*.pt")
    return file


def copy(name, to):
    """A copy of an official folder that a test may change."""
    return Path(shutil.copytree(OFFICIAL / name, to))


def read_official_dict(name):
    """What the authors' trainer wrote, by torch's own unpickler: these files are ours to trust."""
    return torch.load(weights_file(OFFICIAL / name), map_location="cpu", weights_only=False)


def refused(path, **options):
    """The one-line message with which a checkpoint is refused."""
    with pytest.raises(CheckpointError) as caught:
        load_encoder(path, **options)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    assert len(message.replace(str(path), "")) < 500
    # torch's advice is to switch its safety off.
    assert "weights_only" not in message
    assert "add_safe_globals" not in message
    return message


ACTIVATIONS = {
    "swish": lambda v: v * expit(v),
    "silu": lambda v: v * expit(v),
    "relu": lambda v: np.maximum(v, 0),
    "gelu": lambda v: v * (1 + erf(v / np.sqrt(2))) / 2,
    "elu": lambda v: np.where(v > 0, v, np.expm1(np.minimum(v, 0))),
    "leaky_relu": lambda v: np.where(v > 0, v, 0.01 * v),
    "softplus": lambda v: np.logaddexp(0, v),
}

# Generation of the code: keys in its config, and its clamp on the log rate.
GENERATIONS = {
    "until December 2025": ({"rmax_q": 1.0, "hard_fwd": False}, 5.3),
    "January 2026": ({"indicator_approx": "sigmoid", "hard_fwd": False}, None),
    "since February 2026": ({"indicator_approx": "sigmoid"}, 5.0),
}


def dense_layer(state, key, v):
    hidden = np.maximum(v @ state[f"{key}.fc1.weight"].T + state[f"{key}.fc1.bias"], 0)
    v = v + hidden @ state[f"{key}.fc2.weight"].T + state[f"{key}.fc2.bias"]
    v = (v - v.mean(axis=1, keepdims=True)) / np.sqrt(v.var(axis=1, keepdims=True) + 1e-5)
    return v * state[f"{key}.layer_norm.weight"] + state[f"{key}.layer_norm.bias"]


def linear_map(state, key, v, norm_axis):
    weight = state[f"{key}.weight"]
    if norm_axis is not None:
        weight = weight / np.sqrt((weight**2).sum(axis=norm_axis, keepdims=True))
    return v @ weight.T + state.get(f"{key}.bias", 0)


def soft_clamp(v, upper):
    return upper - np.logaddexp(0, upper - v)


def authors_model(config, state, clamp, x):
    """Gains, rates, KL and mean reconstruction, in numpy and float64."""
    state = {name: value.numpy().astype(np.float64) for name, value in state.items()}
    h = dense_layer(state, "enc", x) if config["enc_type"] == "mlp" else x
    raw = linear_map(state, "fc_enc", h, 1 if config["enc_norm"] else None)
    if config["exc_only"]:
        log_dr = np.logaddexp(0, raw) - np.logaddexp(0, raw - 10)
    else:
        log_dr = soft_clamp(raw, 10)
    log_rate = state["log_rate"] + log_dr
    if clamp is not None:
        log_rate = soft_clamp(log_rate, clamp)
    rates = np.exp(log_rate) + EPS32
    kl = np.exp(state["log_rate"]) * (1 + np.exp(log_dr) * (log_dr - 1))
    y = linear_map(state, "fc_dec", rates, 0 if config["dec_norm"] else None)
    if config["dec_type"] == "mlp":
        act = ACTIVATIONS[config["activation_fn"]]
        y = act(dense_layer(state, "dec.1", act(y))) @ state["dec.3.weight"].T
        y = y + state["dec.3.bias"]
    return np.exp(log_dr), rates, kl.sum(axis=1), y


def write_official(folder, config, state, *, ema=None):
    """A checkpoint as the authors' trainer writes it, with numpy numbers and a defaultdict."""
    folder.mkdir(exist_ok=True)
    stats = collections.defaultdict(dict)
    stats["loss"] = {0: np.float64(1.5), 1: np.float32(1.25)}
    stats["step"] = {0: np.int64(3), 1: np.bool_(True)}
    data = {
        "metadata": {"timestamp": "2026_01_01,00:00", "checkpoint": 1, "stats": stats},
        "model": collections.OrderedDict(state),
        "model_ema": ema,
        "optim": {"state": {}, "param_groups": []},
        "scaler": {},
        "scheduler": None,
    }
    for old in folder.glob("*.pt"):
        old.unlink()
    torch.save(data, folder / "PoissonVAE+TrainerVAE-0001_(2026_01_01,00:00).pt")
    (folder / "ConfigPoisVAE.json").write_text(json.dumps(config))


def synthesise(seed, *, n_inputs=9, n_latents=4, generation="since February 2026", **choices):
    config = {
        "prior_clamp": -4,
        "prior_log_dist": "uniform",
        "dataset": "vH16",
        "n_ch": 2,
        "n_latents": n_latents,
        "enc_type": "lin",
        "dec_type": "lin",
        "enc_bias": False,
        "dec_bias": False,
        "enc_norm": False,
        "dec_norm": False,
        "exc_only": False,
        "activation_fn": "swish",
    }
    config |= GENERATIONS[generation][0] | choices
    rng = np.random.default_rng(seed)

    def normal(*shape, scale=0.5):
        return torch.as_tensor(rng.normal(scale=scale, size=shape), dtype=torch.float32)

    def dense(key, width):
        return {
            f"{key}.fc1.weight": normal(width, n_inputs),
            f"{key}.fc1.bias": normal(width),
            f"{key}.fc2.weight": normal(n_inputs, width),
            f"{key}.fc2.bias": normal(n_inputs),
            f"{key}.layer_norm.weight": 1 + normal(n_inputs),
            f"{key}.layer_norm.bias": normal(n_inputs),
        }

    state = {
        "log_rate": normal(1, n_latents, scale=2),
        "temp": torch.tensor(0.05),
        "n_exp": torch.tensor(263),
        "fc_enc.weight": normal(n_latents, n_inputs),
        "fc_dec.weight": normal(n_inputs, n_latents),
    }
    if config["enc_bias"]:
        state["fc_enc.bias"] = normal(n_latents)
    if config["dec_bias"]:
        state["fc_dec.bias"] = normal(n_inputs)
    if config["enc_type"] == "mlp":
        state |= dense("enc", config["n_ch"] * n_inputs)
    if config["dec_type"] == "mlp":
        state |= dense("dec.1", 8 * n_inputs)
        state |= {"dec.3.weight": normal(n_inputs, n_inputs), "dec.3.bias": normal(n_inputs)}
    return config, state


def assert_authors(encoder, config, state, clamp, seed=0):
    x = np.random.default_rng(seed).normal(size=(5, encoder.n_inputs))
    gains, rates, kl, y = authors_model(config, state, clamp, x)
    # Both in float64; torch's softplus leaves out up to 2e-9.
    assert encoder.gains(x) == pytest.approx(gains, rel=1e-7)
    assert encoder.posterior_rates(x) == pytest.approx(rates, rel=1e-7)
    assert encoder.kl_divergence(x) == pytest.approx(kl, rel=1e-6, abs=1e-12)
    assert encoder.decode(encoder.posterior_rates(x)) == pytest.approx(y, rel=1e-6, abs=1e-6)


def small_model(**settings_):
    config = PoissonVAEConfig(n_inputs=9, n_latents=4, **settings_)
    return PoissonVAE.from_config(config, seed=1)
