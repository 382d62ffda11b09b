"""The page of a study: every number on it is one of the answers, and nothing is glossed over."""

from __future__ import annotations

import json
import math
import re

import matplotlib.image
import numpy as np
import pytest
import torch

from pvae_brian import Encoder
from pvae_brian.report import page_json, render_html, write_report
from pvae_brian.report.page.svg import embed_figure
from pvae_brian.report.study import (
    build_study_page,
    collect_study_quantities,
    write_figures,
)
from pvae_brian.report.study.headline import write_headline
from pvae_brian.report.study.page import find_extremes
from pvae_brian.sweep import Point, Study, Sweep, compute_point, load_sweep
from pvae_brian.sweep.answers import answer
from pvae_brian.sweep.folder import StudyFile, save_point, write_study
from pvae_brian.sweep.point import digest_data, load_images

from .browser import launched, needs_chromium, opened, text_contrasts, too_wide
from .chance import fresh_generator
from .pages import parsed
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
CHARTS = [
    "spikes",
    "zeros",
    "prior",
    "kl",
    "tradeoff",
    "growth-poisson",
    "growth-gaussian-relu",
    "features",
]


class MadeUpSweep(Sweep):
    """A sweep whose models were never trained."""

    n_inputs = 16

    def encoder(self, point):
        torch.manual_seed(0)
        return Encoder.from_module(
            torch.nn.Linear(self.n_inputs, point.n_latents).double(),
            np.zeros(point.n_latents),
            image_shape=(self.n_inputs,),
            decoder=torch.nn.Linear(point.n_latents, self.n_inputs).double(),
        )


def make_sweep(folder, table=None, missing=(), **settings) -> Sweep:
    table = example_table() if table is None else table
    study = Study(
        betas=tuple(dict.fromkeys(table["beta"])) or (1.0,),
        n_latents=tuple(dict.fromkeys(table["n_latents"].tolist())) or (64,),
        seeds=tuple(dict.fromkeys(table["seed"].tolist())) or (0,),
        models=tuple(dict.fromkeys(table["model"])) or ("poisson",),
        **settings,
    )
    write_study(folder, StudyFile(study.settings(), {"sha256": "ab" * 32}, study.points()))
    return MadeUpSweep(folder, study, table, tuple(missing))


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


# Quantities


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


# The headline


def headline(**changes) -> str:
    return write_headline(answer(example_table(**changes)))


def test_headline_has_the_numbers_of_what_came_out():
    answers = answer(example_table())
    text = write_headline(answers)
    assert text.startswith("Spikes of the P-VAE fall at every K as β rises from 0.5 to 4, to ")
    assert f"to {answers.trends[0].at[0].effect.value:.2g} times as many" in text
    assert "spikes of the ReLU control do not fall at every K" in text
    assert "0 of 9 steps go down" in text
    assert (
        "the prior rates of the P-VAE foretold its spikes, with a slope of 1.02 [1.02, 1.02]"
        in text
    )
    assert text.endswith(" over 15 models and R² 1.00.")
    assert text.count(".  ") == 0


def test_headline_says_as_plainly_what_did_not_come_out():
    rising = headline(columns={"spikes": lambda table: table["beta"] * table["n_latents"]})
    assert rising.startswith("Spikes of the P-VAE do not fall at every K as β rises from 0.5 to 4")
    assert "(0 of 9 steps go down, and they change to 8.0 times as many" in rising
    assert "did not foretell its spikes" in rising
    one = headline(betas=(1.0,))
    assert one.startswith("Whether spikes of the P-VAE fall as β rises cannot be told (a trend")
    none = headline(columns={"converged": False})
    assert "whether the prior foretold them cannot be told" in none
    assert re.search(r"\b15 .*did not converge", none)
    single = headline(n_latents=(64,), models=("poisson",))
    assert "fall at K = 64" in single
    assert "control" not in single
    control = headline(models=("gaussian-relu",))
    assert control.startswith("Spikes of the ReLU control do not fall at every K")
    assert "P-VAE" not in control
    assert headline(models=("gaussian",)) == "None of these models has spikes."


