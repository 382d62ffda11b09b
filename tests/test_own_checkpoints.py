"""Our own checkpoints: the same model again, and no file lost or half written."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch

from pvae_brian import (
    CheckpointError,
    GaussianVAE,
    GaussianVAEConfig,
    PoissonVAE,
    PoissonVAEConfig,
    load_encoder,
    save_checkpoint,
)
from pvae_brian.data import shipped_model
from pvae_brian.models import read_model

from .checkpoint_files import OFFICIAL, refused, small_model


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


def small_control(**settings_):
    return GaussianVAE.from_config(GaussianVAEConfig(n_inputs=9, n_latents=4, **settings_), seed=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    ("settings_", "family"),
    [
        ({}, "gaussian-relu"),
        ({"latent_activation": "none", "encoder": "mlp", "decoder": "mlp"}, "gaussian"),
    ],
)
def test_round_trip_of_a_control_is_bitwise(tmp_path, settings_, family, dtype):
    model = small_control(**settings_).to(dtype)
    with torch.no_grad():
        # As of a prior that was trained.
        model.loc += 0.3
    save_checkpoint(model, tmp_path / "model.pt", training={"beta": 2.0})
    loaded, details = read_model(tmp_path / "model.pt")
    assert type(loaded) is GaussianVAE
    assert loaded.family == model.family == family
    assert loaded.config == model.config
    before, after = model.state_dict(), loaded.state_dict()
    assert list(before) == list(after)
    for name in before:
        assert before[name].dtype == after[name].dtype == dtype
        assert torch.equal(before[name], after[name])
    assert details["training"] == {"beta": 2.0}
    assert torch.load(tmp_path / "model.pt", weights_only=True)["family"] == family


def test_a_file_that_says_no_family_is_a_p_vae(tmp_path):
    # As the shipped one.
    assert "family" not in torch.load(shipped_model(), weights_only=True)
    assert load_encoder(shipped_model()).family == "poisson"
    save_checkpoint(small_model(), tmp_path / "model.pt")
    assert torch.load(tmp_path / "model.pt", weights_only=True)["family"] == "poisson"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"family": "laplace"}, "its family is 'laplace', none of"),
        ({"family": ["gaussian"]}, "is damaged"),
        ({"family": None}, "its family is None, none of"),
        ({"family": "poisson"}, "is damaged: .*latent_activation"),
        ({"family": "gaussian"}, "its family is 'gaussian', but its config is of 'gaussian-relu'"),
        ({"state": {"loc": torch.zeros(4)}}, "is damaged"),
        ({"state": {"log_scale": torch.zeros(4)}}, "is damaged: .*Missing key"),
    ],
)
def test_own_controls_that_are_damaged(tmp_path, change, message):
    file = tmp_path / "model.pt"
    save_checkpoint(small_control(), file)
    torch.save(torch.load(file, weights_only=True) | change, file)
    with pytest.raises(CheckpointError, match=message):
        load_encoder(file)
    refused(file)


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
        ({"training": [1.0]}, "is damaged: its training record is a list"),
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
