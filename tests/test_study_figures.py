"""Figures of a study: what the axes hold is what the table holds, and the extremes."""

from __future__ import annotations

import functools
import itertools
import warnings

import matplotlib
import matplotlib.pyplot
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from pvae_brian import Encoder
from pvae_brian.decoding import decoder_features
from pvae_brian.report.page.style import report_style
from pvae_brian.report.plots._axes import write_number
from pvae_brian.report.study import (
    plot_features_by_beta,
    plot_growth,
    plot_kl_over_models,
    plot_spikes_against_beta,
    plot_spikes_against_prior,
    plot_tradeoff,
    plot_zeros_against_beta,
)
from pvae_brian.report.study.charts import published_zeros
from pvae_brian.sweep.answers import compute_fronts, compute_growth, compute_predictions
from pvae_brian.sweep.published import load_published

from .chance import fresh_generator, fresh_seed
from .plotted import NO_WARNINGS, intervals_of, line_called, new_axes, rendered, texts_of
from .sweep_tables import example_table, with_intervals

pytestmark = NO_WARNINGS

NAMES = {"poisson": "P-VAE", "gaussian-relu": "ReLU control", "gaussian": "Gaussian VAE"}
SPIKING = ("poisson", "gaussian-relu")
FIGURES = {
    "spikes": plot_spikes_against_beta,
    "zeros": plot_zeros_against_beta,
    "prior": plot_spikes_against_prior,
    "kl": plot_kl_over_models,
    "tradeoff": plot_tradeoff,
    "growth": plot_growth,
}
every_figure = pytest.mark.parametrize("plot", FIGURES.values(), ids=FIGURES)

NO_SPIKES = dict.fromkeys(["spikes", "prior_rate_cost", "energy", "kl_nats"], 0.0)
TABLES = {
    "all": {},
    "one beta": {"betas": (1.0,)},
    "one K": {"n_latents": (64,)},
    "one model": {"betas": (1.0,), "n_latents": (64,), "models": ("poisson",)},
    "no control": {"models": ("poisson",)},
    "no P-VAE": {"models": ("gaussian-relu", "gaussian")},
    "no spikes known": {"models": ("gaussian",)},
    "missing points": {"without": [("poisson", 0.1, 32, 0), ("gaussian-relu", 4.0, 128, 0)]},
    "some not converged": {"not_converged": [("poisson", 4.0, 128, 0), ("poisson", 0.1, 32, 0)]},
    "none converged": {"columns": {"converged": False}},
    "silent": {"columns": NO_SPIKES},
    "beta of 0": {"betas": (0.0, 0.5, 2.0)},
    "nothing but beta of 0": {"betas": (0.0,)},
    "many": {
        "betas": (0.01, 0.1, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0),
        "n_latents": (32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096),
    },
    "no intervals": {
        "columns": {"spikes": lambda table: table["spikes"].where(table["beta"] > 0.5)}
    },
}


@functools.cache
def table_of(name) -> pd.DataFrame:
    if name == "several seeds":
        return example_table(seeds=(0, 1, 2), noise=0.2, rng=fresh_generator())
    if name == "empty":
        return example_table()[:0]
    return example_table(**TABLES[name])


every_table = pytest.mark.parametrize("name", [*TABLES, "several seeds", "empty"])


def legends_of(ax) -> list[str]:
    legends = [child for child in ax.get_children() if isinstance(child, Legend)]
    # Those below come first, for the one above them is made last.
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def one_called(ax, label):
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return line


def labels_of(ax) -> list[str]:
    return [str(line.get_label()) for line in ax.get_lines()]


# All of them