@pytest.mark.parametrize("sizes", [(64,), (32, 64)])
def test_headline_names_k_without_a_ratio(sizes):
    def silent(table):
        return table["spikes"].where((table["n_latents"] != 64) | (table["beta"] > 0.5), 0.0)

    text = headline(n_latents=sizes, models=("poisson",), columns={"spikes": silent})
    assert "without a ratio at K = 64, silent at first" in text
    assert not re.search(r"\b(nan|inf|infinite|undefined) times", text)


# Warnings


def warned(folder, table, **options) -> str:
    return " ".join(build_study_page(make_sweep(folder, table, **options)).warnings)


def test_a_study_says_what_it_lacks(tmp_path):
    table = example_table(
        without=[("poisson", 1.0, 64, 0)],
        not_converged=[("poisson", 4.0, 128, 0), ("gaussian-relu", 0.1, 32, 0)],
    )
    missing = (Point("poisson", 1.0, 64, 0),)
    text = warned(tmp_path, table, missing=missing, epochs=7)
    assert "1 of 45 models are missing, and in no answer: P-VAE at beta 1, K 64, seed 0" in text
    assert "2 models did not converge within 7 epochs: " in text
    assert "P-VAE at beta 4, K 128, seed 0" in text
    assert "ReLU control at beta 0.1, K 32, seed 0" in text
    assert "Of a P-VAE: the prior is more than 2 % from its mean posterior rates." in text
    assert "Of a control: the free energy had not reached its plateau." in text
    assert "holds by construction" in text
    assert "Each model was trained once" in text
    assert "compare directions, not digits" in text


def test_a_whole_study_has_few_warnings(tmp_path):
    rng = fresh_generator()
    text = warned(tmp_path, example_table(seeds=(0, 1, 2), noise=0.1, rng=rng))
    for word in ("missing", "converge", "trained once", "two seeds", "rough", "explained"):
        assert word not in text
    assert "same stimuli" in text


def test_a_wrong_simulation_is_not_to_be_trusted(tmp_path):
    def far(table):
        return np.where((table["model"] == "poisson") & (table["beta"] == 1), -7.0, 0.3)

    text = warned(tmp_path, example_table(columns={"fidelity_z": far, "n_stimuli": 12}))
    assert "simulation of 3 models deviates from its prediction, by up to 7.000" in text
    assert "With 12 stimuli the intervals over stimuli are rough" in text


def test_of_many_names_only_some_are_listed(tmp_path):
    text = warned(tmp_path, example_table(columns={"converged": False}))
    assert "45 models did not converge" in text
    assert "and 39 more" in text


# Extremes


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


# A real study


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


# Files


@pytest.mark.slow
def test_figures_are_written_whole_and_alike(sweep, tmp_path):
    paths = write_figures(sweep, tmp_path / "once")
    assert [path.name for path in paths] == [
        f"{key}.{ending}" for key in CHARTS for ending in ("png", "svg")
    ]
    again = write_figures(sweep, tmp_path / "twice")
    for path, same in zip(paths, again, strict=True):
        assert path.read_bytes() == same.read_bytes()
        assert not re.search(rb"\b20\d\d-\d\d-\d\d", path.read_bytes()), path
        if path.suffix == ".png":
            assert matplotlib.image.imread(path)[..., :3].std() > 0.03
        else:
            assert b"<text" not in path.read_bytes()


def test_figures_of_a_table_alone(tmp_path):
    paths = write_figures(example_table(), tmp_path / "new" / "folder", formats=("svg",))
    assert [path.name for path in paths] == [f"{key}.svg" for key in CHARTS[:-1]]


def test_figures_do_not_replace_others_unasked(tmp_path):
    table = example_table(betas=(1.0,), n_latents=(64,), models=("poisson",))
    (tmp_path / "kl.png").write_text("mine")
    with pytest.raises(FileExistsError, match=r"kl\.png"):
        write_figures(table, tmp_path, formats=("png",))
    assert [path.name for path in tmp_path.iterdir()] == ["kl.png"]
    write_figures(table, tmp_path, formats=("png",), force=True)
    assert (tmp_path / "kl.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"png, svg, got \('pdf',\)"):
        write_figures(table, tmp_path, formats=("pdf",))
    with pytest.raises(ValueError, match="got 'png'"):
        write_figures(table, tmp_path, formats="png")


# In a browser


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
