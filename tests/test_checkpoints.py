"""Checkpoints: the authors' files and our own, by a second route; damaged, foreign, hostile."""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import erf, expit

from pvae_brian import (
    CheckpointError,
    PoissonVAE,
    PoissonVAEConfig,
    load_encoder,
    save_checkpoint,
)
from pvae_brian.models import read_model

OFFICIAL = Path(__file__).parent / "checkpoints"
POISSON = ["pvae_lin_k48", "pvae_lin_k32_2025", "pvae_mlp_k32"]
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


# The authors' checkpoints against what their code computes ------------------------------------


@pytest.fixture(scope="module", params=POISSON)
def official(request):
    with np.load(OFFICIAL / request.param / "expected.npz") as expected:
        return load_encoder(OFFICIAL / request.param), dict(expected)


def test_rates_and_gains_are_the_authors(official):
    encoder, expected = official
    # Their float32 log-rates pass clamps at 10 and 5, which round to units of 1e-6.
    assert encoder.prior_rates == pytest.approx(expected["prior_rate"], rel=1e-5)
    assert encoder.posterior_rates(expected["x"]) == pytest.approx(expected["rate"], rel=1e-5)
    gains = np.exp(expected["log_dr"].astype(np.float64))
    assert encoder.gains(expected["x"]) == pytest.approx(gains, rel=1e-5)


def test_the_clamp_is_seen_in_the_rates(official):
    # Without it they are off by a hundred times the tolerance above: it can fail.
    encoder, expected = official
    unclamped = encoder.posterior_rates(expected["x"], clamped=False)
    assert np.abs(unclamped / expected["rate"] - 1).max() > 1e-3


def test_kl_is_the_authors(official):
    encoder, expected = official
    kl = encoder.kl_divergence(expected["x"])
    # Theirs adds r (1 + dr (ln dr - 1)) in float32, where terms cancel. Each carries the rounding
    # of ln dr, two steps of 4 units of eps near the clamp at 10: 16 eps of the sum of terms.
    gains, prior = encoder.gains(expected["x"]), encoder.prior_rates
    terms = (prior * (1 + gains * (1 + np.abs(np.log(gains))))).sum(axis=1)
    error = np.abs(kl - expected["kl"])
    assert np.all(error <= 16 * EPS32 * terms)
    assert error.max() <= 1e-5 * expected["kl"].max()


def test_mean_reconstruction_is_the_authors(official):
    encoder, expected = official
    rates = encoder.posterior_rates(expected["x"])
    theirs = expected["recon_mean"].reshape(64, -1)
    error = np.abs(encoder.decode(rates) - theirs)
    # As above, with two clamps: 32 eps of the sum of terms.
    weight = encoder.model.decoder.head.weight.detach().numpy()
    assert np.all(error <= 32 * EPS32 * (rates @ np.abs(weight).T))
    assert error.max() <= 1e-5 * np.abs(theirs).max()


def test_details_say_where_a_model_comes_from():
    encoder = load_encoder(OFFICIAL / "pvae_lin_k32_2025")
    assert encoder.details["format"] == "official"
    assert encoder.details["generation"] == "until December 2025"
    assert encoder.details["epoch"] == 3
    assert encoder.details["rate_clamp"] == 5.3
    assert encoder.details["official_config"]["dataset"] == "vH16"
    assert encoder.details["file"].endswith(".pt")


# Layouts --------------------------------------------------------------------------------------


def prior_of(path, **options):
    return load_encoder(path, **options).prior_rates


def test_folder_file_and_config_one_folder_up(tmp_path, monkeypatch):
    # Names as in the authors' tree.
    outer = tmp_path / "poisson_uniform_c(-4)_vH16_z-48_k-32_<lin|lin+b>"
    if os.name == "nt":
        outer = tmp_path / "model"
    run = outer / "exact_b1000-ep4-lr(0.005)_beta(1:0x0.5),+"
    copy("pvae_lin_k48", run)
    expected = prior_of(OFFICIAL / "pvae_lin_k48")
    file = weights_file(run)
    for path in (run, str(run), file, outer):
        assert np.array_equal(prior_of(path), expected)
    (run / "ConfigPoisVAE.json").rename(outer / "ConfigPoisVAE.json")
    for path in (run, file, outer):
        assert np.array_equal(prior_of(path), expected)
    monkeypatch.chdir(run)
    for path in (".", file.name, f"../{run.name}", "..", f"./{file.name}"):
        assert np.array_equal(prior_of(path), expected)
    monkeypatch.setenv("HOME", str(outer))
    monkeypatch.setenv("USERPROFILE", str(outer))
    assert np.array_equal(prior_of(f"~/{run.name}"), expected)


