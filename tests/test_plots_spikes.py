"""Plots of spikes: a mark for each."""

from __future__ import annotations

import matplotlib.pyplot
import numpy as np
import pytest
from brian2 import ms

from pvae_brian import simulate
from pvae_brian.report.plots import plot_raster

from .plotted import NO_WARNINGS, make_run, new_axes, rendered

pytestmark = NO_WARNINGS


@pytest.fixture(scope="module")
def example():
    # So many spikes that there are some by the first time of the course, with any seed.
    return make_run(log_rate=2.5)


def test_raster_shows_each_spike_of_its_stimulus(example):
    record = example.record
    for stimulus in (0, 11):
        ax = plot_raster(record, stimulus)
        (points,) = ax.get_lines()
        shown = np.bincount(points.get_ydata(), minlength=6)
        np.testing.assert_array_equal(shown, record.counts[stimulus])
        times = record.spikes.time[record.spikes.stimulus == stimulus]
        np.testing.assert_array_equal(np.sort(points.get_xdata()), np.sort(times))
        assert ax.get_xlim() == (0, 1)
        assert ax.get_ylim() == (-0.5, 5.5)
    matplotlib.pyplot.close("all")


def test_raster_counts_from_the_last(example):
    last, same = (plot_raster(example.record, k, new_axes()) for k in (-1, 11))
    np.testing.assert_array_equal(last.lines[0].get_xydata(), same.lines[0].get_xydata())


def test_raster_spans_the_window_and_ticks_whole_neurons():
    record = simulate([[3.0, 3.0]], window=200 * ms, record="times", n_steps=1)
    ax = plot_raster(record, 0, new_axes())
    assert ax.get_xlim() == (0, 0.2)
    ticks = ax.get_yticks()
    assert (ticks == np.round(ticks)).all()


def test_raster_needs_spike_times_and_a_stimulus(example):
    before = matplotlib.pyplot.get_fignums()
    with pytest.raises(ValueError, match="record='times'"):
        plot_raster(simulate([[1.0]]), 0)
    with pytest.raises(IndexError, match="12"):
        plot_raster(example.record, 12)
    with pytest.raises(TypeError, match="one stimulus"):
        plot_raster(example.record, [0, 1])
    assert matplotlib.pyplot.get_fignums() == before


@pytest.mark.parametrize("rate", [5.0, 100.0])
def test_raster_of_many_spikes_is_a_small_file(rate):
    record = simulate(np.full((1, 512), rate), record="times", n_steps=1)
    ax = plot_raster(record, 0, new_axes())
    assert len(ax.lines[0].get_xdata()) == record.counts.sum()
    assert len(rendered(ax, "svg")) < 300_000
