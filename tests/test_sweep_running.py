"""`run`: what it computes, what it does not, what it refuses, and the tables that come of it."""

from __future__ import annotations

import dataclasses
import logging
import math
import multiprocessing
import os
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from distributed import LocalCluster

from pvae_brian.engine.standalone import has_compiler
from pvae_brian.sweep import (
    Point,
    Study,
    SweepError,
    attempts,
    cluster,
    compute_point,
    load_sweep,
    run,
    running,
)
from pvae_brian.sweep.choosing import with_device
from pvae_brian.sweep.folder import read_study
from pvae_brian.sweep.progress import expected_cost

from .sweep_examples import assert_comes_to, compute_alone, save_images, small_study


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return small_study(save_images(tmp_path_factory.mktemp("images") / "images.npy"))


@pytest.fixture(scope="module")
def expected(study):
    return compute_alone(study)


@pytest.fixture(scope="module")
def done(study, scheduler, tmp_path_factory):
    """A finished sweep, not to be changed."""
    return run(tmp_path_factory.mktemp("done") / "study", study, scheduler=scheduler)


@pytest.fixture
def counted(monkeypatch):
    """Names of the points that are computed from here on."""
    computed = []

    def count(study, point, **keywords):
        computed.append(point.name)
        return compute_point(study, point, **keywords)

    monkeypatch.setattr(attempts, "compute_point", count)
    return computed


def fingerprints(folder) -> dict[str, tuple]:
    """What changes if a point is written again."""
    return {
        path.parent.name: (os.stat(path).st_ino, os.stat(path).st_mtime_ns)
        for path in (folder / "points").glob("*/point.json")
    }


def test_the_table_holds_what_each_point_alone_comes_to(done, expected):
    assert_comes_to(done, expected)
    assert_comes_to(load_sweep(done.folder), expected)
    assert done.study.points() == tuple(expected)


def test_the_files_hold_the_table(done):
    folder, table = done.folder, done.table
    parquet = pd.read_parquet(folder / "table.parquet")
    pd.testing.assert_frame_equal(parquet, table, check_exact=True)
    assert parquet.attrs == table.attrs
    pd.testing.assert_frame_equal(pd.read_csv(folder / "table.csv"), table, check_exact=True)
    dataset = xr.load_dataset(folder / "dataset.nc", engine="scipy")
    xr.testing.assert_equal(dataset, done.dataset())
    for name, variable in done.dataset().variables.items():
        assert dataset[name].attrs == variable.attrs
    assert sorted(path.name for path in folder.iterdir() if path.name != ".lock") == [
        "dataset.nc",
        "points",
        "study.json",
        "table.csv",
        "table.parquet",
    ]


def test_the_table_is_tidy_and_has_units(done):
    table = done.table
    assert table.dtypes[["beta", "spikes", "energy_low"]].tolist() == [np.float64] * 3
    assert table.dtypes[["n_latents", "seed", "epochs", "n_stimuli"]].tolist() == [np.int64] * 4
    assert table.dtypes["converged"] == np.bool_
    assert pd.api.types.is_string_dtype(table["model"])
    assert set(table.attrs["units"]) == set(table.attrs["meanings"]) == set(table.columns)
    assert table.attrs["units"]["energy_high"] == "ATP/stimulus"
    assert table.attrs["units"]["spikes"] == "1/stimulus"


def test_the_dataset_is_the_table_by_its_coordinates(done):
    dataset = done.dataset()
    assert dict(dataset.sizes) == {"model": 1, "beta": 2, "n_latents": 2, "seed": 1}
    for row in done.table.itertuples():
        at = {"model": row.model, "beta": row.beta, "n_latents": row.n_latents, "seed": row.seed}
        assert dataset["spikes"].sel(at).item() == row.spikes
        assert dataset["epochs"].sel(at).item() == row.epochs
    assert dataset["error"].attrs == {
        "units": "squared error/stimulus",
        "long_name": "of images decoded from simulated counts",
    }
    assert dataset.attrs["budget"] == "attwell-laughlin-2001"
    assert dataset.attrs["device"] == "numpy"


