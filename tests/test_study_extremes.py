"""Pages of any study: of one beta, of one K, without a control, without spikes."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pvae_brian.report import page_json, render_html
from pvae_brian.report.page.svg import embed_figure
from pvae_brian.report.study import (
    build_study_page,
)
from pvae_brian.report.study.page import find_extremes
from pvae_brian.sweep import Point

from .chance import fresh_generator
from .study_sweeps import MadeUpSweep, make_sweep
from .sweep_tables import example_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning:pvae_brian")


@pytest.mark.parametrize(
    "options",
    [
        {"betas": (1.0,)},
        {"n_latents": (64,)},
        {"betas": (1.0,), "n_latents": (64,), "models": ("poisson",)},
        {"models": ("poisson",)},
        {"models": ("gaussian-relu",)},
        {"models": ("gaussian",)},
        {"betas": (0.0, 1.0)},
        {"columns": {"converged": False}},
        {"columns": dict.fromkeys(["spikes", "prior_rate_cost", "energy", "kl_nats"], 0.0)},
        {"columns": {"spikes": np.nan}},
        {"without": [("poisson", 0.1, 32, 0), ("poisson", 4.0, 32, 0)]},
    ],
    ids=str,
)
def test_a_page_of_any_study(tmp_path, options):
    page = build_study_page(make_sweep(tmp_path, example_table(**options)))
    assert render_html(page).startswith("<!doctype html>")
    json.dumps(page_json(page), allow_nan=False)
    assert page.headline.endswith(".")
    for chart in page.charts:
        assert chart.alt.endswith(".")
        assert len(chart.alt) > 10
        assert "nan" not in chart.alt


def test_a_study_without_a_model_has_no_page(tmp_path):
    empty = make_sweep(tmp_path, example_table()[:0], missing=(Point("poisson", 1, 64, 0),))
    with pytest.raises(ValueError, match=r"none of 1 in .* is; run the sweep first"):
        build_study_page(empty)


def test_what_there_is_no_picture_of_is_left_out(tmp_path):
    def charts(**options):
        sweep = make_sweep(tmp_path, example_table(**options))
        return {chart.key for chart in build_study_page(sweep).charts}

    assert charts(models=("gaussian",)) == {"features"}
    assert not [key for key in charts(n_latents=(64,)) if key.startswith("growth")]
    sweep = make_sweep(tmp_path)
    sweep.__class__ = type("OblongSweep", (MadeUpSweep,), {"n_inputs": 12})
    assert "features" not in {chart.key for chart in build_study_page(sweep).charts}


def test_features_are_of_the_ends_of_beta_at_the_largest_k(tmp_path):
    asked = []

    class Asked(MadeUpSweep):
        def encoder(self, point):
            asked.append(point.name)
            return super().encoder(point)

    table = example_table(
        seeds=(3, 1), noise=0.1, rng=fresh_generator(), without=[("poisson", 4.0, 128, 1)]
    )
    sweep = make_sweep(tmp_path, table)
    encoders = find_extremes(Asked(sweep.folder, sweep.study, sweep.table, ()))
    # Where the largest K lacks the highest beta, another reaches further.
    assert asked == [
        "poisson_beta-0.1_K-64_seed-1",
        "poisson_beta-4_K-64_seed-1",
        "gaussian-relu_beta-0.1_K-128_seed-1",
        "gaussian-relu_beta-4_K-128_seed-1",
        "gaussian_beta-0.1_K-128_seed-1",
        "gaussian_beta-4_K-128_seed-1",
    ]
    assert next(iter(encoders)) == ("poisson", 0.1)


@pytest.mark.parametrize("models", [("poisson",), ("poisson", "gaussian-relu", "gaussian")])
@pytest.mark.parametrize("betas", [(1.0,), (0.5, 2.0)])
def test_nothing_sticks_out_of_the_charts(tmp_path, models, betas):
    page = build_study_page(make_sweep(tmp_path, example_table(models=models, betas=betas)))
    for chart in page.charts:
        svg = embed_figure(chart.figure, prefix="a", title="", description="")
        width, height = chart.figure.get_size_inches()
        box = chart.figure.get_tightbbox()
        assert svg
        assert box.x0 > -0.03, chart.key
        assert box.y0 > -0.03, chart.key
        assert box.x1 < width + 0.03, chart.key
        assert box.y1 < height + 0.03, chart.key
