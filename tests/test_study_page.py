"""The page of a study: every number on it is one of the answers, and nothing is glossed over."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest

from pvae_brian.report import page_json, render_html, write_report
from pvae_brian.report.study import (
    build_study_page,
    collect_study_quantities,
)
from pvae_brian.sweep import compute_point, load_sweep
from pvae_brian.sweep.answers import answer
from pvae_brian.sweep.folder import StudyFile, save_point, write_study
from pvae_brian.sweep.point import digest_data, load_images

from .browser import launched, needs_chromium, opened, text_contrasts, too_wide
from .chance import fresh_generator
from .pages import parsed
from .study_sweeps import CHARTS, make_sweep
from .sweep_examples import save_images, small_study
from .sweep_tables import example_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning:pvae_brian")


SECTIONS = [
    "Trend with β, from 0.5: P-VAE",
    "Trend with β, from 0.5: ReLU control",
    "How far zeros move with β: ReLU control",
    "Measured spikes against prior rate cost",
    "KL against measured spikes",
    "Growth of spikes with K, as a power of K",
    "Pareto front of energy and error",
    "Directions as published",
]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return make_sweep(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def page(sweep):
    return build_study_page(sweep, command="pvae-brian sweep STUDY")


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Four models trained for a moment, with all their files."""
    folder = tmp_path_factory.mktemp("real")
    study = small_study(save_images(folder / "images.npy"))
    data = {"sha256": digest_data(load_images(study))}
    (folder / "study").mkdir()
    kept = StudyFile(study.settings(), data, study.points())
    write_study(folder / "study", kept)
    for point in study.points():
        save_point(folder / "study", kept, point, compute_point(study, point))
    return load_sweep(folder / "study")


def test_every_question_has_its_section(page):
    assert list(dict.fromkeys(q.section for q in page.quantities)) == SECTIONS
    assert [chart.key for chart in page.charts] == CHARTS
    assert [table.title for table in page.tables] == [
        "Questions and verdicts",
        "All models: spikes and their cost",
        "All models: code and sparsity",
        "Beside published values",
    ]


def test_quantities_are_those_of_the_answers(sweep):
    answers = answer(sweep.table)
    found = {quantity.key: quantity for quantity in collect_study_quantities(answers)}
    expected = {}
    for trend in answers.trends:
        key = f"trend.{trend.family}.{trend.quantity}"
        expected |= {f"{key}.k{at.n_latents}": at.effect for at in trend.at}
        assert found[f"{key}.p_value"].value == trend.test.p_value
    for relation in answers.predictions:
        key = f"prediction.{relation.family}"
        expected |= {
            f"{key}.slope": relation.line.slope,
            f"{key}.intercept": relation.line.intercept,
            f"{key}.r2": relation.line.r2,
            f"{key}.origin": relation.through_origin,
            f"{key}.power": relation.log_line.slope,
            f"{key}.ratio": relation.ratio,
        }
    for relation in answers.kl_relations:
        key = f"kl.{relation.family}"
        expected |= {
            f"{key}.spearman": relation.spearman,
            f"{key}.slope": relation.line.slope,
            f"{key}.bits_per_spike": relation.ratio.scaled(1 / math.log(2)),
        }
    for growth in answers.growth:
        if growth.quantity == "spikes":
            expected[f"growth.{growth.family}.beta{growth.beta:g}"] = growth.exponent
    assert len(expected) > 40
    for key, estimate in expected.items():
        ends = (found[key].value, found[key].low, found[key].high)
        np.testing.assert_array_equal(ends, (estimate.value, estimate.low, estimate.high), key)
    control = answers.steadiness[-1]
    assert (control.family, control.quantity) == ("gaussian-relu", "latent_zeros")
    for at in control.at:
        held = found[f"steadiness.gaussian-relu.latent_zeros.k{at.n_latents}"]
        assert held.value == at.range_from
        assert math.isnan(held.low)
    assert found["pareto.all"].value == len(answers.fronts[-1].points)
    assert found["pareto.beaten"].value == answers.dominance.n_dominated
    agree = [d.n_agree for d in answers.directions if d.quantity == "kl_nats"]
    assert found["published.poisson.kl_nats"].value == sum(agree)


def test_intervals_say_what_they_speak_of():
    def how(table):
        found = {q.key: q for q in collect_study_quantities(answer(table))}
        return found["trend.poisson.spikes.k64"].interval

    seeds = {"seeds": (0, 1), "noise": 0.1, "rng": fresh_generator()}
    assert how(example_table()) == "MOVER, bootstrap over stimuli"
    assert how(example_table(**seeds)) == "MOVER, Student's over seeds"
    lacking = example_table(**seeds, without=[("poisson", 2.0, 64, 1)])
    assert how(lacking) == "MOVER, over seeds or stimuli"


def test_page_and_json_say_the_same(page):
    data, html = page_json(page), render_html(page)
    json.dumps(data, allow_nan=False)
    read = parsed(html)
    assert json.loads("".join(read.scripts)) == data
    assert list(read.rows) == list(data["quantities"])
    for key, row in read.rows.items():
        held = data["quantities"][key]
        ends = [held[name] for name in ("value", "low", "high")]
        if row["interval"] == "exact":
            assert ends[0] == ends[1] == ends[2]
            ends = ends[:1]
        assert row["numbers"] == [number for number in ends if number is not None]


def test_json_holds_the_whole_table(sweep, page):
    held = page_json(page)["data"]
    table = sweep.table
    assert list(held["table"]) == list(table.columns)
    for name, values in held["table"].items():
        expected = [None if isinstance(x, float) and math.isnan(x) else x for x in table[name]]
        assert values == expected, name
    assert held["answers"] == answer(table).sentences()
    assert len(held["beside_published"]["value"]) > 10
    assert held["missing"] == []