@every_figure
@every_table
def test_any_study_can_be_plotted(plot, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot(table_of(name), new_axes("constrained"))
        assert b"</svg>" in rendered(ax, "svg")
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    # There is something to see, or a word why not.
    assert ax.get_lines() or ax.collections or texts_of(ax) == ["no model has spikes"]


@every_figure
def test_figures_go_where_they_are_told(plot):
    before = matplotlib.pyplot.get_fignums()
    settings = dict(matplotlib.rcParams)
    table, ax = table_of("all"), new_axes()
    copy = table.copy()
    assert plot(table, ax) is ax
    assert matplotlib.pyplot.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings
    assert ax.get_title() == ""
    pd.testing.assert_frame_equal(table, copy)
    assert plot(table) is not ax
    matplotlib.pyplot.close("all")


@every_figure
def test_what_is_no_table_of_a_study_is_refused(plot):
    before = matplotlib.pyplot.get_fignums()
    with pytest.raises(TypeError, match=r"got dict; pass sweep\.table"):
        plot({"model": ["poisson"]})
    with pytest.raises(ValueError, match="none named n_latents"):
        plot(table_of("all").drop(columns="n_latents"))
    with pytest.raises(ValueError, match=r"none named .*pass sweep\.table"):
        plot(table_of("all")[["model", "beta", "n_latents", "seed"]])
    assert matplotlib.pyplot.get_fignums() == before


def test_labels_have_units():
    labels = {name: plot(table_of("all"), new_axes()) for name, plot in FIGURES.items()}
    assert {name: (ax.get_xlabel(), ax.get_ylabel()) for name, ax in labels.items()} == {
        "spikes": ("β (weight of the KL)", "measured (spikes per stimulus)"),
        "zeros": ("β (weight of the KL)", "fraction of zero counts"),
        "prior": ("prior rate cost (spikes per stimulus)", "measured (spikes per stimulus)"),
        "kl": ("measured (spikes per stimulus)", "KL (nats per stimulus)"),
        "tradeoff": (
            "energy of spikes (ATP per stimulus)",
            "error (squared, summed over pixels)",
        ),
        "growth": ("K (latents)", "measured (spikes per stimulus)"),
    }
    ax = plot_tradeoff(table_of("all"), new_axes(), unit="J")
    assert ax.get_xlabel() == "energy of spikes (J per stimulus)"


@every_figure
@pytest.mark.parametrize("name", ["all", "many", "some not converged", "several seeds"])
def test_legends_cover_nothing_and_nothing_sticks_out(plot, name):
    with report_style():
        ax = plot(table_of(name), Figure(figsize=(4.9, 5.0)).subplots())
        ax.figure.draw_without_rendering()
    legends = [child for child in ax.get_children() if isinstance(child, Legend)]
    boxes = [legend.get_window_extent() for legend in legends]
    for k, box in enumerate(boxes):
        assert box.y0 >= ax.bbox.y1 - 1
        assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in boxes[k + 1 :])
    width, height = ax.figure.get_size_inches()
    outside = ax.figure.get_tightbbox()
    assert outside.x0 > -0.03
    assert outside.y0 > -0.03
    assert outside.x1 < width + 0.03
    assert outside.y1 < height + 0.03
    # The axes have kept half of the sheet.
    assert ax.bbox.height > 0.45 * ax.figure.bbox.height


@every_figure
def test_colours_are_those_of_the_style(plot):
    ink, series = "#123456", ["#222222", "#333333", "#444444", "#555555"]
    style = {"text.color": ink, "axes.prop_cycle": matplotlib.cycler(color=series)}
    with matplotlib.rc_context(style):
        ax = plot(table_of("some not converged"), new_axes())
        shown = {to_rgba(line.get_color())[:3] for line in ax.get_lines()}
        shown |= {tuple(rgb) for each in ax.collections for rgb in each.get_edgecolor()[:, :3]}
        shown |= {to_rgba(text.get_color())[:3] for text in ax.texts}
    assert shown <= {to_rgba(colour)[:3] for colour in (ink, *series)}


@every_figure
def test_files_are_small(plot):
    assert len(rendered(plot(table_of("many"), new_axes()), "svg")) < 400_000


# Spikes and zeros against beta


@pytest.mark.parametrize(
    ("plot", "quantity"),
    [(plot_spikes_against_beta, "spikes"), (plot_zeros_against_beta, "fraction_zeros")],
)
@pytest.mark.parametrize("name", ["all", "one beta", "missing points", "several seeds"])
def test_each_line_is_a_family_and_k(plot, quantity, name):
    table = table_of(name)
    ax = plot(table, new_axes())
    found = 0
    for (model, k), rows in table[table["model"] != "gaussian"].groupby(["model", "n_latents"]):
        label = f"{NAMES[model]}, K = {k}"
        means = rows.groupby("beta")[quantity].mean()
        line = one_called(ax, label)
        np.testing.assert_array_equal(line.get_xdata(), means.index)
        np.testing.assert_allclose(line.get_ydata(), means, rtol=1e-14)
        points = one_called(ax, f"_{label}")
        np.testing.assert_array_equal(points.get_xdata(), rows["beta"])
        np.testing.assert_array_equal(points.get_ydata(), rows[quantity])
        found += 1
    assert found == 6
    assert [label for label in labels_of(ax) if label.startswith("Gaussian VAE, K = 64")] == (
        ["Gaussian VAE, K = 64, the model's latents"] if quantity == "fraction_zeros" else []
    )


