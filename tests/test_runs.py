"""Runs: what is saved is what is loaded, wherever the folder is."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from brian2 import ms, second

from pvae_brian import CheckpointError, Refractory, load_encoder
from pvae_brian import save_checkpoint as save_own
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.runs import Provenance, load_run, save_run

from .checkpoint_files import (
    OFFICIAL,
    read_official_dict,
    small_model,
    synthesise,
    weights_file,
    write_official,
)
from .checkpoint_files import copy as copy_official
from .images import noise
from .run_files import (
    NAMES,
    assert_is_run,
    make_small,
    npy_bytes,
    official_images,
    sha256,
    simulated,
)
from .test_files import run_python
from .test_spikes import assert_same


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("small"))


@pytest.fixture
def folder(small, tmp_path):
    return save_run(tmp_path / "run", *small)


# Extremes


@pytest.mark.parametrize("record", ["counts", "times"])
def test_one_silent_latent_and_one_image(record, tmp_path):
    model = small_model()
    with torch.no_grad():
        model.log_rate.fill_(-800.0)
    save_own(model, tmp_path / "silent.pt")
    images = noise((1, 9))
    encoder, measured = simulated(tmp_path / "silent.pt", images, record=record)
    assert not measured.counts.any()
    run = load_run(save_run(tmp_path / "run", tmp_path / "silent.pt", images, measured))
    assert_is_run(run, encoder, images, measured)
    assert run.provenance.record == record
    assert (run.provenance.n_stimuli, run.provenance.n_latents) == (1, 4)


def test_the_folder_holds_what_it_says_and_no_more(small, folder):
    assert sorted(os.listdir(folder)) == NAMES
    assert os.listdir(folder / "model") == ["small.pt"]
    content = json.loads((folder / "run.json").read_text())
    assert (content["format"], content["format_version"]) == ("pvae_brian run", 1)
    assert content["files"] == {
        name: sha256(folder / name) for name in ("record.npz", "images.npy", "model/small.pt")
    }
    assert os.listdir(folder.parent) == ["run"]
    assert Provenance.from_dict(content["provenance"]) == load_run(folder).provenance


def test_others_may_read_it_as_usual(folder):
    (folder.parent / "plain").mkdir()
    (folder.parent / "plain" / "file").write_bytes(b"")
    files = [item for item in folder.rglob("*") if item.is_file()]
    for items, plain in (
        ([folder, folder / "model"], folder.parent / "plain"),
        (files, folder.parent / "plain" / "file"),
    ):
        assert {item.stat().st_mode for item in items} == {plain.stat().st_mode}


# Round trips


@pytest.mark.parametrize(
    "images",
    [
        shipped_patches()[:20],
        shipped_patches()[:20, None].astype(np.float16),
        (40 * shipped_patches()[:20].reshape(20, 256)).astype(np.int8),
        np.asfortranarray(shipped_patches()[:20].astype(">f8")),
        shipped_patches()[:40:2],
    ],
    ids=["float32", "float16", "int8", "big-endian", "strided"],
)
def test_an_own_checkpoint_and_images_of_any_type(images, tmp_path):
    encoder, record = simulated(shipped_model(), images)
    run = load_run(save_run(tmp_path / "run", shipped_model(), images, record))
    assert_is_run(run, encoder, images, record)
    assert run.provenance.images_sha256 == hashlib.sha256(npy_bytes(images)).hexdigest()


@pytest.mark.parametrize("name", ["pvae_lin_k48", "pvae_lin_k32_2025", "pvae_mlp_k32"])
@pytest.mark.parametrize("of", [lambda path: path, weights_file], ids=["folder", "file"])
def test_an_official_checkpoint(name, of, tmp_path):
    checkpoint, images = of(OFFICIAL / name), official_images(name)
    encoder, record = simulated(checkpoint, images)
    run = load_run(save_run(tmp_path / "run", checkpoint, images, record))
    assert_is_run(run, encoder, images, record)
    # Of the four files of the folder those two that are read.
    weights = weights_file(OFFICIAL / name)
    digests = {file.name: sha256(file) for file in (weights, weights.parent / "ConfigPoisVAE.json")}
    assert sorted(os.listdir(tmp_path / "run" / "model")) == sorted(digests)
    assert (run.provenance.model_file, run.provenance.model_sha256) == (weights.name, digests)


def test_a_config_one_folder_up_comes_along(tmp_path):
    outer = tmp_path / "model"
    checkpoint = copy_official("pvae_lin_k48", outer / "training")
    (checkpoint / "ConfigPoisVAE.json").rename(outer / "ConfigPoisVAE.json")
    images = official_images("pvae_lin_k48")
    encoder, record = simulated(outer, images)
    save_run(tmp_path / "run", outer, images, record)
    shutil.rmtree(outer)
    run = load_run(tmp_path / "run")
    assert_is_run(run, encoder, images, record)
    assert set(run.provenance.model_sha256) == set(os.listdir(tmp_path / "run" / "model"))


@pytest.mark.parametrize("epoch", [None, 2, 30])
def test_only_the_chosen_epoch_is_copied(epoch, tmp_path):
    checkpoint = copy_official("pvae_lin_k48", tmp_path / "epochs")
    data = read_official_dict("pvae_lin_k48")
    weights_file(checkpoint).unlink()
    for number in (2, 30, 30_000):
        data["model"]["log_rate"] = torch.full((1, 48), number / 1e5)
        torch.save(data, checkpoint / f"PoissonVAE-{number}_(2026_01_0{number % 7},00:00).pt")
    images = official_images("pvae_lin_k48")
    encoder, record = simulated(checkpoint, images, {"epoch": epoch})
    run = load_run(save_run(tmp_path / "run", checkpoint, images, record, epoch=epoch))
    assert_is_run(run, encoder, images, record)
    assert run.encoder.details["epoch"] == (epoch or 30_000)
    assert run.provenance.epoch == epoch
    assert len(os.listdir(tmp_path / "run" / "model")) == 2
    # That of another epoch is not of these rates.
    with pytest.raises(ValueError, match="name the checkpoint that it was simulated with"):
        save_run(tmp_path / "other", checkpoint, images, record, epoch=2 if epoch != 2 else 30)


def test_the_moving_average_of_the_weights(tmp_path):
    config, state = synthesise(1)
    write_official(tmp_path / "model", config, state, ema=synthesise(2)[1])
    images = noise((4, 9))
    encoder, record = simulated(tmp_path / "model", images, {"ema": True})
    run = load_run(save_run(tmp_path / "run", tmp_path / "model", images, record, ema=True))
    assert_is_run(run, encoder, images, record)
    assert run.provenance.ema
    with pytest.raises(ValueError, match="must be simulated at the posterior rates"):
        save_run(tmp_path / "other", tmp_path / "model", images, record)
    assert sorted(os.listdir(tmp_path)) == ["model", "run"]


@pytest.mark.parametrize("rate_clamp", [None, 0.0, np.float32(0.5), 2])
def test_another_clamp(rate_clamp, tmp_path):
    checkpoint, images = OFFICIAL / "pvae_lin_k48", official_images("pvae_lin_k48")
    encoder, record = simulated(checkpoint, images, {"rate_clamp": rate_clamp})
    folder = save_run(tmp_path / "run", checkpoint, images, record, rate_clamp=rate_clamp)
    run = load_run(folder)
    assert_is_run(run, encoder, images, record)
    assert run.provenance.rate_clamp == rate_clamp


@pytest.mark.parametrize("neuron", ["poisson", "sampler", Refractory(2 * ms, 4 * ms)])
def test_any_neuron_and_window(neuron, small, tmp_path):
    file, images, _ = small
    encoder, record = simulated(file, images, neuron=neuron, window=0.5 * second, n_steps=500)
    run = load_run(save_run(tmp_path / "run", file, images, record))
    assert_is_run(run, encoder, images, record)
    names = {"poisson": "poisson", "sampler": "sampler"}
    assert run.provenance.neuron == names.get(
        record.neuron.name, "refractory(absolute=0.002, relative=0.004)"
    )
    assert (run.provenance.window_s, run.provenance.n_steps) == (0.5, 500)


def test_a_record_on_disk(small, tmp_path):
    file, images, _ = small
    encoder, record = simulated(file, images, record="times", out=tmp_path / "large")
    assert isinstance(record.counts, np.memmap)
    assert_is_run(
        load_run(save_run(tmp_path / "run", file, images, record)), encoder, images, record
    )


def test_a_run_of_a_run(folder, small):
    """The copy is a checkpoint like any other, even for the run that takes its place."""
    run = load_run(folder)
    _, images, _ = small
    encoder, record = simulated(run.encoder.details["file"], images[:2], seed=8)
    save_run(folder, run.encoder.details["file"], images[:2], record, force=True)
    assert_is_run(load_run(folder), encoder, images[:2], record)


@pytest.mark.slow
def test_a_run_moved_to_another_folder_loads_in_another_process(small, tmp_path):
    file, images, record = small
    home = tmp_path / "home"
    home.mkdir()
    checkpoint = Path(shutil.copy(file, home / "mine.pt"))
    save_run(home / "run", checkpoint, images, record, images_file=home / "x.npy")
    (tmp_path / "colleague").mkdir()
    shutil.move(home / "run", tmp_path / "colleague" / "from you")
    shutil.rmtree(home)
    process = run_python(
        """
        import sys
        from pvae_brian.runs import load_run
        run = load_run(sys.argv[1])
        print(run.record.counts.sum(), run.provenance.model_file, run.provenance.images_file)
        """,
        str(tmp_path / "colleague" / "from you"),
    )
    out, err = process.communicate()
    assert out.split() == [str(record.counts.sum()), "mine.pt", "x.npy"], err


def test_home_is_meant_by_a_tilde(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert save_run("~/run", *small) == tmp_path / "run"
    assert_same(load_run("~/run").record, small[2])


# What cannot be saved


def test_a_record_of_other_images_is_not_saved(small, tmp_path):
    file, images, record = small
    for other, message in [
        (images[::-1], "its rates, of shape"),
        (images[:3], r"of shape \(5, 4\), differ from these, of shape \(3, 4\)"),
        (images + 0.01, "its rates, of shape"),
        (images[:, :2], "images must have shape"),
        (np.full((5, 9), np.nan), "images must be finite"),
        (np.full((5, 9), "x"), "images must be real numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            save_run(tmp_path / "run", file, other, record)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("checkpoint", "options", "error", "message"),
    [
        (OFFICIAL / "none", {}, FileNotFoundError, "no checkpoint at"),
        (OFFICIAL / "ipvae_k32", {}, CheckpointError, "is an iterative P-VAE"),
        (shipped_model(), {"epoch": 3}, ValueError, "no folder"),
        (shipped_model(), {"ema": True}, ValueError, "no moving average"),
        (shipped_model(), {"log_rate": np.zeros(256)}, ValueError, "go with a .pt2"),
        (shipped_model(), {"rate_clamp": "x"}, ValueError, "rate_clamp must be"),
    ],
)
def test_a_checkpoint_that_cannot_be_loaded(checkpoint, options, error, message, small, tmp_path):
    with pytest.raises(error, match=message) as caught:
        save_run(tmp_path / "run", checkpoint, *small[1:], **options)
    # The user knows of no other folder.
    assert ".part" not in str(caught.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("name", ["back\\slash.pt", b"not-\xff-unicode.pt"])
def test_a_name_that_another_machine_cannot_hold(name, small, tmp_path):
    checkpoint = tmp_path / os.fsdecode(name)
    shutil.copy(small[0], checkpoint)
    with pytest.raises(ValueError, match="rename it"):
        save_run(tmp_path / "run", checkpoint, *small[1:])
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_that_changes_meanwhile_is_not_saved(small, tmp_path, monkeypatch):
    checkpoint = Path(shutil.copy(small[0], tmp_path / "training.pt"))
    other = small_model()
    with torch.no_grad():
        other.log_rate += 1

    def load_and_train(path, **options):
        encoder = load_encoder(path, **options)
        if Path(path) == checkpoint:
            save_own(other, checkpoint, force=True)
        return encoder

    monkeypatch.setattr("pvae_brian.runs.folder.load_encoder", load_and_train)
    with pytest.raises(ValueError, match="must be simulated at the posterior rates"):
        save_run(tmp_path / "run", checkpoint, *small[1:])
    assert os.listdir(tmp_path) == ["training.pt"]