def test_models_can_be_loaded(done):
    encoder = done.encoder(Point("poisson", 2, 8, 0))
    assert encoder.n_latents == 8
    assert encoder.details["training"]["beta"] == 2
    again = done.encoder("poisson_beta-2_K-8_seed-0")
    np.testing.assert_array_equal(again.prior_rates, encoder.prior_rates)
    row = done.table.query("beta == 2 and n_latents == 8").iloc[0]
    assert row["prior_rate_cost"] == encoder.prior_rates.sum()
    with pytest.raises(ValueError, match="is not finished, or no point"):
        done.encoder(Point("poisson", 3, 8, 0))


def test_nothing_is_computed_twice(study, expected, scheduler, tmp_path, counted):
    folder = tmp_path / "study"
    part = dataclasses.replace(study, betas=(2,))
    run(folder, part, scheduler=scheduler)
    assert len(counted) == 2
    before = fingerprints(folder)
    sweep = run(folder, study, scheduler=scheduler)
    assert sorted(counted) == sorted(point.name for point in study.points())
    assert before.items() < fingerprints(folder).items()
    assert_comes_to(sweep, expected)
    # With nothing to do no cluster is asked, and no data are read.
    assert_comes_to(run(folder, scheduler="tcp://nobody:1"), expected)
    assert len(counted) == 4


def test_a_grid_may_grow_along_one_axis(done, study, scheduler, tmp_path, counted):
    folder = shutil.copytree(done.folder, tmp_path / "study")
    sweep = run(folder, scheduler=scheduler, seeds=(1,), n_latents=(4,))
    assert counted
    assert {Point.parse(name).seed for name in counted} == {1}
    assert len(sweep.table) == 6
    # The grid has holes now, but nothing that was asked for is missing.
    assert sweep.missing == ()
    assert len(sweep.study.points()) == 8
    values = sweep.dataset()["spikes"]
    assert int(values.isnull().sum()) == 2
    assert values.sel(seed=1, n_latents=8).isnull().all()
    xr.testing.assert_equal(xr.load_dataset(folder / "dataset.nc", engine="scipy"), sweep.dataset())
    # Called without a grid it is content.
    counted.clear()
    assert len(run(folder).table) == 6
    assert counted == []


def test_the_longest_points_come_first(study, scheduler, tmp_path, counted):
    models = ("poisson", "gaussian-relu")
    grid = {"betas": (1,), "n_latents": (2, 16, 4)}
    run(tmp_path / "study", study, scheduler=scheduler, models=models, **grid)
    points = [Point.parse(name) for name in counted]
    # A control takes about twice as long.
    assert [(point.model, point.n_latents) for point in points] == [
        *(("gaussian-relu", 16), ("gaussian-relu", 4), ("gaussian-relu", 2)),
        *(("poisson", 16), ("poisson", 4), ("poisson", 2)),
    ]


@pytest.mark.parametrize(("n_latents", "seconds"), [(128, 14), (256, 20), (512, 30)])
def test_the_expected_cost_goes_with_seconds_that_were_measured(n_latents, seconds):
    cost, reference, control = (
        expected_cost(Point(model, 1, n, 0))
        for model, n in (("poisson", n_latents), ("poisson", 256), ("gaussian-relu", n_latents))
    )
    assert cost / reference == pytest.approx(seconds / 20, rel=0.1)
    assert 1.5 <= control / cost <= 2.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 4}, "epochs was 3 and is now 4"),
        ({"n_train": 7, "warmup": 0.5}, "n_train was 100000 and is now 7; warmup was 0.0"),
        ({"tolerance": None}, "tolerance was 0.001 and is now None"),
        ({"device": "cython"}, "device was numpy and is now cython"),
        ({"budget": "loihi"}, "budget.name was attwell-laughlin-2001 and is now loihi"),
        ({"data_seed": 1}, "data_seed was 0 and is now 1"),
    ],
)
def test_other_settings_are_refused(done, change, message):
    before = fingerprints(done.folder)
    with pytest.raises(ValueError, match=f"must have the same settings, but {message}"):
        run(done.folder, **change)
    assert fingerprints(done.folder) == before