def test_bars_are_the_intervals_of_the_table():
    table = table_of("all")
    ax = plot_spikes_against_beta(table, new_axes())
    bars = [line for line in ax.get_lines() if line.get_label() == "_interval of spikes"]
    groups = [
        table[(table["model"] == model) & (table["n_latents"] == k)]
        for model in SPIKING
        for k in (32, 64, 128)
    ]
    for line, rows in zip(bars, groups, strict=True):
        at, low, high = intervals_of(line)
        np.testing.assert_array_equal(at, rows["beta"])
        np.testing.assert_array_equal(low, rows["spikes_low"])
        np.testing.assert_array_equal(high, rows["spikes_high"])
    # None of them leaves the axes.
    bottom, top = ax.get_ylim()
    assert bottom < table["spikes_low"].min()
    assert table["spikes_high"].max() < top


def test_dashed_are_the_zeros_of_the_models_own_latents():
    table = table_of("all")
    ax = plot_zeros_against_beta(table, new_axes())
    for (model, k), rows in table.groupby(["model", "n_latents"]):
        line = one_called(ax, f"{NAMES[model]}, K = {k}, the model's latents")
        np.testing.assert_array_equal(line.get_ydata(), rows["latent_zeros"])
        assert (line.get_linestyle(), line.get_marker()) == ("--", "x")
    assert "the model's latents" in legends_of(ax)


def test_families_differ_by_colour_and_marker_and_k_by_shade_and_size():
    ax = plot_spikes_against_beta(table_of("all"), new_axes())
    points = {
        (model, k): one_called(ax, f"_{NAMES[model]}, K = {k}")
        for model in SPIKING
        for k in (32, 64, 128)
    }
    looks = {key: (line.get_color(), line.get_marker()) for key, line in points.items()}
    assert {looks["poisson", k] for k in (32, 64, 128)} == {("C0", "o")}
    assert {looks["gaussian-relu", k] for k in (32, 64, 128)} == {("C1", "s")}
    for get in (lambda line: line.get_alpha(), lambda line: line.get_markersize()):
        small, middle, large = (get(points["poisson", k]) for k in (32, 64, 128))
        assert small < middle < large
    assert large
    assert points["poisson", 128].get_alpha() == 1
    assert legends_of(ax) == ["K = 32", "K = 64", "K = 128", "P-VAE", "ReLU control"]


def test_models_that_did_not_converge_are_hollow():
    table = table_of("some not converged")
    for plot in (plot_spikes_against_beta, plot_growth, plot_kl_over_models):
        ax = plot(table, new_axes())
        hollow = [line for line in ax.get_lines() if line.get_label().endswith("not converged")]
        assert {line.get_markerfacecolor() for line in hollow} == {"none"}
        assert sum(len(line.get_xdata()) for line in hollow) == 2
        assert "not converged" in legends_of(ax)
        assert "not converged" not in legends_of(plot(table_of("all"), new_axes()))
    ax = plot_spikes_against_beta(table, new_axes())
    (point,) = one_called(ax, "_P-VAE, K = 128, not converged").get_xydata()
    row = table[(table["model"] == "poisson") & (table["n_latents"] == 128) & (table["beta"] == 4)]
    assert tuple(point) == (4.0, row["spikes"].item())
    # A table that does not say so has none.
    ax = plot_spikes_against_beta(table.drop(columns="converged"), new_axes())
    assert "not converged" not in legends_of(ax)


@pytest.mark.parametrize("name", ["all", "many", "beta of 0", "one beta"])
def test_each_beta_has_a_tick_and_names_do_not_touch(name):
    table = table_of(name)
    betas = sorted(set(table["beta"]))
    with report_style():
        ax = plot_spikes_against_beta(table, Figure().subplots())
        ax.figure.draw_without_rendering()
    np.testing.assert_array_equal(ax.get_xticks(), betas)
    names = [label for label in ax.get_xticklabels() if label.get_text()]
    assert {float(label.get_text()) for label in names} <= set(betas)
    assert {f"{betas[0]:g}", f"{betas[-1]:g}"} <= {label.get_text() for label in names}
    boxes = [label.get_window_extent() for label in names]
    assert all(a.x1 + 1 < b.x0 for a, b in itertools.pairwise(boxes))
    left, right = ax.get_xlim()
    assert left < betas[0]
    assert betas[-1] < right


