"""The command line, as a user calls it: real processes, real files."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from pvae_brian import SpikeRecord, load_encoder, simulate
from pvae_brian.cli import main
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.runs import save_run

from .marks import needs_compiler

CHECKPOINTS = Path(__file__).parent / "checkpoints"
OFFICIAL = ["pvae_lin_k32_2025", "pvae_lin_k48", "pvae_mlp_k32"]


def run_process(*arguments, cwd, status: int = 0) -> subprocess.CompletedProcess:
    """As a shell would: slow, for every process loads torch and Brian2 anew."""
    result = subprocess.run(
        [sys.executable, "-m", "pvae_brian", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert result.returncode == status, result.stderr
    return result


@pytest.fixture
def run_here(capfd, tmp_path, monkeypatch):
    """The same in this process, from an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, status: int = 0):
        capfd.readouterr()
        try:
            returned = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            returned = stop.code
        output = capfd.readouterr()
        assert returned == status, output.err
        return output

    return run


def assert_one_line_error(stderr: str, *parts: str):
    lines = stderr.strip().splitlines()
    assert len(lines) == 1, stderr
    assert lines[0].startswith("pvae-brian ")
    for part in parts:
        assert part in lines[0]


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    path = tmp_path_factory.mktemp("images") / "x.npy"
    with np.load(CHECKPOINTS / "pvae_lin_k48" / "expected.npz") as expected:
        np.save(path, expected["x"])
    return path


@pytest.mark.slow
def test_demo_prints_a_table_and_saves_a_picture_and_a_report(tmp_path):
    result = run_process("demo", cwd=tmp_path)
    for name in (
        "measured spikes per stimulus",
        "predicted",
        "prior rate cost",
        "KL per stimulus",
        "cost of spikes and rest, per stimulus",
        "ATP by Attwell and Laughlin (2001)",
    ):
        assert name in result.stdout
    assert result.stderr == ""
    picture = tmp_path / "pvae-brian-demo.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    endings = ("html", "json", "png")
    assert sorted(os.listdir(tmp_path)) == [f"pvae-brian-demo.{ending}" for ending in endings]
    facts = json.loads((tmp_path / "pvae-brian-demo.json").read_text())
    assert facts["headline"] in (tmp_path / "pvae-brian-demo.html").read_text()
    assert facts["reproduction"]["command"] == "pvae-brian demo"
    # What the table says, rounded.
    measured = facts["quantities"]["fidelity.measured"]["value"]
    assert f"{measured:.2f} spikes" in result.stdout
    # A second run is not allowed to replace the picture unasked, and says so before it works.
    again = run_process("demo", cwd=tmp_path, status=1)
    assert again.stdout == ""
    assert_one_line_error(again.stderr, "pvae-brian-demo.png exists", "--force")


@pytest.mark.parametrize("ending", ["html", "json"])
def test_demo_does_not_replace_a_report_unasked(run_here, ending):
    Path(f"demo.{ending}").write_text("mine")
    output = run_here("demo", "-o", "demo.png", status=1)
    assert output.out == ""
    assert_one_line_error(output.err, f"demo.{ending} exists", "--force")
    assert Path(f"demo.{ending}").read_text() == "mine"


@pytest.fixture(scope="module")
def a_run(tmp_path_factory):
    """A run of the shipped model on 40 of its patches, with spike times."""
    encoder, patches = load_encoder(shipped_model()), shipped_patches()[:40]
    record = simulate(encoder.posterior_rates(patches), record="times")
    path = tmp_path_factory.mktemp("runs") / "RUN"
    return save_run(path, shipped_model(), patches, record, command="pvae-brian simulate m.pt")


def test_report_of_a_run(run_here, a_run):
    output = run_here("report", a_run, "-o", "page.html")
    page, facts = Path("page.html").read_text(), json.loads(Path("page.json").read_text())
    assert output.out.startswith(facts["headline"])
    assert facts["headline"] in page
    assert facts["reproduction"]["command"] == "pvae-brian simulate m.pt"
    assert facts["reproduction"]["model_sha256"] in page
    assert facts["reproduction"]["report_command"] == f"pvae-brian report {a_run} -o page.html"
    assert "attwell-laughlin-2001" in page
    assert output.err == ""
    again = run_here("report", a_run, "-o", "page.html", status=1)
    assert_one_line_error(again.err, "page.html exists", "--force")
    run_here("report", a_run, "-o", "page.html", "--force")


def test_report_without_an_ending_gets_one(run_here, a_run):
    output = run_here("report", a_run, "-o", "page")
    assert sorted(os.listdir()) == ["page.html", "page.json"]
    assert "page.html" in output.out
    again = run_here("report", a_run, "-o", "page", status=1)
    assert_one_line_error(again.err, "page.html exists", "--force")
    run_here("report", a_run, "-o", "other.HTM")
    assert Path("other.HTM").read_text().startswith("<!doctype html>")


