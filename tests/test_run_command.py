"""``pvae-brian simulate --save-run``."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest

from pvae_brian import SpikeRecord
from pvae_brian.cli import main
from pvae_brian.runs import load_run

from .checkpoint_files import OFFICIAL
from .checkpoint_files import copy as copy_official
from .run_files import official_images
from .test_cli import assert_one_line_error, run_process
from .test_spikes import assert_same


@pytest.mark.slow
def test_simulate_saves_a_run_with_the_command_that_was_typed(tmp_path):
    work = tmp_path / "my work"
    work.mkdir()
    images = official_images("pvae_lin_k48")
    np.save(work / "x y.npy", images)
    checkpoint = copy_official("pvae_lin_k48", work / "model")
    typed = [
        *("simulate", str(checkpoint), "--images", "x y.npy", "--seed", "3", "--epoch", "4"),
        *("--rate-clamp", "2.5", "--record", "times", "-o", "record.npz", "--save-run", "run"),
    ]
    table = run_process(*typed, cwd=work).stdout
    assert "prior rate cost" in table
    # Refused before anything is simulated.
    again = run_process(*typed[:-4], "--save-run", "run", cwd=work, status=1)
    assert again.stdout == ""
    assert_one_line_error(again.stderr, "run exists", "--force")
    shutil.move(work / "run", tmp_path / "sent")
    record = SpikeRecord.load(work / "record.npz")
    shutil.rmtree(work)
    run = load_run(tmp_path / "sent")
    assert_same(run.record, record)
    assert run.images.tobytes() == images.tobytes()
    provenance = run.provenance
    assert shlex.split(provenance.command) == ["pvae-brian", *typed]
    assert (provenance.seed, provenance.epoch, provenance.rate_clamp) == (3, 4, 2.5)
    assert run.encoder.details["rate_clamp"] == 2.5
    assert provenance.images_file == "x y.npy"
    # What the user typed is the only place for paths.
    content = json.loads((tmp_path / "sent" / "run.json").read_text())
    del content["provenance"]["command"]
    assert work.name not in json.dumps(content)


@pytest.fixture
def run_here(capfd, tmp_path, monkeypatch):
    """As a user from an empty folder, but in this process."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", official_images("pvae_lin_k48"))

    def run(*options, checkpoint=OFFICIAL / "pvae_lin_k48", status=0):
        arguments = ["simulate", str(checkpoint), "--images", "x.npy", *options]
        capfd.readouterr()
        returned = main(arguments)
        output = capfd.readouterr()
        assert returned == status, output.err
        return output

    return run


def test_force_and_json_go_with_a_run(run_here):
    run_here("--save-run", "run")
    first = load_run("run")
    assert first.provenance.rate_clamp == "as trained"
    facts = json.loads(run_here("--save-run", "run", "--force", "--seed", "5", "--json").out)
    run = load_run("run")
    assert (facts["seed"], run.provenance.seed, first.provenance.seed) == (5, 5, 0)
    assert run.provenance.command.endswith("--save-run run --force --seed 5 --json")
    assert sorted(os.listdir()) == ["run", "x.npy"]


def test_a_run_without_clamp(run_here):
    run_here("--save-run", "run", "--rate-clamp", "none")
    assert load_run("run").provenance.rate_clamp is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--save-run", "missing/run"), "does not exist"),
        (("--save-run", "x.npy"), "x.npy exists"),
        (("--save-run", "x.npy", "--force"), "no folder of a run"),
        (("--save-run", "both", "-o", "./both"), "--output is a file and --save-run a folder"),
    ],
)
def test_a_place_for_no_run_is_refused_before_the_work(options, message, run_here, monkeypatch):
    def simulate(*arguments, **keywords):
        raise AssertionError("simulated in vain")

    monkeypatch.setattr("pvae_brian.engine.simulate", simulate)
    output = run_here(*options, status=1)
    assert output.out == ""
    assert_one_line_error(output.err, message)
    assert os.listdir() == ["x.npy"]


def test_help_says_it():
    text = subprocess.run(
        [sys.executable, "-m", "pvae_brian", "simulate", "--help"], capture_output=True, text=True
    ).stdout
    assert "--save-run RUN" in text
    assert "example: pvae-brian simulate model.pt --images images.npy --save-run RUN" in text