def test_other_data_are_refused_and_a_file_may_move(study, scheduler, tmp_path):
    images = save_images(tmp_path / "a.npy")
    folder = tmp_path / "study"
    one = dataclasses.replace(study, betas=(1,), n_latents=(4,), data=str(images))
    run(folder, one, scheduler=scheduler)
    moved = images.rename(tmp_path / "b.npy")
    more = {"betas": (1, 3), "n_latents": (4,)}
    assert len(run(folder, scheduler=scheduler, data=str(moved), **more).table) == 2
    save_images(moved, n=200)
    with pytest.raises(ValueError, match="the data had the SHA-256"):
        run(folder, scheduler=scheduler, data=str(moved), betas=(4,))
    with pytest.raises(FileNotFoundError, match="there are no data"):
        run(folder, scheduler=scheduler, data=str(images), betas=(4,))


def test_other_data_are_refused_though_nothing_is_left_to_do(
    study, scheduler, tmp_path, counted, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    images = save_images(tmp_path / "x.npy")
    one = dataclasses.replace(study, betas=(1,), n_latents=(4,), data="x.npy")
    run("study", one, scheduler=scheduler)
    np.save(tmp_path / "y.npy", np.load(images) + 1)
    written = (tmp_path / "study" / "study.json").read_bytes()
    for arguments in (
        {"data": "y.npy"},
        {"study": dataclasses.replace(one, data="y.npy")},
    ):
        with pytest.raises(ValueError, match=r"had .* they are 'y\.npy' and no longer 'x\.npy'"):
            run("study", **arguments)
    assert (tmp_path / "study" / "study.json").read_bytes() == written
    # The same by another name: that is where they are from now on.
    shutil.copy("x.npy", "copy.npy")
    assert len(run("study", data="copy.npy").table) == 1
    assert read_study(tmp_path / "study").settings["data"] == "copy.npy"
    # Others by the same name.
    shutil.copy("y.npy", "copy.npy")
    with pytest.raises(ValueError, match="though they are asked for in the same way"):
        run("study", data="copy.npy")
    with pytest.raises(FileNotFoundError, match=r"there are no data 'z\.npy'"):
        run("study", data="z.npy")
    # What is gone, or not asked for, is not compared.
    assert len(run("study").table) == 1
    (tmp_path / "copy.npy").unlink()
    assert len(run("study", data="copy.npy").table) == len(counted) == 1


def test_a_damaged_point_is_named_and_computed_again(done, expected, scheduler, tmp_path, counted):
    folder = shutil.copytree(done.folder, tmp_path / "study")
    model = folder / "points" / "poisson_beta-2_K-4_seed-0" / "model.pt"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="beta-2_K-4_seed-0 is damaged"):
        sweep = run(folder, scheduler=scheduler)
    assert counted == ["poisson_beta-2_K-4_seed-0"]
    assert_comes_to(sweep, expected)


def test_points_of_other_versions_are_told_of(done, scheduler, tmp_path, monkeypatch):
    folder = shutil.copytree(done.folder, tmp_path / "study")
    here = running.versions()
    monkeypatch.setattr(running, "versions", lambda: here | {"torch": "99.0"})
    with pytest.warns(UserWarning, match=r"were computed with .*torch .* \(here 99.0\)"):
        run(folder, scheduler=scheduler)


def test_what_fails_does_not_stop_the_others(study, scheduler, tmp_path, monkeypatch):
    folder = tmp_path / "study"
    tried = []

    def compute(study, point, **keywords):
        tried.append(point)
        if point.beta == 2 and point.n_latents == 4:
            raise FloatingPointError("training diverged: too fast")
        return compute_point(study, point, **keywords)

    with monkeypatch.context() as patch:
        patch.setattr(attempts, "compute_point", compute)
        with pytest.raises(SweepError, match=r"1 point failed, .* training diverged") as caught:
            run(folder, study, scheduler=scheduler)
    assert caught.value.reasons == {"poisson_beta-2_K-4_seed-0": "training diverged: too fast"}
    # It would diverge again.
    assert len(tried) == 4
    sweep = load_sweep(folder)
    assert [point.name for point in sweep.missing] == ["poisson_beta-2_K-4_seed-0"]
    assert len(pd.read_csv(folder / "table.csv")) == len(sweep.table) == 3
    assert math.isnan(sweep.dataset()["spikes"].sel(beta=2, n_latents=4).item())
    assert run(folder, scheduler=scheduler).missing == ()


