"""Spikes and zeros against beta: what the axes hold is what the table holds."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from pvae_brian.report.page.style import report_style
from pvae_brian.report.study import (
    plot_growth,
    plot_kl_over_models,
    plot_spikes_against_beta,
    plot_zeros_against_beta,
)
from pvae_brian.report.study.charts import published_zeros
from pvae_brian.sweep.published import load_published

from .plotted import NO_WARNINGS, intervals_of, new_axes
from .study_figures import NAMES, SPIKING, labels_of, legends_of, one_called, table_of
from .sweep_tables import example_table, with_intervals

pytestmark = NO_WARNINGS


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