def test_equal_ratios_of_beta_are_at_equal_distances():
    ax = plot_spikes_against_beta(example_table(betas=(0.5, 1.0, 2.0, 4.0)), new_axes())
    at = ax.transData.transform([(beta, 1.0) for beta in (0.5, 1.0, 2.0, 4.0)])[:, 0]
    np.testing.assert_allclose(np.diff(at), np.diff(at)[0])
    ax = plot_spikes_against_beta(example_table(betas=(0.0, 1.0, 2.0, 4.0)), new_axes())
    at = ax.transData.transform([(beta, 1.0) for beta in (0.0, 1.0, 2.0, 4.0)])[:, 0]
    assert (np.diff(at) > 0).all()


def test_axes_are_logarithmic_where_there_is_a_range():
    assert plot_spikes_against_beta(table_of("all"), new_axes()).get_yscale() == "log"
    narrow = example_table(betas=(0.5, 1.0), models=("poisson",), n_latents=(64,))
    ax = plot_spikes_against_beta(narrow, new_axes())
    assert ax.get_yscale() == "linear"
    assert ax.get_ylim()[0] == 0


def test_what_a_log_axis_cannot_show_is_counted():
    table = with_intervals(table_of("all"))
    table.loc[(table["model"] == "poisson") & (table["beta"] == 4), "spikes"] = 0.0
    ax = plot_spikes_against_beta(with_intervals(table), new_axes())
    assert "3 not shown: at or near 0" in legends_of(ax)
    np.testing.assert_array_equal(one_called(ax, "P-VAE, K = 64").get_xdata(), [0.1, 0.5, 1.0, 2.0])
    ax = plot_growth(with_intervals(table), new_axes())
    assert "3 not shown: at or near 0" in legends_of(ax)


def test_published_values_are_those_of_the_file():
    table = table_of("all")
    published = published_zeros(table["beta"])
    ax = plot_zeros_against_beta(table, new_axes(), published=published)
    raw = load_published("amortized_sparsity_vs_beta")
    raw = raw[(raw["beta"] >= 0.1 / 1.5) & (raw["beta"] <= 4 * 1.5)]
    assert 0 < len(raw) < 36
    for model, name in (("poisson", "poisson+amort"), ("gaussian-relu", "gaussian+relu+amort")):
        (line,) = [
            line
            for line in ax.get_lines()
            if line.get_label() == f"published {NAMES[model]}, van Hateren 16x16"
        ]
        rows = raw[raw["model"] == name]
        np.testing.assert_array_equal(line.get_xdata(), rows["beta"])
        np.testing.assert_array_equal(line.get_ydata(), rows["fraction_zeros"])
        assert line.get_markerfacecolor() == "none"
    published_names = [name for name in legends_of(ax) if name.startswith("published")]
    assert published_names == [f"published {name}, van Hateren 16x16" for name in NAMES.values()]
    # They have no ticks of their own, but room.
    np.testing.assert_array_equal(ax.get_xticks(), [0.1, 0.5, 1, 2, 4])
    with pytest.raises(ValueError, match="none named spikes"):
        plot_spikes_against_beta(table, new_axes(), published=published)


def test_published_spikes_have_room():
    published = pd.DataFrame(
        {"model": ["poisson"], "beta": [16.0], "spikes": [500.0], "dataset": ["elsewhere"]}
    )
    ax = plot_spikes_against_beta(table_of("all"), new_axes(), published=published)
    assert ax.get_xlim()[1] > 16
    assert ax.get_ylim()[1] > 500
    assert "published P-VAE, elsewhere" in legends_of(ax)


# Spikes against the prior, KL against spikes