def test_what_may_pass_is_tried_again(study, scheduler, tmp_path, monkeypatch):
    tried = []

    def compute(study, point, **keywords):
        tried.append(point)
        if len(tried) < 3:
            raise OSError("the network is down")
        return compute_point(study, point, **keywords)

    monkeypatch.setattr(attempts, "compute_point", compute)
    one = {"betas": (1,), "n_latents": (4,)}
    with pytest.raises(SweepError, match="the network is down"):
        run(tmp_path / "study", study, scheduler=scheduler, retries=1, **one)
    assert len(tried) == 2
    tried.clear()
    assert len(run(tmp_path / "other", study, scheduler=scheduler, retries=2, **one).table) == 1
    assert len(tried) == 3


def test_an_interrupt_keeps_what_is_finished(study, scheduler, tmp_path, monkeypatch):
    shown = []

    def interrupt(saved):
        shown.append(saved)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(running, "_in_short", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "study", study, scheduler=scheduler)
    sweep = load_sweep(tmp_path / "study")
    assert len(sweep.table) == len(shown) == 1
    assert len(pd.read_parquet(sweep.folder / "table.parquet")) == 1
    assert len(sweep.missing) == 3
    # They stay asked for, whatever else is asked for meanwhile.
    later = run(tmp_path / "study", scheduler=scheduler, betas=(4,), n_latents=(4,))
    assert later.missing == sweep.missing
    assert run(tmp_path / "study", scheduler=scheduler).missing == ()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({}, r"a new sweep needs a grid: betas and n_latents .* or a preset \(quick, paper\)"),
        ({"betas": (1,)}, "needs a grid"),
        ({"preset": "slow"}, "preset must be one of quick, paper, got 'slow'"),
        ({"preset": "quick", "betas": (-1,)}, "beta must be finite"),
        ({"preset": "quick", "n_workers": 0}, "n_workers must be at least 1"),
        ({"preset": "quick", "n_workers": 2, "scheduler": "tcp://x:1"}, "its own workers"),
        ({"preset": "quick", "retries": -1}, "retries must not be negative, got -1"),
        ({"preset": "quick", "data": "clouds"}, "there are no data 'clouds'"),
    ],
)
def test_refused_before_anything_is_written(keywords, message, tmp_path):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        run(tmp_path / "study", **keywords)
    assert list(tmp_path.iterdir()) == []


def test_a_study_or_a_preset(study, tmp_path):
    with pytest.raises(ValueError, match="give a study or a preset, not both"):
        run(tmp_path / "study", study, preset="quick")
    with pytest.raises(TypeError, match="a study has no gamma; it has betas, n_latents"):
        run(tmp_path / "study", study, gamma=1)


def test_a_cluster_without_workers_is_told_of(study, tmp_path, monkeypatch):
    warn = warnings.warn

    def warn_and_scale(message, *rest, **keywords):
        warn(message, *rest, **keywords)
        if "has no workers yet" in str(message):
            empty.scale(1)

    monkeypatch.setattr(cluster.warnings, "warn", warn_and_scale)
    with LocalCluster(
        n_workers=0,
        processes=False,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as empty:
        one = {"betas": (1,), "n_latents": (4,)}
        with pytest.warns(UserWarning, match="has no workers yet; the points wait for them"):
            sweep = run(tmp_path / "study", study, scheduler=empty.scheduler_address, **one)
    assert len(sweep.table) == 1


def test_a_script_without_a_guard_is_told_of_it(tmp_path, monkeypatch):
    """Its workers import it and come here, before anything is done."""
    monkeypatch.setattr(multiprocessing.current_process(), "_inheriting", True, raising=False)
    with pytest.raises(RuntimeError, match="put the call under if __name__"):
        run(tmp_path / "study", preset="quick")


@pytest.mark.parametrize("n_test", [2000, 3])
def test_the_device_is_settled_when_a_study_begins(study, n_test):
    """By the largest of its points, so that all are simulated alike."""
    large = dataclasses.replace(study, n_latents=(4, 4000), n_steps=100)
    is_large = n_test == 2000 and has_compiler()
    assert with_device(large, n_test).device == ("cpp_standalone" if is_large else "numpy")
    assert with_device(Study(**vars(large) | {"device": "cython"}), 3).device == "cython"
