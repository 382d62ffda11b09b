"""``pvae-brian sweep``: its options, what it prints, and its errors in one line."""

from __future__ import annotations

import io
import logging
import re
import sys

import dask
import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster

from pvae_brian.cli import build_parser, main
from pvae_brian.cli.sweep import _GRID, _SETTINGS
from pvae_brian.sweep import Study, load_sweep, run, running
from pvae_brian.sweep.study import GRID

from .sweep_examples import assert_comes_to, compute_alone, save_images, small_study


@pytest.fixture(scope="module")
def scheduler():
    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster.scheduler_address


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
    fields = {field for _, field, *_ in (*_GRID, *_SETTINGS)}
    assert fields == set(Study.__dataclass_fields__)
    assert {field for _, field, *_ in _GRID} == set(GRID)


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
    assert "All 0 points" in out
    assert len(pd.read_csv("study/table.csv")) == 0


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
