"""Studies and points: what they may be, and their names."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvae_brian import EnergyBudget
from pvae_brian.sweep import COLUMNS, PRESETS, Point, Study
from pvae_brian.sweep.quantities import column_names
from pvae_brian.sweep.study import FAMILIES, in_order, study_of

SMALL = {"betas": (1,), "n_latents": (8,)}


@given(
    st.builds(
        Point,
        st.sampled_from(FAMILIES),
        st.floats(0, allow_infinity=False, allow_nan=False),
        st.integers(1, 10**6),
        st.integers(0, 2**31 - 1),
    )
)
def test_a_name_says_all_of_a_point(point):
    assert Point.parse(point.name) == point
    assert "/" not in point.name


def test_names_are_as_a_reader_would_write_them():
    assert Point("poisson", 1, 64, 0).name == "poisson_beta-1_K-64_seed-0"
    assert Point("gaussian", -0.0, 1, 2).name == "gaussian_beta-0_K-1_seed-2"
    assert Point("gaussian-relu", 1e-9, 1, 2).name == "gaussian-relu_beta-1e-09_K-1_seed-2"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "poisson",
        "poisson_beta-1.0_K-64_seed-0",
        "poisson_beta-1_K-064_seed-0",
        "poisson_beta-1_K-0_seed-0",
        "poisson_beta-nan_K-1_seed-0",
        "laplace_beta-1_K-1_seed-0",
        "poisson_beta-1_K-1_seed-4294967296",
        ".poisson_beta-1_K-1_seed-0-abc.part",
    ],
)
def test_other_names_are_none(name):
    with pytest.raises(ValueError, match="a point must be named like poisson"):
        Point.parse(name)


def test_the_points_of_a_study_are_its_grid_in_one_order():
    study = Study(betas=(2, 0.5), n_latents=(8, 4), seeds=(1, 0), models=("gaussian", "poisson"))
    points = study.points()
    assert len(set(points)) == len(points) == 16
    assert points[:3] == (
        Point("poisson", 0.5, 4, 0),
        Point("poisson", 0.5, 4, 1),
        Point("poisson", 0.5, 8, 0),
    )
    assert points[-1] == Point("gaussian", 2, 8, 1)
    assert in_order(reversed(points)) == points


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"betas": ()}, "betas must be one value or more, each once"),
        ({"betas": (1, 1.0)}, "betas must be one value or more, each once"),
        ({"betas": (-1,)}, "beta must be finite and not negative, got -1"),
        ({"betas": (float("nan"),)}, "beta must be finite"),
        ({"n_latents": (0,)}, "n_latents must be at least 1, got 0"),
        ({"seeds": (-1,)}, "seed of a study must lie between"),
        ({"models": ("laplace",)}, "model must be one of 'poisson', 'gaussian-relu', 'gaussian'"),
        ({"n_train": 0}, "n_train must be at least 1"),
        ({"n_test": 0}, "n_test must be at least 1"),
        ({"data_seed": 2**31}, "seed of a study must lie between"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": 0}, "batch_size must be at least 1"),
        ({"learning_rate": 0}, "learning_rate must be positive, got 0"),
        ({"warmup": 2}, "warmup must be between 0 and 1, got 2"),
        ({"tolerance": -1}, "tolerance must be a finite number, not negative, or None, got -1"),
        ({"window_s": float("inf")}, "window_s must be positive"),
        ({"n_steps": 0}, "n_steps must be at least 1"),
        ({"device": "tpu"}, "device must be one of 'auto'"),
        ({"budget": "mine"}, "budget must be one of"),
    ],
)
def test_values_out_of_range(change, message):
    with pytest.raises(ValueError, match=message):
        Study(**(SMALL | change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"betas": 1.0}, r"betas must be several values, such as \(1.0,\)"),
        ({"models": "poisson"}, r"models must be several values, such as \('poisson',\)"),
        ({"betas": ("1",)}, "beta must be a number, got '1'"),
        ({"n_latents": (1.5,)}, "n_latents must be an integer, got 1.5"),
        ({"seeds": (0.5,)}, "seed must be an integer"),
        ({"data": None}, "data must be the name of"),
        ({"warmup": "much"}, "warmup must be a number, got 'much'"),
    ],
)
def test_values_of_another_kind(change, message):
    with pytest.raises(TypeError, match=message):
        Study(**(SMALL | change))


def test_settings_are_what_json_holds_and_give_the_study_back():
    mine = EnergyBudget("mine", 1e9, 0.0, grade="C", source="a guess")
    for study in (Study(**SMALL), Study(**SMALL, budget=mine, epochs=7, tolerance=None)):
        settings = study.settings()
        assert json.loads(json.dumps(settings)) == settings
        assert study_of(study.points(), settings) == dataclasses.replace(
            study, models=("poisson", "gaussian-relu")
        )
        assert not settings.keys() & {"betas", "n_latents", "seeds", "models"}


def test_a_grid_with_holes_is_held_by_the_smallest_whole_one():
    points = [Point("poisson", 1, 8, 0), Point("poisson", 0.5, 4, 3)]
    study = study_of(points, Study(**SMALL).settings())
    assert (study.betas, study.n_latents, study.seeds) == ((0.5, 1.0), (4, 8), (0, 3))
    assert study.models == ("poisson",)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_train_the_control_beside_each_model(name):
    points = PRESETS[name].points()
    by_family = {
        family: {(p.beta, p.n_latents, p.seed) for p in points if p.model == family}
        for family in ("poisson", "gaussian-relu")
    }
    assert by_family["poisson"] == by_family["gaussian-relu"]
    assert len(by_family["poisson"]) == {"quick": 8, "paper": 88}[name]


def test_columns_have_names_of_their_own():
    names = list(column_names())
    assert len(set(names)) == len(names)
    assert {"spikes_low", "spikes_high", "prior_rate_cost", "converged"} <= set(names)
    assert all(column.meaning for column in COLUMNS)