def test_report_under_other_budgets(run_here, a_run):
    run_here("report", a_run, "-o", "a.html", "--budget", "loihi", "--fan-out", "10")
    held = json.loads(Path("a.json").read_text())["quantities"]["energy.spiking"]
    spikes = SpikeRecord.load(a_run / "record.npz").counts.sum() / 40
    assert held["unit"] == "J"
    assert held["value"] == pytest.approx(spikes * (1.7e-12 + 10 * 23.6e-12))
    Path("mine.toml").write_text(
        'name = "mine"\nspike_cost = 1e9\ngrade = "C"\nsource = "this test"'
    )
    output = run_here("report", a_run, "-o", "b.html", "--budget", "mine.toml")
    assert "mine" in Path("b.html").read_text()
    quantities = json.loads(Path("b.json").read_text())["quantities"]
    assert quantities["energy.spiking"]["value"] == pytest.approx(spikes * 1e9)
    # It states no rest.
    assert quantities["energy.total"]["value"] is None
    assert output.err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("NONE",), "NONE"),
        ((".",), "run.json"),
        (("RUN", "--budget", "cheap"), "attwell-laughlin-2001"),
        (("RUN", "--budget", "none.toml"), "none.toml"),
        (("RUN", "--hydrolysis", "-3"), "hydrolysis must be positive"),
        (("RUN", "--fan-out", "-3"), "fan_out"),
        (("RUN", "-o", "nowhere/page.html"), "nowhere"),
        (("RUN", "-o", "page.json"), "two files"),
        (("RUN", "-o", "page.pdf"), "end it in .html"),
        (("RUN", "-o", "."), "is a folder"),
    ],
)
def test_report_says_what_is_wrong(run_here, a_run, arguments, message):
    arguments = [a_run if argument == "RUN" else argument for argument in arguments]
    assert_one_line_error(run_here("report", *arguments, status=1).err, message)
    assert os.listdir() == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--budget", "typo"), "attwell-laughlin-2001"),
        (("--hydrolysis", "-5"), "got -5 kJ/mol"),
        (("--fan-out", "nan"), "fan_out"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_before_the_work(
    run_here, images, arguments, message
):
    checkpoint = CHECKPOINTS / "pvae_lin_k48"
    output = run_here("simulate", checkpoint, "--images", images, "-o", "o", *arguments, status=1)
    assert_one_line_error(output.err, message)
    assert_one_line_error(run_here("demo", *arguments, status=1).err, message)
    assert os.listdir() == []


def test_simulate_under_another_budget(images, run_here):
    arguments = ["simulate", CHECKPOINTS / "pvae_lin_k48", "--images", images]
    facts = json.loads(run_here(*arguments, "--json", "--budget", "lennie-2003").out)
    assert facts["budget"] == "lennie-2003"
    assert facts["spiking_atp_per_stimulus"] == pytest.approx(2.4e9 * facts["spikes_per_stimulus"])
    assert facts["atp_per_stimulus"] is None
    assert "Lennie (2003)" in run_here(*arguments, "--budget", "lennie-2003").out


def test_a_picture_of_no_known_format_is_refused_before_the_work(run_here):
    output = run_here("demo", "-o", "picture.xyz", status=1)
    assert output.out == ""
    assert_one_line_error(output.err, "picture.xyz must end in a picture format")


@pytest.mark.parametrize("name", OFFICIAL)
def test_simulate_an_official_checkpoint(name, images, run_here):
    checkpoint = CHECKPOINTS / name
    output = run_here("simulate", checkpoint, "--images", images, "--seed", 7, "--json")
    facts = json.loads(output.out)
    with np.load(checkpoint / "expected.npz") as expected:
        assert facts["n_stimuli"] == len(expected["x"])
        assert facts["n_latents"] == expected["rate"].shape[1]
        predicted = expected["rate"].sum(axis=1).mean()
        assert facts["prior_rate_cost"] == pytest.approx(expected["prior_rate"].sum(), rel=1e-5)
        assert facts["kl_nats_per_stimulus"] == pytest.approx(expected["kl"].mean(), rel=1e-5)
    assert facts["predicted_spikes_per_stimulus"] == pytest.approx(predicted, rel=1e-5)
    assert (facts["window_s"], facts["seed"], facts["device"]) == (1.0, 7, "numpy")
    # Within 5 standard errors: a false alarm in two million runs.
    error = np.sqrt(predicted / facts["n_stimuli"])
    assert abs(facts["spikes_per_stimulus"] - predicted) < 5 * error
    assert abs(facts["fidelity_z"]) < 5
    assert output.err == ""


def test_simulate_saves_a_record(images, run_here):
    arguments = ["simulate", CHECKPOINTS / "pvae_lin_k48", "--images", images, "-o", "out.npz"]
    assert "prior rate cost" in run_here(*arguments, "--record", "times").out
    record = SpikeRecord.load("out.npz")
    assert record.counts.shape == (64, 48)
    assert len(record.spikes) == record.counts.sum()
    again = run_here(*arguments, status=1)
    assert again.out == ""
    assert_one_line_error(again.err, "out.npz exists", "--force")
    run_here(*arguments, "--force")


def test_info(run_here):
    text = run_here("info", CHECKPOINTS / "pvae_lin_k32_2025").out
    assert "until December 2025" in text
    assert "5.3" in text
    facts = json.loads(run_here("info", shipped_model(), "--json").out)
    assert facts["format"] == "pvae_brian"
    assert facts["n_inputs"] == 256
    assert facts["interrupted"] is False


def test_train_then_simulate(run_here):
    run_here("train", "--data", "digits", "--latents", 12, "--epochs", 2, "-o", "digits.pt")
    facts = json.loads(run_here("info", "digits.pt", "--json").out)
    assert (facts["n_inputs"], facts["n_latents"], facts["epochs_done"]) == (64, 12, 2)
    np.save("x.npy", np.random.default_rng(0).normal(size=(5, 8, 8)))
    output = run_here("simulate", "digits.pt", "--images", "x.npy", "--json")
    assert json.loads(output.out)["n_stimuli"] == 5


@pytest.mark.slow
def test_ctrl_c_while_training_still_saves(tmp_path, run_here):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(2000, 64)))
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "pvae_brian",
            "train",
            "--data",
            "x.npy",
            "--epochs",
            "100000",
            "--tolerance",
            "none",
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline().startswith("Training 128 latents on 2000 images")
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "interrupted after" in err
    assert "Checkpoint: model.pt" in out
    facts = json.loads(run_here("info", "model.pt", "--json").out)
    assert facts["interrupted"] is True
    assert facts["epochs_done"] < 100000


