"""The authors' checkpoints of other kinds, and with configs or weights that do not fit."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from pvae_brian import CheckpointError, load_encoder

from .checkpoint_files import OFFICIAL, copy, refused, synthesise, weights_file, write_official
from .gaussian_files import synthesise_gaussian, write_gaussian


def test_iterative_models_are_named_and_refused():
    message = refused(weights_file(OFFICIAL / "ipvae_k32"))
    assert "an iterative P-VAE" in message
    assert "not supported yet; take an amortised P-VAE" in message


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize(("name", "kind"), [("Lap", "a Laplace VAE"), ("Cat", "a categorical VAE")])
def test_laplace_and_categorical_models_are_named(tmp_path, name, kind, above):
    folder = copy("grelu_lin_k32", tmp_path / "model" / "run")
    to = folder.parent if above else folder
    (folder / "ConfigGausVAE.json").rename(to / f"Config{name}VAE.json")
    message = refused(weights_file(folder))
    assert f"is {kind} (Config{name}VAE.json), not a Poisson or Gaussian VAE" in message


@pytest.mark.parametrize(
    "name", ["softplus", "sigmoid", "quartic", "square", "exp", "mish", "", 3, False, ["relu"]]
)
def test_other_activations_of_a_control_are_named(tmp_path, name):
    config, state = synthesise_gaussian(0)
    write_gaussian(tmp_path / "run", config | {"latent_act": name}, state)
    assert f"has latent_act {name!r}" in refused(weights_file(tmp_path / "run"))


def test_a_control_of_another_temperature_is_told(tmp_path):
    config, state = synthesise_gaussian(0)
    write_gaussian(tmp_path / "run", config, state | {"temp": torch.tensor(0.05)})
    message = refused(weights_file(tmp_path / "run"))
    assert "temp 0.05, by which the authors' code multiplies the scales" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fc_enc.weight": None}, "no matrix fc_enc.weight"),
        ({"fc_enc.weight": torch.zeros(9, 9)}, "size mismatch for encoder.head.weight"),
        ({"fc_enc.weight": torch.zeros(4, 9)}, "it says n_latents 4, the weights have 2"),
        ({"fc_enc.weight": torch.zeros(1, 9)}, "n_latents must be at least 1"),
        ({"loc": None}, "Missing key(s) in state_dict"),
        ({"log_scale": torch.zeros(1, 3)}, "size mismatch for log_scale"),
        ({"log_rate": torch.zeros(1, 4)}, "Unexpected key(s) in state_dict"),
        ({"loc": torch.full((1, 4), torch.nan)}, "NaN or infinite"),
        ({"log_scale": torch.full((1, 4), torch.inf)}, "NaN or infinite"),
    ],
)
def test_weights_that_do_not_fit_a_control(tmp_path, change, message):
    config, state = synthesise_gaussian(0)
    state = {key: value for key, value in (state | change).items() if value is not None}
    write_gaussian(tmp_path / "run", config, state)
    told = refused(weights_file(tmp_path / "run"))
    assert message in told
    assert "ConfigPoisVAE.json" not in told


@pytest.mark.parametrize(
    ("of", "other"), [("grelu_lin_k32", "pvae_lin_k48"), ("pvae_lin_k48", "grelu_lin_k32")]
)
def test_a_config_of_another_kind_is_told(tmp_path, of, other):
    folder = copy(of, tmp_path / "run")
    for config in folder.glob("Config*.json"):
        config.unlink()
    for config in (OFFICIAL / other).glob("Config*.json"):
        (folder / config.name).write_bytes(config.read_bytes())
    message = refused(weights_file(folder))
    assert "are both files from the same run?" in message


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