def save_epochs(folder, names):
    """Files of the same run side by side; the log rates say which is which."""
    data = read_official_dict("pvae_lin_k48")
    file = weights_file(folder)
    file.unlink()
    for value, name in enumerate(names):
        data["model"]["log_rate"] = torch.full((1, 48), float(value))
        torch.save(data, folder / name)


def test_the_highest_epoch_or_the_one_asked_for(tmp_path):
    folder = copy("pvae_lin_k48", tmp_path / "run")
    # As text 9000 would come last, and the epochs are not in the order of the dates.
    names = [
        "PoissonVAE+TrainerVAE-9000_(2026_01_03,00:00).pt",
        "PoissonVAE+TrainerVAE-10000_(2026_01_02,00:00).pt",
        "PoissonVAE+TrainerVAE-0005_(2026_01_04,00:00).pt",
    ]
    save_epochs(folder, names)
    assert load_encoder(folder).details["epoch"] == 10000
    for epoch, value in ((9000, 0), (10000, 1), (5, 2), (None, 1)):
        assert prior_of(folder, epoch=epoch) == pytest.approx(np.exp(value))
    assert "no epoch 7; it holds epochs [5, 9000, 10000]" in refused(folder, epoch=7)
    with pytest.raises(ValueError, match="no folder"):
        load_encoder(folder / names[0], epoch=9000)


def test_one_epoch_saved_twice_gives_the_later(tmp_path):
    folder = copy("pvae_lin_k48", tmp_path / "run")
    name = "PoissonVAE+TrainerVAE-0003_({}).pt"
    save_epochs(folder, [name.format("2026_01_02,10:00"), name.format("2025_12_31,23:00")])
    assert prior_of(folder) == pytest.approx(np.exp(0))


def test_several_runs_or_unnumbered_files_are_not_chosen_between(tmp_path):
    for name in ("run1", "run2"):
        copy("pvae_lin_k48", tmp_path / "models" / name)
    message = refused(tmp_path / "models")
    assert "2 training runs (run1, run2); name one of them" in message
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("a.pt", "b.pt"):
        save_checkpoint(small_model(), folder / name)
    assert "2 .pt files (a.pt, b.pt); name one of them" in refused(folder)
    assert load_encoder(folder / "b.pt").n_latents == 4


# The official format, written here and computed by numpy --------------------------------------


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


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_architecture_is_the_numpy_one(tmp_path, data):
    choices = {
        key: data.draw(st.booleans(), key)
        for key in ("enc_bias", "dec_bias", "enc_norm", "dec_norm", "exc_only")
    }
    for key in ("enc_type", "dec_type"):
        choices[key] = data.draw(st.sampled_from(["lin", "mlp"]), key)
    choices["activation_fn"] = data.draw(st.sampled_from(sorted(ACTIVATIONS)), "activation_fn")
    choices["n_ch"] = data.draw(st.integers(1, 3), "n_ch")
    generation = data.draw(st.sampled_from(sorted(GENERATIONS)), "generation")
    sizes = {
        "n_inputs": data.draw(st.sampled_from([4, 9, 16]), "n_inputs"),
        "n_latents": data.draw(st.integers(1, 6), "n_latents"),
    }
    seed = data.draw(st.integers(0, 2**31), "seed")
    config, state = synthesise(seed, generation=generation, **sizes, **choices)
    write_official(tmp_path / "run", config, state)
    encoder = load_encoder(tmp_path / "run")
    assert (encoder.n_inputs, encoder.n_latents) == tuple(sizes.values())
    assert encoder.details["generation"] == generation
    assert_authors(encoder, config, state, GENERATIONS[generation][1])


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_config_tells_the_generation_and_so_the_clamp(tmp_path, generation):
    # The released files, with the config of another generation.
    folder = copy("pvae_lin_k48", tmp_path / "run")
    file = folder / "ConfigPoisVAE.json"
    config = json.loads(file.read_text())
    for keys, _ in GENERATIONS.values():
        config = {key: value for key, value in config.items() if key not in keys}
    keys, clamp = GENERATIONS[generation]
    file.write_text(json.dumps(config | keys))
    encoder = load_encoder(folder)
    assert encoder.details["generation"] == generation
    assert encoder.details["rate_clamp"] == clamp
    state = read_official_dict("pvae_lin_k48")["model"]
    assert_authors(encoder, config, state, clamp)