@pytest.mark.parametrize("command", ["demo", "train", "info", "simulate", "report", "cache"])
def test_help_has_an_example(command, run_here):
    assert f"example: pvae-brian {command}" in run_here(command, "--help").out


def test_no_command_and_unknown_options(run_here):
    assert "COMMAND" in run_here(status=2).err
    assert "unrecognized" in run_here("demo", "--loud", status=2).err


def test_version(run_here):
    assert run_here("--version").out.startswith("pvae-brian ")


def bad_images(name: str) -> str:
    path = Path("x.npy")
    if name == "wrong size":
        np.save(path, np.zeros((3, 100)))
    elif name == "NaN":
        np.save(path, np.full((3, 256), np.nan))
    elif name == "infinite":
        np.save(path, np.full((3, 256), np.inf))
    elif name == "empty set":
        np.save(path, np.zeros((0, 256)))
    elif name == "text":
        path.write_text("1, 2, 3")
    elif name == "truncated":
        np.save(path, np.zeros((3, 256)))
        path.write_bytes(path.read_bytes()[:1000])
    elif name == "pickle":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    return str(path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong size", "images must have shape (n_stimuli, 256)"),
        ("NaN", "images must be finite"),
        ("infinite", "images must be finite"),
        ("empty set", "at least one image"),
        ("missing", "No such file"),
        ("text", "not a readable .npy file"),
        ("truncated", "not a readable .npy file"),
        ("pickle", "not a readable .npy file"),
    ],
)
def test_bad_images(name, message, run_here):
    checkpoint = CHECKPOINTS / "pvae_lin_k48"
    output = run_here("simulate", checkpoint, "--images", bad_images(name), status=1)
    assert output.out == ""
    assert_one_line_error(output.err, message)


def test_an_error_of_a_process_is_one_line_and_status_1(tmp_path):
    """Brian2 hooks into uncaught exceptions; none of that may reach the user."""
    np.save(tmp_path / "x.npy", np.full((3, 256), np.nan))
    checkpoint = CHECKPOINTS / "pvae_lin_k48"
    result = run_process("simulate", checkpoint, "--images", "x.npy", cwd=tmp_path, status=1)
    assert result.stdout == ""
    assert_one_line_error(result.stderr, "images must be finite")