@pytest.mark.parametrize(
    ("plot", "x", "y"),
    [
        (plot_spikes_against_prior, "prior_rate_cost", "spikes"),
        (plot_kl_over_models, "spikes", "kl_nats"),
    ],
)
@pytest.mark.parametrize("name", ["all", "one model", "missing points", "several seeds"])
def test_each_point_is_a_model(plot, x, y, name):
    table = table_of(name)
    ax = plot(table, new_axes())
    spiking = table[table["model"] != "gaussian"]
    for (model, k), rows in spiking.groupby(["model", "n_latents"]):
        points = one_called(ax, f"{NAMES[model]}, K = {k}")
        np.testing.assert_array_equal(points.get_xdata(), rows[x])
        np.testing.assert_array_equal(points.get_ydata(), rows[y])
    assert not [label for label in labels_of(ax) if label.startswith("Gaussian")]
    for end in ("low", "high"):
        low, high = ax.get_ylim()
        assert ((low <= spiking[f"{y}_{end}"]) & (spiking[f"{y}_{end}"] <= high)).all()


def test_equal_numbers_are_on_the_line():
    ax = plot_spikes_against_prior(table_of("all"), new_axes())
    line = one_called(ax, "equal")
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert ax.get_xlim() == ax.get_ylim()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_allclose(line.get_xdata()[[0, -1]], ax.get_xlim())


def test_fits_are_those_of_the_relations():
    table = table_of("some not converged")
    relations = compute_predictions(table)
    ax = plot_spikes_against_prior(table, new_axes(), relations=relations)
    for relation in relations:
        line = line_called(ax, f"{NAMES[relation.family]}: ")
        x, y = line.get_data()
        slope = relation.log_line.slope.value
        expected = relation.log_line.intercept.value + slope * np.log(x)
        np.testing.assert_allclose(np.log(y), expected, atol=1e-12)
        assert line.get_label() in legends_of(ax)
        assert f"x^{slope:.2f}" in line.get_label()
    # Where axes are linear, it is the straight line.
    narrow = example_table(betas=(0.5, 0.6, 0.7), models=("poisson",), n_latents=(64,))
    (relation, _) = compute_predictions(narrow)
    ax = plot_spikes_against_prior(narrow, new_axes(), relations=(relation,))
    line = line_called(ax, "P-VAE: ")
    expected = relation.line.intercept.value + relation.line.slope.value * line.get_xdata()
    np.testing.assert_allclose(line.get_ydata(), expected)
    # It has no say in how much is shown.
    assert ax.get_ylim() == plot_spikes_against_prior(narrow, new_axes()).get_ylim()


def test_models_that_did_not_converge_have_no_fit():
    table = table_of("none converged")
    ax = plot_spikes_against_prior(table, new_axes(), relations=compute_predictions(table))
    assert not [label for label in labels_of(ax) if "x^" in label]
    assert "equal" in labels_of(ax)


def test_a_line_of_equal_bits_per_spike():
    table = table_of("no control")
    ax = plot_kl_over_models(table, new_axes())
    line = line_called(ax, "KL per spike: 4 bits")
    np.testing.assert_allclose(line.get_ydata(), 4 * np.log(2) * line.get_xdata())
    # Half of the models are above four and a half, or below three and a half.
    assert 3.5 < np.median(table["bits_per_spike"]) < 4.5


def test_kl_axes_are_alike():
    """The KL differs twofold here, spikes a hundredfold."""
    columns = {"kl_nats": lambda table: 10 + 10 * (table["beta"] > 1)}
    ax = plot_kl_over_models(example_table(models=("poisson",), columns=columns), new_axes())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    narrow = example_table(betas=(0.5, 0.6), models=("poisson",), n_latents=(64,))
    ax = plot_kl_over_models(narrow, new_axes())
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_bars_go_both_ways_where_both_have_intervals():
    table = table_of("one model")
    ax = plot_kl_over_models(table, new_axes())
    along = {line.get_label(): line for line in ax.get_lines()}
    for name, at in (("spikes", "kl_nats"), ("kl_nats", "spikes")):
        found = intervals_of(along[f"_interval of {name}"])
        expected = (table[at].item(), table[f"{name}_low"].item(), table[f"{name}_high"].item())
        np.testing.assert_array_equal(np.ravel(found), expected)


# Error, energy and KL


def marks_of(ax) -> dict[str, object]:
    return {mark.get_label(): mark for mark in ax.collections}


