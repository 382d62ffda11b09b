"""Provenance: all that a reader needs to repeat a run, and nothing about who made it."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import hashlib
import json
import os
import platform
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from pvae_brian import CheckpointError
from pvae_brian.runs import Provenance, describe_provenance, save_run
from pvae_brian.runs.description import describe_files
from pvae_brian.runs.files import digest_array

from .checkpoint_files import OFFICIAL, weights_file
from .images import noise
from .run_files import BAD_NAMES, make_small, npy_bytes, sha256


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("small"))


@given(
    array=st_numpy.arrays(
        st.sampled_from(["?", "u1", "<i4", ">i8", "f2", "<f4", ">f8"]),
        st_numpy.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    is_fortran=st.booleans(),
)
@settings(deadline=None)
def test_a_digest_is_of_what_numpy_writes(array, is_fortran):
    array = np.asfortranarray(array) if is_fortran else array[::-1] if array.ndim else array
    assert digest_array(array) == hashlib.sha256(npy_bytes(array)).hexdigest()


def test_a_digest_of_many_bytes_is_of_all_of_them():
    # More than numpy writes at once.
    array = noise((3000, 700))
    assert digest_array(array) == hashlib.sha256(npy_bytes(array)).hexdigest()
    array[-1, -1] += 1
    assert digest_array(array) == hashlib.sha256(npy_bytes(array)).hexdigest()


def test_provenance_says_all_of_the_record(small, tmp_path):
    file, images, record = small
    np.save(tmp_path / "my images.npy", images)
    provenance = describe_provenance(
        record,
        model_path=file,
        images=images,
        images_file=tmp_path / "my images.npy",
        command="pvae-brian simulate 'a b.pt'",
    )
    for name in ("seed", "device", "n_steps", "window_s", "n_stimuli", "n_latents"):
        assert getattr(provenance, name) == getattr(record, name)
    assert provenance.record == "times"
    assert provenance.counts_sha256 == hashlib.sha256(npy_bytes(record.counts)).hexdigest()
    assert provenance.versions == record.versions | {"torch": torch.__version__}
    assert provenance.platform == f"{platform.system()} {platform.machine()}"
    today = datetime.datetime.now(datetime.UTC).date()
    age = today - datetime.date.fromisoformat(provenance.created)
    # The test may run over midnight.
    assert age <= datetime.timedelta(days=1)
    assert provenance.model_digests == {file.name: provenance.model_sha256}
    assert provenance.model_sha256 == sha256(file)
    # The array alone and the file alone have the same digest.
    assert provenance.images_sha256 == sha256(tmp_path / "my images.npy")
    from_file = describe_provenance(record, images_file=tmp_path / "my images.npy")
    assert from_file.images_sha256 == provenance.images_sha256
    assert provenance.images_file == "my images.npy"
    assert (provenance.epoch, provenance.ema, provenance.rate_clamp) == (None, False, "as trained")
    again = Provenance.from_dict(json.loads(json.dumps(provenance.as_dict())))
    assert again == provenance
    provenance.check_record(record)


def test_provenance_of_nothing_but_a_record(small):
    provenance = describe_provenance(small[2])
    for name in ("command", "model_file", "model_sha256", "images_file", "images_sha256"):
        assert getattr(provenance, name) is None
    assert provenance.model_digests == {}
    assert Provenance.from_dict(provenance.as_dict()) == provenance
    with pytest.raises(ValueError, match="needs a checkpoint and images"):
        describe_files(provenance, "0" * 64)
    with pytest.raises(dataclasses.FrozenInstanceError):
        provenance.seed = 3


def test_the_same_counts_have_the_same_digest(small):
    record = small[2]
    told = describe_provenance(record).counts_sha256
    for counts in (
        record.counts.astype(np.int64),
        record.counts.astype(">i4"),
        np.asfortranarray(record.counts),
    ):
        same = dataclasses.replace(record, counts=counts)
        assert describe_provenance(same).counts_sha256 == told
    counts = record.counts.copy()
    counts[-1, -1] += 1
    assert describe_provenance(dataclasses.replace(record, counts=counts)).counts_sha256 != told


def test_the_folder_says_nothing_of_person_or_machine(small, tmp_path, monkeypatch):
    home = tmp_path / "a-name-that-nobody-has"
    home.mkdir()
    for name in ("HOME", "USER", "LOGNAME", "USERNAME", "USERPROFILE", "HOSTNAME"):
        monkeypatch.setenv(name, str(home))
    for module in (os, platform, socket):
        for name in ("getlogin", "node", "gethostname", "getfqdn"):
            monkeypatch.setattr(module, name, lambda *_: home.name, raising=False)
    checkpoint = Path(shutil.copy(small[0], home / "mine.pt"))
    folder = save_run(home / "run", checkpoint, *small[1:], images_file=home / "x.npy")
    text = (folder / "run.json").read_text()
    with np.load(folder / "record.npz") as content:
        text += str(content["settings"])
    assert home.name not in text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"command": ["pvae-brian"]}, "command of a provenance cannot be"),
        ({"images_file": "a\\b.npy", "images": [[1.0]]}, "images_file of a provenance cannot be"),
        ({"rate_clamp": "high"}, "rate_clamp of a provenance cannot be 'high'"),
        ({"rate_clamp": np.nan}, "rate_clamp of a provenance cannot be nan"),
        ({"images": [["x"]]}, "images must be real numbers"),
    ],
)
def test_what_cannot_be_provenance(changes, message, small):
    with pytest.raises(ValueError, match=message):
        describe_provenance(small[2], **changes)


def test_an_official_checkpoint_is_described_where_it_lies(small):
    folder = OFFICIAL / "pvae_lin_k48"
    weights = weights_file(folder)
    digests = {file.name: sha256(file) for file in (weights, folder / "ConfigPoisVAE.json")}
    for path, epoch in ((folder, None), (folder, 4), (weights, None)):
        provenance = describe_provenance(small[2], model_path=path, epoch=epoch)
        assert (provenance.model_file, provenance.epoch) == (weights.name, epoch)
        assert provenance.model_sha256 == provenance.model_digests == digests


def test_a_checkpoint_that_is_none_has_no_provenance(small):
    for name, error in [("ipvae_k32", CheckpointError), ("none.pt", FileNotFoundError)]:
        with pytest.raises(error):
            describe_provenance(small[2], model_path=OFFICIAL / name)
    with pytest.raises(CheckpointError, match="no epoch 99"):
        describe_provenance(small[2], model_path=OFFICIAL / "pvae_lin_k48", epoch=99)


def test_fields_are_checked_one_by_one(small):
    right = describe_provenance(small[2], model_path=small[0], images=small[1]).as_dict()
    wrong = {
        "seed": [-1, 2**32, True, 1.0, "7", None],
        "n_steps": [0, True, 1.5],
        "window_s": [0.0, -1.0, np.inf, np.nan, 1, None],
        "record": ["spikes", None, []],
        "counts_sha256": ["0" * 63, "0" * 65, "g" * 64, "A" * 64, None],
        "versions": [[], {"torch": 2}, None],
        "created": ["yesterday", "2026-13-01", None, 3],
        "model_file": BAD_NAMES[:-1],
        "model_sha256": [{}, {"other.pt": "0" * 64}, {"small.pt": "0"}, [], "", None],
        "ema": [0, None, "no"],
        "rate_clamp": ["none", np.inf, 5, True, []],
        "epoch": [1.0, "3", False],
        "images_file": BAD_NAMES[:-1],
    }
    assert Provenance.from_dict(copy.deepcopy(right)).as_dict() == right
    for name, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError, match=name):
                Provenance.from_dict(right | {name: value})
    for name in right:
        with pytest.raises(ValueError, match=f"lacks .'{name}'"):
            Provenance.from_dict({key: value for key, value in right.items() if key != name})
    with pytest.raises(ValueError, match=r"unknown .'more'"):
        Provenance.from_dict(right | {"more": 1})