def test_a_reader_that_leaves_early_gets_no_complaint(tmp_path):
    command = f"'{sys.executable}' -m pvae_brian info '{shipped_model()}' | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path)
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--window", "0"], "window must be a positive, finite time"),
        (["--window", "nan"], "window must be a positive, finite time"),
        (["--steps", "0"], "n_steps must be at least 1, got 0"),
        (["--device", "gpu"], "device must be one of"),
        (["--seed", "-1"], "seed must lie between"),
        (["--rate-clamp", "high"], "--rate-clamp must be a number or 'none'"),
        (["-o", "no/such/folder.npz"], "does not exist"),
        (["--epoch", "99"], "no epoch 99"),
    ],
)
def test_bad_settings(arguments, message, images, run_here):
    checkpoint = CHECKPOINTS / "pvae_lin_k48"
    output = run_here("simulate", checkpoint, "--images", images, *arguments, status=1)
    assert output.out == ""
    assert_one_line_error(output.err, message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("ipvae_k32", "is an iterative P-VAE"),
        ("no-such-folder", "no checkpoint at"),
    ],
)
def test_checkpoints_that_are_none(name, message, images, run_here):
    for command, *rest in (["info"], ["simulate", "--images", images]):
        output = run_here(command, CHECKPOINTS / name, *rest, status=1)
        assert output.out == ""
        assert_one_line_error(output.err, message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data", "clouds"], "data must be"),
        (["--data", "digits", "--latents", 0], "n_latents must be"),
        (["--data", "digits", "--beta", -1], "beta must be"),
        (["--data", "digits", "--encoder", "conv"], "encoder must be one of"),
        (["--data", "digits", "--device", "tpu"], "device 'tpu' cannot be used"),
    ],
)
def test_bad_training_settings(arguments, message, run_here):
    assert_one_line_error(run_here("train", *arguments, status=1).err, message)
    assert os.listdir() == []


# Neuron models and compiled programs


@pytest.fixture
def images_file(tmp_path):
    path = tmp_path / "few.npy"
    np.save(path, np.random.default_rng(0).normal(size=(20, 16, 16)))
    return path


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        ((), {"name": "poisson"}),
        (("--neuron", "sampler"), {"name": "sampler"}),
        (
            ("--refractory", "0.002", "--recovery", "0.004", "--steps", "500"),
            {"name": "refractory", "absolute": 0.002, "relative": 0.004},
        ),
    ],
)
def test_simulate_names_the_neuron(run_here, images_file, options, settings):
    arguments = ("simulate", shipped_model(), "--images", images_file, *options)
    facts = json.loads(run_here(*arguments, "--json").out)
    assert facts["neuron"] == settings
    table = run_here(*arguments).out
    first = table.splitlines()[0].split()
    assert first[:2] == ["neurons", settings["name"]]
    assert ("no simulation" in table) == (settings["name"] == "sampler")


def test_a_refractory_sampler_is_refused(run_here, images_file):
    arguments = ("simulate", shipped_model(), "--images", images_file, "--neuron", "sampler")
    output = run_here(*arguments, "--refractory", "0.002", status=1)
    assert_one_line_error(output.err, "do not go with --neuron sampler")


def test_a_refractory_neuron_needs_a_period(run_here, images_file):
    arguments = ("simulate", shipped_model(), "--images", images_file, "--neuron", "refractory")
    assert_one_line_error(run_here(*arguments, status=1).err, "needs --refractory or --recovery")
    facts = json.loads(run_here(*arguments, "--refractory", "0.02", "--json").out)
    assert facts["neuron"]["absolute"] == 0.02


@needs_compiler
def test_the_cache_is_listed_and_cleared(run_here, images_file, tmp_path, monkeypatch):
    folder = tmp_path / "my cache"
    monkeypatch.setenv("PVAE_BRIAN_CACHE", str(folder))
    assert "0 compiled programs" in run_here("cache", "info").out
    arguments = ("simulate", shipped_model(), "--images", images_file, "--json")
    output = run_here(*arguments, "--device", "cpp_standalone", "--workers", "1")
    assert json.loads(output.out)["device"] == "cpp_standalone"
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").touch()
    output = run_here("cache", "info").out
    assert str(folder) in output
    assert "1 compiled programs" in output
    facts = json.loads(run_here("cache", "info", "--json").out)
    (program,) = facts["programs"]
    assert (program["neuron"], program["record"]) == ("poisson", "counts")
    assert program["bytes"] > 10_000
    assert "Removed 1 compiled programs" in run_here("cache", "clear").out
    assert json.loads(run_here("cache", "info", "--json").out)["programs"] == []
    # What is not ours stays.
    assert (folder / "mine" / "notes.txt").exists()


def test_a_failing_compiler_is_one_line(run_here, images_file, tmp_path, monkeypatch):
    monkeypatch.setenv("PVAE_BRIAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CXX", "false")
    arguments = ("simulate", shipped_model(), "--images", images_file)
    output = run_here(*arguments, "--device", "cpp_standalone", status=1)
    # After a word on what is being compiled.
    assert_one_line_error(output.err.splitlines()[-1], "device='numpy' needs no compiler")