@pytest.mark.parametrize("clamp", [None, 0.0, 5, 5.3])
def test_the_clamp_can_be_overridden(clamp):
    encoder = load_encoder(OFFICIAL / "pvae_lin_k48", rate_clamp=clamp)
    assert encoder.details["rate_clamp"] == clamp
    config = json.loads((OFFICIAL / "pvae_lin_k48" / "ConfigPoisVAE.json").read_text())
    assert_authors(encoder, config, read_official_dict("pvae_lin_k48")["model"], clamp)


@pytest.mark.parametrize("clamp", [float("nan"), float("inf"), "5.0", "none"])
def test_a_clamp_that_is_no_number_is_refused(clamp):
    with pytest.raises(ValueError, match="rate_clamp must be a finite number, or None"):
        load_encoder(OFFICIAL / "pvae_lin_k48", rate_clamp=clamp)


def test_moving_average_of_the_weights(tmp_path):
    config, state = synthesise(1)
    _, average = synthesise(2)
    write_official(tmp_path / "run", config, state, ema=collections.OrderedDict(average))
    assert_authors(load_encoder(tmp_path / "run"), config, state, 5.0)
    assert_authors(load_encoder(tmp_path / "run", ema=True), config, average, 5.0)
    message = refused(weights_file(OFFICIAL / "pvae_lin_k48"), ema=True)
    assert "no moving average of the weights" in message


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("theirs", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_numpy_1_and_2_are_read(tmp_path, theirs, new_format):
    config, state = synthesise(3)
    write_official(tmp_path / "run", config, state)
    file = weights_file(tmp_path / "run")
    if new_format:
        with zipfile.ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        (name,) = (name for name in parts if name.endswith("data.pkl"))
        ours = SCALAR.__module__.encode()
        assert ours in parts[name]
        parts[name] = parts[name].replace(ours, theirs.encode())
        with zipfile.ZipFile(file, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
    else:
        data = torch.load(file, weights_only=False)
        torch.save(data, file, _use_new_zipfile_serialization=False)
        file.write_bytes(file.read_bytes().replace(SCALAR.__module__.encode(), theirs.encode()))
    assert_authors(load_encoder(tmp_path / "run"), config, state, 5.0)


# Other kinds, and configs that do not fit -----------------------------------------------------


def test_other_models_are_named_and_refused():
    message = refused(weights_file(OFFICIAL / "grelu_lin_k32"))
    assert "a Gaussian VAE (ConfigGausVAE.json), not a Poisson VAE" in message
    message = refused(weights_file(OFFICIAL / "ipvae_k32"))
    assert "an iterative P-VAE" in message
    assert "not supported yet; take an amortised P-VAE" in message


@pytest.mark.parametrize(("name", "kind"), [("Lap", "a Laplace VAE"), ("Cat", "a categorical VAE")])
def test_laplace_and_categorical_models_are_named(tmp_path, name, kind):
    folder = copy("grelu_lin_k32", tmp_path / "run")
    (folder / "ConfigGausVAE.json").rename(folder / f"Config{name}VAE.json")
    assert kind in refused(weights_file(folder))


def test_other_models_are_named_with_their_config_one_folder_up(tmp_path):
    folder = copy("grelu_lin_k32", tmp_path / "model" / "run")
    (folder / "ConfigGausVAE.json").rename(folder.parent / "ConfigGausVAE.json")
    assert "a Gaussian VAE" in refused(weights_file(folder))


@pytest.mark.parametrize("key", ["enc_type", "dec_type"])
def test_convolutional_models_point_to_other_ways(tmp_path, key):
    config, state = synthesise(0, **{key: "conv"})
    write_official(tmp_path / "run", config, state)
    message = refused(weights_file(tmp_path / "run"))
    assert f"{key} 'conv'" in message
    assert "Encoder.from_module" in message
    assert "torch.export" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_latents": 32}, "it says n_latents 32, the weights have 48"),
        ({"enc_bias": True}, "it says enc_bias True, the weights have False"),
        ({"enc_type": "mlp"}, "Missing key(s) in state_dict"),
        ({"dec_type": "mlp"}, "Missing key(s) in state_dict"),
        ({"enc_type": None}, "enc_type None"),
        ({"enc_type": ["lin"]}, "enc_type ['lin']"),
        ({"dec_type": "mlp", "activation_fn": "mish"}, "activation_fn 'mish'"),
        ({"enc_norm": "yes"}, "encoder_norm must be True or False"),
        ({"indicator_approx": None, "hard_fwd": None}, None),
    ],
)
def test_a_config_of_another_run_is_told(tmp_path, change, message):
    folder = copy("pvae_lin_k48", tmp_path / "run")
    file = folder / "ConfigPoisVAE.json"
    config = json.loads(file.read_text()) | change
    file.write_text(json.dumps(config))
    if message is None:
        assert load_encoder(folder).details["generation"] == "January 2026"
    else:
        assert message in refused(weights_file(folder))


