"""Plots of costs: KL against spikes, and energy by budget."""

from __future__ import annotations

import dataclasses
import io

import matplotlib.image
import numpy as np
import pytest
from brian2 import joule, second

from pvae_brian import metabolic_cost, simulate
from pvae_brian.intervals import Estimate
from pvae_brian.metabolism import EnergyBudget, metabolic_costs
from pvae_brian.report.plots import (
    plot_energy_by_budget,
    plot_error_against_energy,
    plot_kl_against_spikes,
    plot_r2_over_time,
)
from pvae_brian.report.plots._axes import draw_intervals

from .plotted import (
    NO_WARNINGS,
    intervals_of,
    legend_of,
    line_called,
    make_run,
    new_axes,
    rendered,
    texts_of,
)

pytestmark = NO_WARNINGS


@pytest.fixture(scope="module")
def example():
    # So many spikes that there are some by the first time of the course, with any seed.
    return make_run(log_rate=2.5)


# KL against spikes


def test_kl_of_each_neuron_stands_at_its_spikes():
    run = make_run(n_stimuli=200)
    ax = plot_kl_against_spikes(run.comparison, run.record, new_axes())
    points = line_called(ax, "neurons")
    np.testing.assert_allclose(points.get_xdata(), run.record.counts.mean(axis=0))
    bits = run.encoder.kl_per_latent(run.images).mean(axis=0) / np.log(2)
    np.testing.assert_allclose(points.get_ydata(), bits)
    at, low, high = intervals_of(ax.get_lines()[0])
    np.testing.assert_allclose(at, points.get_xdata())
    estimate = run.comparison.coding.kl_nats_per_neuron
    np.testing.assert_allclose(low * np.log(2), estimate.low)
    np.testing.assert_allclose(high * np.log(2), estimate.high)
    line = line_called(ax, f"{run.comparison.coding.bits_per_spike.value:.3g} bits per spike")
    # All neurons together are on it.
    slope = bits.sum() / run.record.counts.mean(axis=0).sum()
    np.testing.assert_allclose(line.get_ydata(), slope * line.get_xdata())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_allclose(line.get_xdata(), ax.get_xlim())


def test_silent_neurons_are_named_where_kl_is_logarithmic(example):
    record, comparison = example.record, example.comparison
    counts = np.maximum(record.counts, 1)
    counts[:, :2] = 0
    nats = comparison.coding.kl_nats_per_neuron.value.copy()
    nats[1:3] = [1e-12 * nats.max(), 0.0]
    coding = dataclasses.replace(comparison.coding, kl_nats_per_neuron=Estimate(nats, nats, nats))
    comparison = dataclasses.replace(comparison, coding=coding)
    record = dataclasses.replace(record, counts=counts)
    ax = plot_kl_against_spikes(comparison, record, new_axes())
    assert legend_of(ax)[0] == "neurons, 95 % intervals\n(3 not shown: at or near 0)"
    assert len(line_called(ax, "neurons").get_xdata()) == 3
    silent = dataclasses.replace(record, counts=0 * counts)
    ax = plot_kl_against_spikes(comparison, silent, new_axes())
    assert texts_of(ax) == ["no neuron has both spikes and a KL above 0"]


def test_intervals_without_an_end_are_not_drawn():
    ax = new_axes()
    low, high = np.array([0.2, 0.2, np.nan, 0.2]), np.array([0.8, np.nan, 0.8, np.inf])
    draw_intervals(ax, np.arange(4.0), low, high, color="black", alpha=1, lw=5)
    ax.set(xlim=(-0.5, 3.5), ylim=(0, 1))
    ax.set_axis_off()
    picture = matplotlib.image.imread(io.BytesIO(rendered(ax)))[..., :3].mean(axis=-1)
    columns = np.flatnonzero((picture < 0.5).any(axis=0))
    at = [ax.transData.transform((place, 0))[0] for place in (-0.5, 0.5)]
    assert columns.size
    assert at[0] < columns.min()
    assert columns.max() < at[1]


