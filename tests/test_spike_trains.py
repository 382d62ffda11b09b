"""Rasters and bins: every spike once, at its place."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brian2 import DimensionMismatchError, Hz, ms, second
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import SpikeTimes

from .test_spikes import make_record, records


@given(record=records())
@settings(deadline=None)
def test_a_raster_holds_each_train_in_order(record):
    spikes = record.spikes
    for stimulus in range(record.n_stimuli):
        raster = record.raster(stimulus)
        assert len(raster) == record.n_latents
        for latent, train in enumerate(raster):
            of_both = (spikes.stimulus == stimulus) & (spikes.latent == latent)
            np.testing.assert_array_equal(train, np.sort(spikes.time[of_both]))


def test_a_raster_counts_from_the_last_too():
    record = make_record([[1, 0], [0, 2]])
    assert [len(train) for train in record.raster(-1)] == [0, 2]
    assert record[:, []].raster(0) == []


def test_a_raster_is_of_one_stimulus():
    record = make_record([[1, 0], [0, 2]])
    with pytest.raises(IndexError, match="there are 2 stimuli"):
        record.raster(2)
    for stimulus in (slice(2), [0], 0.0):
        with pytest.raises(TypeError, match="one stimulus"):
            record.raster(stimulus)


@given(record=records(), n_bins=st.integers(1, 12))
@settings(deadline=None)
def test_binned_counts_are_those_of_numpys_histogram(record, n_bins):
    binned = record.binned_counts(record.window / n_bins)
    assert binned.shape == (*record.counts.shape, n_bins)
    assert binned.dtype == np.int32
    np.testing.assert_array_equal(binned.sum(axis=-1), record.counts)
    edges = np.linspace(0, record.window_s, n_bins + 1)
    for stimulus in range(record.n_stimuli):
        for train, counted in zip(record.raster(stimulus), binned[stimulus], strict=True):
            np.testing.assert_array_equal(counted, np.histogram(train, edges)[0])


@given(record=records(), n_bins=st.integers(1, 12))
@settings(deadline=None)
def test_a_psth_is_the_mean_of_binned_counts_over_the_width(record, n_bins):
    psth = record.psth(record.window / n_bins)
    assert psth.edges[0] == 0
    assert psth.edges[-1] == record.window_s
    assert len(psth.edges) == n_bins + 1
    binned = record.binned_counts(record.window / n_bins)
    np.testing.assert_allclose(
        psth.rates_hz, binned.mean(axis=0) * n_bins / record.window_s, rtol=1e-12
    )


def test_a_spike_on_an_edge_belongs_to_the_bin_that_begins_there():
    times = np.array([0.0, 0.5, 1.0, 1.5, 2.0])
    record = make_record([[5]], with_times=False, window_s=2.0)
    zeros = np.zeros(5, dtype=np.int32)
    record = dataclasses.replace(record, times=SpikeTimes(zeros, zeros, times))
    assert record.binned_counts(500 * ms).tolist() == [[[1, 1, 1, 2]]]


def test_a_psth_is_counted_block_by_block(monkeypatch):
    record = make_record([[3, 2, 0], [1, 0, 4], [2, 2, 2]])
    whole = record.psth(100 * ms).rates_hz
    monkeypatch.setattr("pvae_brian.spikes.times._BLOCK", 4)
    np.testing.assert_array_equal(record.psth(100 * ms).rates_hz, whole)


@given(n_bins=st.integers(1, 10_000), window_s=st.floats(1e-6, 1e6), n_steps=st.integers(1, 100))
@settings(deadline=None)
def test_rounding_does_not_matter(n_bins, window_s, n_steps):
    record = make_record([[1]], window_s=window_s)
    assert len(record.psth(record.window / n_bins).edges) == n_bins + 1
    # A window that was put together from steps.
    record = make_record([[1]], window_s=sum([0.1] * n_steps))
    assert len(record.psth(0.1 * second).edges) == n_steps + 1


def test_bins_must_fill_the_window():
    record = make_record([[1, 2]])
    for width, message in [
        (0.3 * second, r"3.33333 of them; take bin_width=record.window/3$"),
        (0.999 * second, "a whole number of bins"),
        (2 * second, "take bin_width=record.window/1"),
        (5e-324 * second, "a whole number of bins"),
        (0 * second, "positive"),
        (-1 * ms, "not negative"),
        (np.nan * second, "finite"),
        (np.inf * second, "finite"),
        ([1, 2] * ms, "single"),
    ]:
        for method in (record.binned_counts, record.psth):
            with pytest.raises(ValueError, match=message):
                method(width)


def test_a_width_is_a_time():
    record = make_record([[1, 2]])
    for width, error in [
        (0.1, DimensionMismatchError),
        (1 * Hz, DimensionMismatchError),
        ("ms", TypeError),
    ]:
        with pytest.raises(error, match="bin_width must be a time"):
            record.binned_counts(width)


def test_counts_alone_have_no_trains():
    record = make_record([[1, 2]], with_times=False)
    for call in (
        lambda: record.raster(0),
        lambda: record.binned_counts(100 * ms),
        lambda: record.psth(100 * ms),
    ):
        with pytest.raises(ValueError, match="counts only"):
            call()


def test_a_mean_needs_stimuli():
    record = make_record([[1, 2]])[[]]
    assert record.binned_counts(100 * ms).shape == (0, 2, 10)
    with pytest.raises(ValueError, match="at least one"):
        record.psth(100 * ms)
