"""Plots of counts: each neuron at its place, and the band of its law."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from scipy.stats import norm, poisson

from pvae_brian import simulate
from pvae_brian.fidelity import compute_fidelity
from pvae_brian.measures import residual_fano_band
from pvae_brian.neurons import NeuronModel
from pvae_brian.report.plots import plot_fano_against_rate, plot_measured_against_predicted

from .chance import fresh_seed
from .plotted import (
    NO_WARNINGS,
    REFRACTORY,
    band_of,
    intervals_of,
    legend_of,
    line_called,
    make_run,
    new_axes,
    texts_of,
)

pytestmark = NO_WARNINGS


@pytest.fixture(scope="module")
def example():
    # So many spikes that there are some by the first time of the course, with any seed.
    return make_run(log_rate=2.5)


@pytest.fixture(scope="module")
def refractory():
    return make_run(neuron=REFRACTORY, n_steps=400, n_stimuli=200, n_latents=8, log_rate=2.0)


# Measured against predicted


def test_measured_against_predicted_has_a_point_per_neuron_and_a_band(example):
    record = example.record
    ax = plot_measured_against_predicted(record, new_axes())
    diagonal, points = ax.get_lines()
    np.testing.assert_allclose(points.get_xdata(), record.rates.mean(axis=0))
    np.testing.assert_allclose(points.get_ydata(), record.counts.mean(axis=0))
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert diagonal.get_xdata().max() > record.rates.mean(axis=0).max()
    assert ax.get_xlim()[0] == ax.get_ylim()[0] == 0
    (band,) = ax.collections
    ends = band.get_datalim(ax.transData)
    np.testing.assert_allclose(ends.intervalx, diagonal.get_xdata()[[0, -1]])
    top = 12 * diagonal.get_xdata()[-1]
    np.testing.assert_allclose(ends.intervaly, [0, poisson.ppf(0.975, top) / 12])
    # Below the band there is nothing at the right end.
    corner = band_of(band)
    lowest = corner[np.isclose(corner[:, 0], ends.x1), 1].min()
    assert lowest == pytest.approx(poisson.ppf(0.025, top) / 12)
    assert legend_of(ax) == ["95 % if Poisson", "predicted", "neurons"]


def test_other_neurons_are_held_against_their_own_law(refractory):
    record = refractory.record
    law = record.prediction
    ax = plot_measured_against_predicted(record, new_axes())
    points = line_called(ax, "neurons")
    np.testing.assert_allclose(points.get_xdata(), law.mean.mean(axis=0))
    # The periods are long: the posterior rates are not what is predicted.
    assert (points.get_xdata() < 0.95 * record.rates.mean(axis=0)).all()
    at, low, high = intervals_of(line_called(ax, "95 % as predicted"))
    np.testing.assert_allclose(at, points.get_xdata())
    error = np.sqrt(law.variance.sum(axis=0)) / record.n_stimuli
    np.testing.assert_allclose(high - low, 2 * norm.ppf(0.975) * error)
    # Narrower than those of Poisson counts.
    assert (error < 0.9 * np.sqrt(law.mean.sum(axis=0)) / record.n_stimuli).all()


def test_neurons_outside_of_their_lines_are_those_that_fidelity_counts(refractory):
    right = refractory.record
    # Some neurons too many spikes, some too few, so that there is something to count.
    counts = right.counts + (np.arange(8) > 4) - (np.arange(8) < 2) * (right.counts > 0)
    for record in (right, dataclasses.replace(right, counts=counts.astype(np.int32))):
        ax = plot_measured_against_predicted(record, new_axes())
        _, low, high = intervals_of(line_called(ax, "95 %"))
        measured = line_called(ax, "neurons").get_ydata()
        outside = ((measured < low) | (measured > high)).mean()
        assert outside == compute_fidelity(record).outside.value
    assert outside >= 5 / 8


@dataclasses.dataclass(frozen=True)
class Lawless(NeuronModel):
    name = "lawless"

    def predict(self, rates, window_s, n_steps):
        return None


def test_neurons_without_a_theory_are_held_against_poisson_counts(example):
    lawless = dataclasses.replace(example.record, neuron=Lawless())
    for plot in (plot_measured_against_predicted, plot_fano_against_rate):
        ax, same = plot(lawless, new_axes()), plot(example.record, new_axes())
        assert legend_of(ax) == legend_of(same)
        for line, other in zip(ax.get_lines(), same.get_lines(), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())


def test_no_stimuli_have_no_mean(example):
    nothing = example.record[[]]
    for plot in (plot_measured_against_predicted, plot_fano_against_rate):
        with pytest.raises(ValueError, match="at least one"):
            plot(nothing)


# Fano factors


def test_fano_of_each_neuron_stands_at_its_rate(example):
    record = example.record
    ax = plot_fano_against_rate(record, new_axes())
    points = line_called(ax, "neurons")
    np.testing.assert_allclose(points.get_xdata(), record.rates.mean(axis=0))
    squares = (record.counts - record.rates) ** 2
    np.testing.assert_allclose(points.get_ydata(), squares.sum(axis=0) / record.rates.sum(axis=0))
    at, low, high = intervals_of(line_called(ax, "95 % if Poisson"))
    np.testing.assert_allclose(at, points.get_xdata())
    np.testing.assert_array_equal([low, high], residual_fano_band(record.prediction))
    assert set(line_called(ax, "Poisson").get_ydata()) == {1.0}
    assert ax.get_xscale() == "log"
    assert legend_of(ax) == ["95 % if Poisson", "Poisson counts", "neurons"]
    for line in (points, line_called(ax, "Poisson")):
        lowest, highest = ax.get_ylim()
        assert (lowest <= line.get_ydata()).all()
        assert (line.get_ydata() <= highest).all()


def test_rates_are_in_hertz():
    record = simulate(np.full((50, 2), 4.0), window=200 * ms, n_steps=1)
    points = line_called(plot_fano_against_rate(record, new_axes()), "neurons")
    np.testing.assert_allclose(points.get_xdata(), 20.0)


def test_fano_that_a_neuron_model_predicts_is_shown(refractory):
    record = refractory.record
    ax = plot_fano_against_rate(record, new_axes())
    predicted = line_called(ax, "refractory, predicted")
    law = record.prediction
    np.testing.assert_allclose(
        predicted.get_ydata(), law.variance.mean(axis=0) / law.mean.mean(axis=0)
    )
    assert (predicted.get_ydata() < 0.95).all()
    at, low, high = intervals_of(line_called(ax, "95 % as predicted"))
    np.testing.assert_array_equal(at, predicted.get_xdata())
    np.testing.assert_allclose((low + high) / 2, predicted.get_ydata())


def test_neurons_without_a_spike_to_expect_have_no_fano_factor():
    rates = np.tile([0.0, 1e-9, 0.009, 0.011, 5.0], (100, 1))
    record = simulate(rates, n_steps=1, seed=fresh_seed())
    ax = plot_fano_against_rate(record, new_axes())
    *_, label = legend_of(ax)
    assert label == "neurons\n(3 not shown: predicted < 1 spike)"
    np.testing.assert_allclose(line_called(ax, "neurons").get_xdata(), [0.011, 5.0])
    ax = plot_fano_against_rate(simulate(np.zeros((5, 2))), new_axes())
    assert texts_of(ax) == ["less than one spike is predicted of each neuron"]