def test_one_stimulus_has_no_intervals():
    run = make_run(n_stimuli=1, log_rate=2.0)
    ax = plot_kl_against_spikes(run.comparison, run.record, new_axes())
    _, low, high = intervals_of(ax.get_lines()[0])
    assert np.isnan([low, high]).all()
    for plot in (plot_error_against_energy, plot_r2_over_time):
        ax = plot(run.course, new_axes())
        assert not ax.collections
        assert "95 %" not in legend_of(ax)


def test_comparison_must_be_of_the_record(example):
    with pytest.raises(ValueError, match="5 stimuli and 6 neurons, got one of 12 and 6"):
        plot_kl_against_spikes(example.comparison, example.record[:5])


# Energy by budget


def test_energy_has_a_row_for_each_budget(example):
    ax = plot_energy_by_budget(example.costs, new_axes())
    names = [cost.budget.name for cost in example.costs]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    # The first is on top.
    assert ax.get_ylim() == (len(names) - 0.5, -0.5)
    spikes, rest = line_called(ax, "spikes"), line_called(ax, "rest")
    assert ax.get_xscale() == "log"
    at, low, high = intervals_of(ax.get_lines()[0])
    np.testing.assert_array_equal(at, spikes.get_ydata())
    for row, cost in enumerate(example.costs):
        assert spikes.get_xdata()[row] == pytest.approx(
            cost.spiking_per_stimulus.value * cost.joules_per_unit
        )
        assert low[row] == pytest.approx(cost.spiking_per_stimulus.low * cost.joules_per_unit)
        assert high[row] == pytest.approx(cost.spiking_per_stimulus.high * cost.joules_per_unit)
        assert row - 0.5 < spikes.get_ydata()[row] < row
        at_rest = rest.get_xdata()[(rest.get_ydata() > row) & (rest.get_ydata() < row + 0.5)]
        remarks = [text for text in ax.texts if row < text.get_position()[1] < row + 0.5]
        if np.isnan(cost.resting):
            assert [text.get_text() for text in remarks] == ["rest not stated"]
            assert not at_rest.size
        elif cost.resting == 0:
            assert [text.get_text() for text in remarks] == ["rest not added"]
            assert not at_rest.size
        else:
            assert not remarks
            # With that of the spikes it is all the energy, as Brian2 has it.
            total = spikes.get_xdata()[row] + at_rest.item()
            assert total == pytest.approx(float(cost.energy.value / joule))


def test_energy_of_no_spikes_is_said():
    silent = simulate(np.zeros((3, 2)))
    nothing = EnergyBudget("nothing", 1.0, grade="C", source="a test")
    costs = metabolic_costs(silent, ["attwell-laughlin-2001", "truenorth", nothing])
    ax = plot_energy_by_budget(costs, new_axes())
    assert line_called(ax, "spikes").get_xdata().size == 0
    assert line_called(ax, "rest").get_xdata().size == 1
    assert texts_of(ax) == [
        *["spikes cost nothing"] * 2,
        "rest not added",
        "spikes cost nothing",
        "rest not stated",
    ]
    # Without any dot there is nothing to be logarithmic.
    ax = plot_energy_by_budget(costs[1:], new_axes())
    assert ax.get_xscale() == "linear"


def test_energy_remarks_stand_clear_of_dots(example):
    ax = plot_energy_by_budget(example.costs, new_axes("constrained"))
    rendered(ax)
    dots = [
        ax.transData.transform(place) for line in ax.get_lines()[1:] for place in line.get_xydata()
    ]
    for text in ax.texts:
        box = text.get_window_extent()
        assert not any(box.contains(*dot) for dot in dots)


def test_energy_needs_costs_of_one_record(example):
    with pytest.raises(ValueError, match="at least one, got windows of none"):
        plot_energy_by_budget([])
    longer = metabolic_cost(simulate([[1.0]], window=2 * second))
    with pytest.raises(ValueError, match="got windows of 1 s, 2 s"):
        plot_energy_by_budget([example.costs[0], longer])
