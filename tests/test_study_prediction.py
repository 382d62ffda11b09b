"""Spikes against the prior, and KL against spikes."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian.report.study import (
    plot_kl_over_models,
    plot_spikes_against_prior,
)
from pvae_brian.sweep.answers import compute_predictions

from .plotted import NO_WARNINGS, intervals_of, line_called, new_axes
from .study_figures import NAMES, labels_of, legends_of, one_called, table_of
from .sweep_tables import example_table

pytestmark = NO_WARNINGS


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