def test_an_activation_does_not_matter_to_a_linear_decoder(tmp_path):
    config, state = synthesise(0, activation_fn="mish")
    write_official(tmp_path / "run", config, state)
    assert_authors(load_encoder(tmp_path / "run"), config, state, 5.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no ConfigPoisVAE.json beside"),
        ("", "cannot be read"),
        ('{"enc_type": "lin"', "cannot be read"),
        ("\udcff", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ("[1, 2]", "must hold settings by name, got a list"),
        ("{}", "no known generation"),
        ('{"hard_fwd": true}', "no known generation"),
    ],
)
def test_configs_that_are_missing_or_damaged(tmp_path, text, message):
    folder = copy("pvae_lin_k48", tmp_path / "run")
    file = folder / "ConfigPoisVAE.json"
    file.unlink()
    if text is not None:
        file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CheckpointError) as caught:
        load_encoder(folder)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500 + 2 * len(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc_enc.weight": None}, "no matrix fc_enc.weight"),
        ({"fc_enc.weight": torch.zeros(4)}, "no matrix fc_enc.weight"),
        ({"fc_enc.weight": torch.zeros(4, 0)}, "no matrix fc_enc.weight"),
        ({"fc_dec.weight": None}, "decoder.head.weight"),
        ({"log_rate": torch.zeros(1, 5)}, "size mismatch for log_rate"),
        ({"log_rate": None}, "log_rate"),
        ({"stem.weight": torch.zeros(1)}, "stem.weight is no parameter of such a model"),
        ({"fc_dec.weight": "x"}, "no weights (model)"),
        ({7: torch.zeros(1)}, "no weights (model)"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, change, message):
    config, state = synthesise(0)
    state = {key: value for key, value in (state | change).items() if value is not None}
    write_official(tmp_path / "run", config, state)
    assert message in refused(weights_file(tmp_path / "run"))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("name", ["log_rate", "fc_enc.weight", "fc_dec.weight"])
def test_weights_that_are_not_finite_are_refused(tmp_path, name, value):
    config, state = synthesise(0)
    state[name][0, 1] = value
    write_official(tmp_path / "run", config, state)
    assert "NaN or infinite" in refused(weights_file(tmp_path / "run"))


# Files that are none --------------------------------------------------------------------------


def test_missing_files_and_empty_folders(tmp_path):
    for name in ("none.pt", "none", "none.pt2"):
        with pytest.raises(FileNotFoundError, match="none"):
            load_encoder(tmp_path / name)
    assert "holds no .pt file" in refused(tmp_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(length=st.integers(0, weights_file(OFFICIAL / "pvae_lin_k32_2025").stat().st_size - 1))
def test_truncated_files_are_refused(tmp_path, length):
    folder = tmp_path / "run"
    if not folder.exists():
        copy("pvae_lin_k32_2025", folder)
    whole = weights_file(OFFICIAL / "pvae_lin_k32_2025").read_bytes()
    weights_file(folder).write_bytes(whole[:length])
    assert "not a readable torch checkpoint" in refused(weights_file(folder))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path, data):
    folder = tmp_path / "run"
    if not folder.exists():
        copy("pvae_lin_k32_2025", folder)
    whole = bytearray(weights_file(OFFICIAL / "pvae_lin_k32_2025").read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    weights_file(folder).write_bytes(whole)
    expected = read_model(OFFICIAL / "pvae_lin_k32_2025")[0].state_dict()
    try:
        got = read_model(folder)[0].state_dict()
    except CheckpointError:
        return
    assert all(torch.equal(got[name], expected[name]) for name in expected)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02"]))
def test_random_bytes_are_refused(tmp_path, content, start):
    file = tmp_path / "model.pt"
    file.write_bytes(start + content)
    refused(file)


def torchscript():
    return torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda f: torch.save(torch.zeros(3), f), "holds a Tensor, not a checkpoint"),
        (lambda f: torch.save([1, 2], f), "holds a list, not a checkpoint"),
        (lambda f: torch.save({}, f), "a torch file of another kind"),
        (lambda f: torch.save(torch.nn.Linear(2, 2).state_dict(), f), "['bias', 'weight']"),
        (lambda f: torch.save(torch.nn.Linear(2, 2), f), "asks for torch.nn.modules.linear.Linear"),
        (lambda f: torch.save({"model": {"w": np.zeros(3)}}, f), "_reconstruct"),
        (lambda f: torch.save({"model": 1}, f), "no ConfigPoisVAE.json beside"),
        (lambda f: torch.jit.save(torchscript(), f), "not a readable torch checkpoint"),
        (lambda f: np.save(f, np.zeros(3)), "not a readable torch checkpoint"),
        (lambda f: np.savez(f, x=np.zeros(3)), "not a readable torch checkpoint"),
        (lambda f: f.write(b"Dear reader,\nthis is no model.\n"), "not a readable torch"),
        (lambda f: f.write(b'{"model": 1}'), "not a readable torch checkpoint"),
    ],
)
def test_foreign_files_are_refused_without_a_warning(tmp_path, recwarn, write, message):
    file = tmp_path / "model.pt"
    buffer = io.BytesIO()
    write(buffer)
    file.write_bytes(buffer.getvalue())
    recwarn.clear()
    assert message in refused(file)
    assert not recwarn.list