@pytest.mark.parametrize("name", ["all", "some not converged", "several seeds"])
def test_tradeoff_holds_three_columns(name):
    table = table_of(name)
    ax = plot_tradeoff(table, new_axes())
    spiking = table[table["model"] != "gaussian"]
    greatest = spiking["kl_nats"].max()
    for (model, k), rows in spiking.groupby(["model", "n_latents"]):
        mark = marks_of(ax)[f"_{NAMES[model]}, K = {k}"]
        np.testing.assert_array_equal(mark.get_offsets(), rows[["energy", "error"]])
        sizes = mark.get_sizes()
        large = sizes > sizes.min()
        np.testing.assert_allclose(sizes[large], 81 * rows["kl_nats"].to_numpy()[large] / greatest)
        faces = np.broadcast_to(mark.get_facecolor()[:, 3] > 0, len(rows))
        np.testing.assert_array_equal(faces, rows["converged"])
        means = rows.groupby("beta")[["energy", "error"]].mean()
        path = one_called(ax, f"{NAMES[model]}, K = {k}")
        np.testing.assert_array_equal(path.get_xydata(), means)
    assert len(marks_of(ax)) == 6


def test_front_falls_in_steps():
    table = table_of("all")
    front = compute_fronts(table)[-1].points
    ax = plot_tradeoff(table, new_axes(), front=front.sample(frac=1, random_state=1))
    line = one_called(ax, "Pareto front")
    np.testing.assert_array_equal(line.get_xydata(), front[["energy", "error"]])
    # Between two models the cheaper one is the best that can be afforded.
    assert line.get_drawstyle() == "steps-post"
    assert "Pareto front" in legends_of(ax)
    assert "Pareto front" not in legends_of(plot_tradeoff(table, new_axes(), front=front[:0]))


def test_betas_are_written_at_models_that_have_them():
    table = table_of("all")
    ax = plot_tradeoff(table, new_axes("constrained"))
    spiking = table[table["model"] != "gaussian"]
    written = set()
    for text in ax.texts:
        energy, error = text.xy
        row = spiking[(spiking["energy"] == energy) & (spiking["error"] == error)]
        assert row["beta"].item() == float(text.get_text())
        written.add((row["model"].item(), row["beta"].item()))
    # The ends of each family at least.
    assert {(model, beta) for model in SPIKING for beta in (0.1, 4.0)} <= written
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent().padded(-1) for text in ax.texts]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])


def test_kl_in_the_legend_is_round():
    entries = legends_of(plot_tradeoff(table_of("all"), new_axes()))
    assert {"KL 50 nats", "KL 10 nats"} <= set(entries)
    silent = example_table(columns={"kl_nats": 0.0})
    assert not [text for text in legends_of(plot_tradeoff(silent, new_axes())) if "nats" in text]


# Growth with K


@pytest.mark.parametrize("name", ["all", "one K", "missing points", "several seeds"])
def test_growth_holds_a_line_for_each_beta(name):
    table = table_of(name)
    ax = plot_growth(table, new_axes())
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.get_xticks(), sorted(set(table["n_latents"])))
    for (model, beta), rows in table[table["model"] != "gaussian"].groupby(["model", "beta"]):
        line = one_called(ax, f"{NAMES[model]}, β = {beta:g}")
        means = rows.groupby("n_latents")["spikes"].mean()
        np.testing.assert_array_equal(line.get_xdata(), means.index)
        np.testing.assert_allclose(line.get_ydata(), means, rtol=1e-14)


def test_exponents_are_in_the_legend():
    table = with_intervals(table_of("no control"))
    table["spikes"] = 3.0 * table["n_latents"] ** (0.3 * table["beta"])
    expected = [f"β = {beta:g}: ∝ K^{0.3 * beta:.2g}" for beta in (0.1, 0.5, 1, 2, 4)]
    table = with_intervals(table)
    fitted = {(g.family, g.beta): g.exponent.value for g in compute_growth(table, ("spikes",))}
    for exponents in (None, fitted):
        entries = legends_of(plot_growth(table, new_axes(), exponents=exponents))
        assert set(expected) <= set(entries)
    entries = legends_of(plot_growth(table, new_axes(), exponents={("poisson", 0.5): np.nan}))
    assert "β = 0.5" in entries
    assert "β = 1" in entries
    one = legends_of(plot_growth(table_of("one K"), new_axes()))
    assert "β = 1" in one


# Features


def make_encoder(n_latents=9, n_inputs=16, image_shape=None, has_decoder=True) -> Encoder:
    torch.manual_seed(fresh_seed())
    return Encoder.from_module(
        torch.nn.Linear(n_inputs, n_latents).double(),
        fresh_generator().normal(size=n_latents),
        image_shape=image_shape or (n_inputs,),
        decoder=torch.nn.Linear(n_latents, n_inputs).double() if has_decoder else None,
    )


