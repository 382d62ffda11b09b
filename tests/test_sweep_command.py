"""``pvae-brian sweep``: its options, what it prints, and its errors in one line."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shlex
import sys
from pathlib import Path

import dask
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvae_brian.cli import build_parser, main
from pvae_brian.cli.study_options import GRID as GRID_OPTIONS
from pvae_brian.cli.study_options import SETTINGS as SETTINGS_OPTIONS
from pvae_brian.cli.study_options import write_command
from pvae_brian.metabolism import EnergyBudget
from pvae_brian.models import FAMILIES
from pvae_brian.sweep import (
    PRESETS,
    Study,
    attempts,
    compute_point,
    load_sweep,
    run,
    running,
)
from pvae_brian.sweep.choosing import choose_study
from pvae_brian.sweep.study import GRID

from .sweep_examples import assert_comes_to, compute_alone, save_images, small_study


@pytest.fixture
def call(tmp_path, monkeypatch, capsys, scheduler):
    """Call the command in a folder with images; return status, output and errors."""
    monkeypatch.chdir(tmp_path)
    save_images(tmp_path / "images.npy")

    def call_command(*arguments, cluster=True):
        arguments = ["sweep", *map(str, arguments)]
        status = main([*arguments, "--scheduler", scheduler] if cluster else arguments)
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call_command


SMALL = (
    *("--betas", 0.5, 2),
    *("--latents", 4, 8),
    *("--models", "poisson"),
    *("--data", "images.npy"),
    *("--epochs", 3),
    *("--batch-size", 50),
    *("--learning-rate", 0.05),
)


def test_it_does_what_run_does(call, tmp_path):
    status, out, err = call("study", *SMALL)
    assert status == 0, err
    sweep = load_sweep("study")
    assert_comes_to(sweep, compute_alone(small_study("images.npy")))
    header, *rows = out.split("\n\n")[0].splitlines()
    assert header.split() == [
        "model",
        "beta",
        "K",
        "spikes",
        "prior",
        "rate",
        "cost",
        "zeros",
        "error",
    ]
    assert [row.split()[:3] for row in rows] == [
        ["poisson", "0.5", "4"],
        ["poisson", "0.5", "8"],
        ["poisson", "2", "4"],
        ["poisson", "2", "8"],
    ]
    spikes = [float(row.split()[3]) for row in rows]
    assert spikes == pytest.approx(sweep.table["spikes"].tolist(), rel=1e-3)
    assert "All 4 points" in out
    assert "study/table.csv" in out
    assert err.splitlines()[0] == "4 points to compute"
    assert len(err.splitlines()) == 5


def test_the_folder_says_the_rest(call):
    call("study", *SMALL)
    status, out, err = call("study")
    assert (status, err) == (0, "")
    assert "All 4 points" in out
    status, out, err = call("study", "--seeds", 0, 1, "--latents", 4)
    assert status == 0, err
    assert err.startswith("2 points to compute, 4 are there already\n")
    assert out.splitlines()[0].split()[:4] == ["model", "beta", "K", "seed"]


def test_latents_of_both_signs_have_no_spikes_to_show(call):
    models = ("--models", "gaussian", "gaussian-relu", "poisson")
    status, out, err = call("study", *SMALL, *models, "--betas", 1, "--latents", 4)
    assert status == 0, err
    rows = [line.split() for line in out.split("\n\n")[0].splitlines()[1:]]
    assert [row[0] for row in rows] == ["poisson", "gaussian-relu", "gaussian"]
    assert rows[2][3:] == ["-"] * 4
    assert "-" not in rows[1]
    sweep = load_sweep("study")
    pd.testing.assert_frame_equal(pd.read_csv("study/table.csv"), sweep.table, check_exact=True)
    pd.testing.assert_frame_equal(
        pd.read_parquet("study/table.parquet"), sweep.table, check_exact=True
    )
    assert re.search(r"gaussian_beta-1_K-4_seed-0: no spikes, KL \S+ nats", err)


def test_options_take_the_place_of_a_preset(call):
    more = ("--n-train", 100, "--n-test", 20, "--seeds", 3, "--tolerance", "none")
    status, _, err = call("study", "--preset", "quick", *SMALL, *more)
    assert status == 0, err
    sweep = load_sweep("study")
    assert sweep.table["n_stimuli"].tolist() == [20] * 4
    assert sweep.study.seeds == (3,)
    assert (sweep.study.n_train, sweep.study.tolerance) == (100, None)


def test_every_field_of_a_study_is_an_option():
    fields = {field for _, field, *_ in (*GRID_OPTIONS, *SETTINGS_OPTIONS)}
    assert fields == set(Study.__dataclass_fields__)
    assert {field for _, field, *_ in GRID_OPTIONS} == set(GRID)


def study_typed(command: str) -> tuple[str, Study]:
    """Folder and study that a command means where nothing is begun."""
    program, *words = shlex.split(command)
    assert program == "pvae-brian"
    options = vars(build_parser().parse_args(words))
    given = {name: options[name] for name in Study.__dataclass_fields__ if name in options}
    return options["folder"], choose_study(None, None, options["preset"], given)[0]


def several_of(values):
    return st.lists(values, min_size=1, max_size=3, unique=True).map(tuple)


positive = st.floats(0, allow_infinity=False, exclude_min=True)


@given(
    st.builds(
        Study,
        betas=several_of(st.floats(0, allow_infinity=False).map(lambda beta: beta + 0.0)),
        n_latents=several_of(st.integers(1, 10**6)),
        seeds=several_of(st.integers(0, 2**31 - 1)),
        models=several_of(st.sampled_from(FAMILIES)),
        data=st.sampled_from(["natural", "my images.npy", "it's.npy", "-x.npy", "none"]),
        n_train=st.integers(1, 10**9),
        data_seed=st.sampled_from([0, 7]),
        learning_rate=positive,
        warmup=st.floats(0, 1),
        tolerance=st.none() | st.just(0.001) | positive,
        window_s=positive,
        device=st.sampled_from(["auto", "numpy", "cython", "cpp_standalone"]),
        budget=st.sampled_from(["attwell-laughlin-2001", "loihi"]),
    ),
    st.text(st.characters(exclude_categories=["C"]), min_size=1),
)
def test_the_command_that_is_written_means_the_same_study(study, folder):
    found, again = study_typed(write_command(study, folder))
    assert again == study
    assert Path(found) == Path(folder)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_written_by_its_name(name):
    study = dataclasses.replace(PRESETS[name], device="numpy")
    command = f"pvae-brian sweep STUDY --preset {name} --device numpy"
    assert write_command(study, "STUDY") == command
    assert study_typed(command)[1] == study
    other = dataclasses.replace(study, epochs=7)
    assert "--preset" not in write_command(other, "STUDY")
    assert study_typed(write_command(other, "STUDY"))[1] == other


def test_a_budget_of_ones_own_is_written_as_its_file():
    mine = EnergyBudget("mine", 1e9, 0.0, grade="C", source="a guess")
    study = Study(betas=(1,), n_latents=(4,), budget=mine)
    assert write_command(study, "x").endswith(" --latents 4 --budget mine.toml")
    assert write_command(study, "x", budget_file="a b.toml").endswith(" --budget 'a b.toml'")


def written_command() -> str:
    return json.loads(Path("study/report.json").read_text())["reproduction"]["command"]


def test_the_page_holds_a_command_that_makes_the_study_anew(call, scheduler):
    """However it was made: here in two steps, and the last said neither grid nor settings."""
    first = [*SMALL, "--betas", 0.5, "--latents", 4, "--tolerance", "none"]
    assert call("study", *first)[0] == 0
    assert call("study", "--betas", 2, 0.5, "--latents", 4)[0] == 0
    status, _, err = call("study")
    assert status == 0, err
    _, _, _, *options = shlex.split(written_command())
    status, _, err = call("new", *options)
    assert status == 0, err
    study, new = load_sweep("study"), load_sweep("new")
    assert new.study == study.study
    pd.testing.assert_frame_equal(new.table, study.table, check_exact=True)


def test_help_has_an_example_and_defaults_that_are_right(capsys, monkeypatch):
    # No name is broken at a hyphen.
    monkeypatch.setenv("COLUMNS", "300")
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "example: pvae-brian sweep STUDY --preset quick" in text
    study = Study(betas=(1,), n_latents=(1,))
    for name in study.settings().keys() - {"window_s"}:
        assert f"(default: {getattr(study, name)})" in text, name
    assert f"(default: {' '.join(study.models)})" in text
    assert build_parser().parse_args(["sweep", "x"]).retries == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "a new sweep needs a grid: betas and n_latents (--betas, --latents), or a preset"),
        (["--preset", "slow"], "preset must be one of quick, paper, got 'slow'"),
        ([*SMALL, "--betas", -1], "beta must be finite and not negative, got -1.0"),
        ([*SMALL, "--data", "clouds"], "there are no data 'clouds' here; check the name"),
        ([*SMALL, "--device", "tpu"], "device must be one of 'auto'"),
        ([*SMALL, "--workers", 2], "a cluster has its own workers"),
    ],
)
def test_errors_are_one_line_and_leave_nothing(call, arguments, message, tmp_path):
    status, out, err = call("study", *arguments)
    assert (status, out) == (1, "")
    assert err.startswith(f"pvae-brian sweep: error: {message}")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "study").exists()


def test_changed_settings_are_named(call):
    call("study", *SMALL)
    status, out, err = call("study", *SMALL, "--epochs", 4, "--steps", 50)
    assert (status, out) == (1, "")
    assert "but epochs was 3 and is now 4; n_steps was 100 and is now 50; choose" in err
    assert len(err.splitlines()) == 1


def test_other_data_are_refused_when_all_is_done(call, tmp_path):
    call("study", *SMALL)
    np.save(tmp_path / "y.npy", np.load("images.npy") + 1)
    page = Path("study/report.html").read_bytes()
    status, out, err = call("study", "--data", "y.npy")
    assert (status, out) == (1, "")
    assert "for they are 'y.npy' and no longer 'images.npy'" in err
    assert len(err.splitlines()) == 1
    assert Path("study/report.html").read_bytes() == page


def test_no_scheduler(call):
    with dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}):
        status, _, err = call("study", *SMALL, "--scheduler", "tcp://127.0.0.1:1", cluster=False)
    assert status == 1
    assert "tcp://127.0.0.1:1" in err.splitlines()[-1]
    assert "Traceback" not in err


def test_failed_points_are_named_and_the_others_shown(call, tmp_path):
    np.save(tmp_path / "images.npy", np.full((50, 4), 1e30))
    status, out, err = call("study", *SMALL)
    assert status == 1
    assert err.splitlines()[-1].startswith("pvae-brian sweep: error: 4 points failed, all others")
    assert "poisson_beta-2_K-8_seed-0: " in err.splitlines()[-1]
    # Nothing is finished, so there is nothing to show.
    assert out == ""
    assert not Path("study/report.html").exists()
    assert len(pd.read_csv("study/table.csv")) == 0


def test_a_page_of_the_points_that_did_not_fail(call, monkeypatch):
    def compute(study, point, **keywords):
        if point.beta == 2:
            raise FloatingPointError("training diverged")
        return compute_point(study, point, **keywords)

    call("study", *SMALL, "--betas", 0.5, "--latents", 4)
    before = Path("study/report.json").read_text()
    monkeypatch.setattr(attempts, "compute_point", compute)
    status, out, err = call("study", *SMALL)
    assert status == 1
    assert "2 points failed, all others in study are finished" in err.splitlines()[-1]
    assert "All 2 points" in out
    assert "Report: study/report.html" in out
    assert Path("study/report.json").read_text() != before
    assert json.loads(Path("study/report.json").read_text())["data"]["table"]["n_latents"] == [4, 8]


def test_a_warning_is_one_line(call, tmp_path):
    call("study", *SMALL)
    model = tmp_path / "study" / "points" / "poisson_beta-2_K-4_seed-0" / "model.pt"
    model.unlink()
    status, _, err = call("study")
    assert status == 0
    first, *rest = err.splitlines()
    assert first.startswith("pvae-brian sweep: warning: ")
    assert "poisson_beta-2_K-4_seed-0 is damaged" in first
    assert rest[0] == "1 points to compute, 3 are there already"
    assert len(rest) == 2


def test_an_interrupt_says_how_to_go_on(call, monkeypatch):
    def interrupt(saved):
        raise KeyboardInterrupt

    monkeypatch.setattr(running, "_in_short", interrupt)
    status, out, err = call("my study", *SMALL)
    assert (status, out) == (130, "")
    assert err.splitlines()[-1].endswith("Go on with: pvae-brian sweep 'my study'")


class Terminal(io.StringIO):
    """What tqdm takes for one."""

    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_a_bar_too(call, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert call("study", *SMALL)[0] == 0
    shown = sys.stderr.getvalue()
    assert "0/4 points" in shown
    assert re.search(r"100%\|\S+\| 4/4 points \[\d\d:\d\d<00:00\]", shown)
    assert "poisson_beta-2_K-8_seed-0: " in shown


def test_the_library_is_quiet(tmp_path, capfd, scheduler):
    run(tmp_path / "study", small_study(save_images(tmp_path / "x.npy")), scheduler=scheduler)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