# Hostile files --------------------------------------------------------------------------------


class Call:
    """Pickles into a call of a function, which a careless reader makes."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(marker):
    return Call(os.system, f'"{sys.executable}" -c "open({str(marker)!r}, chr(119))"')


PAYLOADS = {
    "os.system": touch,
    "nested in metadata": lambda m: {"model": {}, "metadata": {"stats": touch(m)}},
    "nested in weights": lambda m: {"model": {"fc_enc.weight": touch(m)}},
    "as our own": lambda m: {"format": "pvae_brian checkpoint", "config": touch(m)},
    "builtins.eval": lambda m: Call(eval, f"open({str(m)!r}, 'w')"),
    "builtins.exec": lambda m: {"model": Call(exec, f"open({str(m)!r}, 'w')")},
    "builtins.open": lambda m: Call(open, str(m), "w"),
    "partial": lambda m: Call(functools.partial(open, str(m)), "w"),
    "dtype of objects": lambda m: Call(SCALAR, np.dtype("O"), Call(open, str(m), "w")),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("how", ["zip", "legacy", "bare pickle"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_a_hostile_file_is_executed(tmp_path, payload, how, protocol):
    marker, file = tmp_path / "marker", tmp_path / "model.pt"
    content = PAYLOADS[payload](marker)
    # The payload is live: a careless reader falls for it.
    with contextlib.suppress(TypeError):
        pickle.loads(pickle.dumps(content, protocol))
    assert marker.exists()
    marker.unlink()
    if how == "bare pickle":
        file.write_bytes(pickle.dumps(content, protocol))
    else:
        torch.save(
            content,
            file,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=how == "zip",
        )
    message = refused(file)
    # Other protocols, bare pickles and odd types are not even recognised as torch files.
    if protocol == 2 and how != "bare pickle" and payload != "dtype of objects":
        assert "nothing of it was executed" in message
    assert not marker.exists()


@pytest.mark.parametrize("factory", [os.system, eval, functools.partial(os.system, "exit 1")])
def test_a_defaultdict_that_would_call_something_is_refused(tmp_path, factory):
    config, state = synthesise(0)
    write_official(tmp_path / "run", config, state)
    file = weights_file(tmp_path / "run")
    data = torch.load(file, weights_only=False)
    data["metadata"]["stats"] = collections.defaultdict(factory)
    torch.save(data, file)
    assert "holds more than data" in refused(file)


def test_what_is_allowed_here_is_not_left_allowed(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    load_encoder(OFFICIAL / "pvae_lin_k48")
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(weights_file(OFFICIAL / "pvae_lin_k48"), weights_only=True)


# Our own checkpoints --------------------------------------------------------------------------


def small_model(**settings_):
    config = PoissonVAEConfig(n_inputs=9, n_latents=4, **settings_)
    return PoissonVAE.from_config(config, seed=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "settings_",
    [
        {},
        {"encoder": "mlp", "decoder": "mlp", "activation": "gelu", "decoder_bias": True},
        {"encoder_bias": False, "encoder_norm": True, "rate_clamp": 5.0, "rate_offset": 1e-7},
        {"excitatory_only": True, "encoder_expansion": 3},
    ],
)
def test_round_trip_is_bitwise(tmp_path, settings_, dtype):
    model = small_model(**settings_).to(dtype)
    training = {"beta": 1.0, "kl": (1.0, 2.0), "interrupted": False, "data": "x", "none": None}
    save_checkpoint(model, tmp_path / "model.pt", training=training)
    loaded, details = read_model(tmp_path / "model.pt")
    before, after = model.state_dict(), loaded.state_dict()
    assert list(before) == list(after)
    for name in before:
        assert before[name].dtype == after[name].dtype == dtype
        assert torch.equal(before[name], after[name])
    assert loaded.config == model.config
    assert loaded.rate_clamp == model.rate_clamp
    assert not loaded.training
    assert details["format"] == "pvae_brian"
    assert details["training"] == training
    assert details["versions"]["torch"] == str(torch.__version__)
    # And by the encoder, as what it is: float64 of the same numbers.
    x = torch.as_tensor(np.random.default_rng(0).normal(size=(3, 9)))
    double = model.eval().double()
    with torch.no_grad():
        rates = double.posterior_rates(double.log_gain(x)).numpy()
    assert np.array_equal(load_encoder(tmp_path / "model.pt").posterior_rates(x.numpy()), rates)


def test_any_torch_reads_the_file_with_its_own_safety_on(tmp_path):
    config = PoissonVAEConfig(n_inputs=np.int64(9), n_latents=4, rate_clamp=np.float64(5.0))
    save_checkpoint(PoissonVAE.from_config(config), tmp_path / "model.pt")
    data = torch.load(tmp_path / "model.pt", weights_only=True)
    assert data["format"] == "pvae_brian checkpoint"
    assert data["config"]["n_inputs"] == 9


def test_a_clamp_that_was_changed_is_saved(tmp_path):
    encoder = load_encoder(OFFICIAL / "pvae_lin_k48", rate_clamp=None)
    save_checkpoint(encoder.model, tmp_path / "model.pt")
    again = load_encoder(tmp_path / "model.pt")
    assert again.details["rate_clamp"] is None
    x = np.load(OFFICIAL / "pvae_lin_k48" / "expected.npz")["x"]
    assert np.array_equal(again.posterior_rates(x), encoder.posterior_rates(x))


def test_an_own_checkpoint_may_lie_beside_any_config(tmp_path):
    shutil.copy(OFFICIAL / "grelu_lin_k32" / "ConfigGausVAE.json", tmp_path)
    (tmp_path / "ConfigOfMine.json").write_text("{}")
    save_checkpoint(small_model(), tmp_path / "model.pt")
    assert load_encoder(tmp_path / "model.pt").n_latents == 4
    assert "no moving average" in refused(tmp_path / "model.pt", ema=True)


def test_an_existing_file_is_kept_unless_forced(tmp_path):
    file = tmp_path / "model.pt"
    file.write_bytes(b"precious")
    with pytest.raises(FileExistsError, match=r"exists; choose another name, or force=True"):
        save_checkpoint(small_model(), file)
    assert file.read_bytes() == b"precious"
    save_checkpoint(small_model(), file, force=True)
    assert load_encoder(file).n_latents == 4
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]


@pytest.mark.parametrize(
    "training", [{"losses": np.zeros(3)}, {"beta": np.float64(1)}, {"f": len}, {"t": torch.ones(1)}]
)
def test_what_could_not_be_read_back_is_not_written(tmp_path, training):
    with pytest.raises(ValueError, match="training must hold plain"):
        save_checkpoint(small_model(), tmp_path / "model.pt", training=training)
    assert list(tmp_path.iterdir()) == []


def test_a_user_s_own_module_cannot_be_saved(tmp_path):
    model = PoissonVAE(torch.nn.Linear(9, 4), None, torch.zeros(4))
    with pytest.raises(ValueError, match=r"torch\.export\.save"):
        save_checkpoint(model, tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": 2}, "has format version 2, .* install a newer pvae_brian"),
        ({"format_version": "7"}, "is damaged: its format version is '7'"),
        ({"format_version": None}, "is damaged"),
        ({"config": None}, "is damaged"),
        ({"config": {"n_inputs": 9}}, "is damaged"),
        ({"config": {"n_inputs": 9, "n_latents": 4, "colour": "red"}}, "is damaged"),
        ({"config": {"n_inputs": 9, "n_latents": 5}}, "is damaged: .*size mismatch"),
        ({"config": {"n_inputs": 0, "n_latents": 4}}, "is damaged: n_inputs must be at least 1"),
        ({"state": None}, "is damaged"),
        ({"state": {}}, "is damaged"),
        ({"state": {"log_rate": torch.zeros(4)}}, "is damaged: .*Missing key"),
        ({"state": {"log_rate": 3}}, "is damaged"),
    ],
)
def test_own_files_that_are_newer_or_damaged(tmp_path, change, message):
    file = tmp_path / "model.pt"
    save_checkpoint(small_model(), file)
    torch.save(torch.load(file, weights_only=True) | change, file)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(file)
    refused(file)


def test_own_weights_that_are_nan_are_refused(tmp_path):
    model = small_model()
    with torch.no_grad():
        model.encoder.head.bias[2] = torch.nan
    save_checkpoint(model, tmp_path / "model.pt")
    assert "NaN or infinite" in refused(tmp_path / "model.pt")


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")
@pytest.mark.parametrize("exists", [False, True])
def test_a_process_killed_while_saving_leaves_no_part_under_the_name(tmp_path, exists):
    file = tmp_path / "model.pt"
    if exists:
        save_checkpoint(small_model(), file)
        before = file.read_bytes()
    # It stops where all is written and the name not yet given, and waits there to be killed.
    code = """
    import os, sys, time
    from pvae_brian import PoissonVAE, PoissonVAEConfig, save_checkpoint

    def wait(handle):
        print("writing", flush=True)
        time.sleep(600)

    os.fsync = wait
    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=9, n_latents=7))
    save_checkpoint(model, sys.argv[1], force=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(code), str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "writing\n"
        process.kill()
    assert process.returncode == -signal.SIGKILL
    if exists:
        assert file.read_bytes() == before
        assert load_encoder(file).n_latents == 4
    else:
        assert not file.exists()
    # The folder takes a new try, whatever the dead process left beside the name.
    save_checkpoint(small_model(), file, force=True)
    assert load_encoder(file).n_latents == 4