def panels_of(ax, n_rows, n_columns, n_shown, side=4) -> list[list[np.ndarray]]:
    """Cut the image into panels of tiles, from the places of their headings."""
    canvas = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    width = int(np.ceil(np.sqrt(n_shown)))
    panels = []
    for text in ax.texts:
        left, top = (round(x + 0.5) for x in text.xy)
        panels.append(
            [
                canvas[y : y + side, x : x + side]
                for k in range(n_shown)
                for y, x in [(top + (side + 1) * (k // width), left + (side + 1) * (k % width))]
            ]
        )
    assert len(panels) <= n_rows * n_columns
    return panels


def test_features_are_those_of_the_most_active_latents_at_both_ends():
    encoders = {
        (model, beta): make_encoder()
        for model in ("gaussian-relu", "poisson")
        for beta in (4.0, 1.0, 0.5)
    }
    ax = plot_features_by_beta(encoders, new_axes(), n_shown=5)
    order = [("poisson", 0.5), ("poisson", 4.0), ("gaussian-relu", 0.5), ("gaussian-relu", 4.0)]
    panels = panels_of(ax, 2, 2, 5)
    assert len(panels) == 4
    for key, panel, text in zip(order, panels, ax.texts, strict=True):
        encoder = encoders[key]
        features = decoder_features(encoder)[np.argsort(-encoder.prior_rates)[:5]]
        scale = np.abs(features).max()
        for tile, feature in zip(panel, features, strict=True):
            np.testing.assert_allclose(tile.ravel(), feature / scale)
        heading = f"{NAMES[key[0]]}, β = {key[1]:g}: ±{write_number(scale)}"
        assert text.get_text() == heading
    # Nothing else is in the image.
    canvas = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    assert np.isfinite(canvas).sum() == 4 * 5 * 16
    assert ax.get_images()[0].get_clim() == (-1, 1)
    assert "5 of 9 latents, most active first, by prior rates" in ax.get_xlabel()


def test_features_can_be_ordered_by_posterior_rates():
    encoder, images = make_encoder(), fresh_generator().normal(size=(20, 16))
    ax = plot_features_by_beta({("poisson", 1.0): encoder}, new_axes(), images=images, n_shown=4)
    (panel,) = panels_of(ax, 1, 1, 4)
    order = np.argsort(-encoder.posterior_rates(images).mean(axis=0))[:4]
    features = decoder_features(encoder)[order]
    np.testing.assert_allclose([tile.ravel() for tile in panel], features / np.abs(features).max())
    assert "by mean posterior rates" in ax.get_xlabel()


@pytest.mark.parametrize("n_latents", [1, 3])
def test_fewer_latents_than_are_shown_leave_places_empty(n_latents):
    encoders = {("poisson", 0.5): make_encoder(n_latents), ("poisson", 2.0): make_encoder(9)}
    ax = plot_features_by_beta(encoders, new_axes(), n_shown=9)
    canvas = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    assert np.isfinite(canvas).sum() == (n_latents + 9) * 16


def test_no_more_latents_are_shown_than_there_are():
    ax = plot_features_by_beta({("poisson", 1.0): make_encoder(8)}, new_axes())
    assert "8 of 8 latents" in ax.get_xlabel()
    # Three by three tiles of four pixels, and a gap between.
    assert ax.get_images()[0].get_array().shape == (15, 15)


def test_features_need_pictures_of_one_size():
    before = matplotlib.pyplot.get_fignums()
    with pytest.raises(ValueError, match="at least one, got none"):
        plot_features_by_beta({})
    with pytest.raises(ValueError, match=r"square if flat, got \(12,\)"):
        plot_features_by_beta({("poisson", 1.0): make_encoder(n_inputs=12)})
    with pytest.raises(ValueError, match=r"of one size, .* got \(16,\), \(9,\)"):
        plot_features_by_beta(
            {("poisson", 1.0): make_encoder(), ("poisson", 2.0): make_encoder(n_inputs=9)}
        )
    with pytest.raises(ValueError, match="decoder"):
        plot_features_by_beta({("poisson", 1.0): make_encoder(has_decoder=False)})
    with pytest.raises(ValueError, match="n_shown must be at least 1"):
        plot_features_by_beta({("poisson", 1.0): make_encoder()}, n_shown=0)
    assert matplotlib.pyplot.get_fignums() == before