def test_all_models_are_in_the_table(sweep, page):
    _, cost, code, _ = page.tables
    heads = {
        "spikes per stimulus": "spikes",
        "energy (ATP per stimulus)": "energy",
        "error (squared)": "error",
        "zeros among latents": "latent_zeros",
    }
    assert len(cost.rows) == len(code.rows) == len(sweep.table) == 45
    for k, (_, model) in enumerate(sweep.table.iterrows()):
        cells = {}
        for table in (cost, code):
            cells |= dict(zip(table.columns, table.rows[k], strict=True))
            assert table.rows[k][1:4] == (model["beta"], model["n_latents"], 0)
        for head, name in heads.items():
            np.testing.assert_array_equal(cells[head], model[name])
        assert cells["converged"] == "yes"


def test_verdicts_are_those_of_the_answers(sweep, page):
    answers = answer(sweep.table)
    rows = {question: verdict for question, verdict, _ in page.tables[0].rows}
    assert len(rows) == len(page.tables[0].rows)
    assert (
        rows["P-VAE: number of spikes per stimulus falls with β at every K (β from 0.5)"] == "yes"
    )
    assert rows["P-VAE: number of spikes per stimulus falls with β at every K (all β)"] == "yes"
    assert (
        rows["ReLU control: number of spikes per stimulus falls with β at every K (β from 0.5)"]
        == "no"
    )
    assert rows["P-VAE: the prior rate cost predicts spikes"] == "yes"
    assert "ReLU control: the prior rate cost predicts spikes" not in rows
    assert rows["Each control is beaten by a P-VAE in energy and error"] == "yes"
    n_zeros = sum(one.family == "gaussian-relu" for one in answers.steadiness)
    assert len(rows) == 12 + n_zeros + 1 + 2 + 1 + len(answers.directions)


def test_published_values_stand_at_the_nearest_k(page):
    table = page.tables[3]
    assert {row[1] for row in table.rows} == {128}
    assert {row[2] for row in table.rows} == {0.1, 0.5, 1.0, 2.0, 4.0}
    (held,) = [row for row in table.rows if row[0].endswith("counts") and row[2] == 1.0]
    assert held[4:] == (1.0, 0.93122, "amortized_sparsity_vs_beta")


def test_how_to_reproduce_it(sweep, page):
    facts = page.reproduction
    assert next(iter(facts)) == "command"
    assert facts["command"] == "pvae-brian sweep STUDY"
    assert facts["grid"]["betas"] == [0.1, 0.5, 1.0, 2.0, 4.0]
    assert facts["settings"] == sweep.study.settings()
    assert facts["data"]["sha256"] == "ab" * 32
    assert {"pandas", "matplotlib"} <= set(facts["versions"])
    assert "command" not in build_study_page(sweep).reproduction


def test_assumptions_name_the_budget(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    page = build_study_page(make_sweep(tmp_path / "a"))
    spike = next(a for a in page.assumptions if a.statement.startswith("attwell-laughlin-2001"))
    assert spike.value.startswith("7.1\N{MULTIPLICATION SIGN}10⁸ ATP")
    assert spike.grade == "B"
    # Each pixel of an image is a synapse, as the points were counted.
    page = build_study_page(make_sweep(tmp_path / "b", budget="loihi"))
    spike = next(a for a in page.assumptions if a.statement.startswith("loihi: a spike"))
    assert "16 synaptic events" in spike.value
    assert "energy (J per stimulus)" in page.tables[1].columns


def test_assumptions_say_what_converged_means(tmp_path):
    table = example_table()
    table.loc[[0, 20], "plateau"] = False
    (stated,) = (
        a
        for a in build_study_page(make_sweep(tmp_path, table)).assumptions
        if "'conv" in a.statement
    )
    assert "holds by construction" in stated.statement
    assert stated.value == "plateau of the free energy reached by 14 of 15 P-VAEs"


def test_a_page_of_models_that_were_trained(real, tmp_path):
    page = build_study_page(real)
    assert "features" in {chart.key for chart in page.charts}
    facts = page.reproduction
    assert {"brian2", "torch", "pvae_brian", "pandas"} <= set(facts["versions"])
    assert facts["devices"]
    assert page_json(page)["data"]["units"]["energy"] == "ATP/stimulus"
    html_path, _ = write_report(page, tmp_path / "study.html")
    assert html_path.stat().st_size < 1_000_000
    assert str(tmp_path.parent) not in re.sub(r"images\.npy", "", page.headline)


@needs_chromium
@pytest.mark.slow
def test_the_page_can_be_read_on_a_phone_and_in_the_dark(sweep, tmp_path):
    path, _ = write_report(build_study_page(sweep), tmp_path / "study.html")
    with launched() as browser:
        for width in (390, 1280):
            for scheme in ("light", "dark"):
                with opened(browser, path, width=width, scheme=scheme) as visit:
                    assert visit.messages == []
                    assert too_wide(visit) == []
                    assert [pair for pair in text_contrasts(visit) if pair[0] < 4.5] == []
                    sizes = visit.run(
                        """() => [...document.querySelectorAll("svg.chart text")].map(text =>
                            parseFloat(getComputedStyle(text).fontSize)
                            * text.closest("svg").getScreenCTM().a)"""
                    )
                    assert min(sizes) >= 10
        with opened(browser, path, width=672, media="print") as visit:
            assert too_wide(visit) == []
