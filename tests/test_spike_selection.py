"""Square brackets select what numpy would, axis by axis, and the spikes go along."""

from __future__ import annotations

import dataclasses
import tracemalloc

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import SpikeRecord, SpikeTimes
from pvae_brian.neurons import Refractory
from pvae_brian.spikes.consistency import check_arrays

from .test_spikes import assert_same, make_record, records


@st.composite
def keys(draw, n):
    kind = draw(st.sampled_from(["int", "slice", "list", "array", "mask", "mask array"]))
    if kind == "int":
        return draw(st.integers(-n, n - 1))
    if kind == "slice":
        return draw(st.slices(n))
    if "mask" in kind:
        mask = draw(st.lists(st.booleans(), min_size=n, max_size=n))
        return np.array(mask) if "array" in kind else mask
    index = draw(st.lists(st.integers(-n, n - 1), max_size=7))
    dtype = draw(st.sampled_from([np.int8, np.int64]))
    return np.array(index, dtype=dtype) if kind == "array" else index


def chosen_by_numpy(key, n):
    if isinstance(key, list) and not key:
        return np.arange(0)
    return np.atleast_1d(np.arange(n)[key])


@given(data=st.data(), record=records())
@settings(deadline=None)
def test_every_selection_is_that_of_numpy(data, record):
    n_stimuli, n_latents = record.counts.shape
    stimuli = data.draw(keys(n_stimuli))
    latents = data.draw(keys(n_latents))
    both = data.draw(st.booleans())
    part = record[stimuli, latents] if both else record[stimuli]
    rows = chosen_by_numpy(stimuli, n_stimuli)
    columns = chosen_by_numpy(latents, n_latents) if both else np.arange(n_latents)
    np.testing.assert_array_equal(part.counts, record.counts[np.ix_(rows, columns)])
    np.testing.assert_array_equal(part.rates, record.rates[np.ix_(rows, columns)])
    # Sorted, in range, and as many as are counted.
    check_arrays(part.counts, part.rates, part.spikes, record.window_s)
    for name, array in record.spikes.arrays().items():
        assert part.spikes.arrays()[name].dtype == array.dtype
    for new_row, row in enumerate(rows):
        for new_column, column in enumerate(columns):
            np.testing.assert_array_equal(
                train(part, new_row, new_column), train(record, row, column)
            )


def train(record, stimulus, latent):
    spikes = record.spikes
    return spikes.time[(spikes.stimulus == stimulus) & (spikes.latent == latent)]


def test_all_else_stays():
    record = make_record([[1, 2]], window_s=3.0, n_steps=7, neuron=Refractory(2 * ms))
    part = record[:, 0]
    for field in dataclasses.fields(SpikeRecord):
        if field.name not in ("counts", "rates", "times"):
            assert getattr(part, field.name) == getattr(record, field.name)


def test_a_record_without_times_is_selected_too():
    record = make_record([[1, 2], [3, 4]], with_times=False)
    assert record[1, 1].times is None
    assert record[1, 1].counts.tolist() == [[4]]


def test_two_lists_select_crossing_rows_and_columns():
    record = make_record(np.arange(12).reshape(3, 4))
    assert record[[0, 2], [1, 3]].counts.tolist() == [[1, 3], [9, 11]]


def test_stimuli_come_one_by_one_in_a_loop():
    record = make_record([[1, 2], [3, 4], [0, 0]])
    assert [part.counts.tolist() for part in record] == [[[1, 2]], [[3, 4]], [[0, 0]]]


@given(record=records())
@settings(deadline=None)
def test_parts_put_together_are_the_whole(record):
    parts = [record[k] for k in range(record.n_stimuli)]
    times = SpikeTimes(
        np.concatenate([part.spikes.stimulus + np.int32(k) for k, part in enumerate(parts)]),
        *(
            np.concatenate([part.spikes.arrays()[name] for part in parts])
            for name in ("latent", "time")
        ),
    )
    whole = dataclasses.replace(
        record,
        counts=np.concatenate([part.counts for part in parts]),
        rates=np.concatenate([part.rates for part in parts]),
        times=times,
    )
    assert_same(whole, record)


def test_bad_keys_say_what_is_wrong():
    record = make_record([[1, 2, 3], [4, 5, 6]])
    for key, message in [
        (2, "there are 2 stimuli, numbered from 0; got 2"),
        (-3, "got -3"),
        ((0, 3), "there are 3 latents"),
        ([0, 1, 2], "there are 2 stimuli"),
        ((0, 0, 0), "two axes"),
        ((), "two axes"),
        ([True], r"shape \(2,\), got \(1,\)"),
        (True, "mask of stimuli"),
        (np.ones((2, 3), dtype=bool), "mask of stimuli"),
        (0.0, "an integer, a slice"),
        ([0.5], "an integer, a slice"),
        ("a", "an integer, a slice"),
        (None, "an integer, a slice"),
        (..., "an integer, a slice"),
        ([[0, 1]], "one-dimensional"),
        ([[0], [0, 1]], "cannot be selected by"),
        (10**30, "an integer, a slice"),
        (slice(0.5, 1), "bad slice of stimuli"),
        (slice(None, None, 0), "bad slice of stimuli"),
    ]:
        with pytest.raises(IndexError, match=message):
            record[key]


@pytest.fixture(scope="module")
def large():
    return make_record(np.full((10**5, 4), 5))


@pytest.mark.parametrize("stimuli", [slice(500, 510), 99_999, slice(700, 500, -20), [3, 99, 3]])
def test_few_stimuli_of_many_are_found_without_looking_at_all_spikes(large, stimuli):
    """A look at each of two million spikes would take a megabyte, even at a bit for each."""
    tracemalloc.start()
    try:
        part = large[stimuli]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(part.spikes) == part.counts.sum()
    # The numbers of all stimuli, 8 bytes each, and little else.
    assert peak < 1_000_000


def test_a_slice_shares_the_memory_of_the_whole(large):
    part = large[10:1000]
    for name in ("counts", "rates"):
        assert np.shares_memory(getattr(part, name), getattr(large, name))
    assert np.shares_memory(part.spikes.time, large.spikes.time)


def test_latents_are_selected_block_by_block(monkeypatch):
    record = make_record([[3, 2, 0], [1, 0, 4], [2, 2, 2]])
    whole = record[:, [2, 0, 2]]
    monkeypatch.setattr("pvae_brian.spikes.times._BLOCK", 4)
    assert_same(record[:, [2, 0, 2]], whole)
