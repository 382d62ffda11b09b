"""SpikeRecord: what it holds, and one file that never needs unpickling."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvae_brian import SpikeRecord, SpikeTimes, simulate


@pytest.fixture(scope="module")
def record():
    return simulate([[0.0, 3.0], [20.0, 0.5]], n_steps=10, seed=2, record="times")


def test_round_trip_keeps_every_bit(record, tmp_path):
    path = tmp_path / "record.npz"
    record.save(path)
    loaded = SpikeRecord.load(path)
    for field in dataclasses.fields(SpikeRecord):
        if field.name == "times":
            continue
        np.testing.assert_array_equal(getattr(loaded, field.name), getattr(record, field.name))
    for field in dataclasses.fields(SpikeTimes):
        before, after = (getattr(r.spikes, field.name) for r in (record, loaded))
        assert before.tobytes() == after.tobytes()
        assert before.dtype == after.dtype


def test_a_record_of_counts_loads_without_times(tmp_path):
    simulate([[1.0]]).save(tmp_path / "record.npz")
    loaded = SpikeRecord.load(tmp_path / "record.npz")
    with pytest.raises(ValueError, match="counts only"):
        loaded.spikes  # noqa: B018


def test_any_name_is_kept(record, tmp_path):
    """numpy would add an ending of its own."""
    record.save(tmp_path / "record")
    assert (tmp_path / "record").exists()


def test_numpy_reads_it_without_pickles(record, tmp_path):
    record.save(tmp_path / "record.npz")
    with np.load(tmp_path / "record.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["counts"], record.counts)


def test_an_existing_file_needs_force(record, tmp_path):
    path = tmp_path / "record.npz"
    record.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="--force"):
        record.save(path)
    assert path.read_bytes() == before
    record.save(path, force=True)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        SpikeRecord.load(tmp_path / "none.npz")


def test_another_archive(tmp_path):
    np.savez(tmp_path / "other.npz", counts=np.zeros(3))
    with pytest.raises(ValueError, match="not a readable spike record"):
        SpikeRecord.load(tmp_path / "other.npz")


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_not_run(tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "trap.npz").write_bytes(pickle.dumps(Trap(marker)))
    np.savez(tmp_path / "inside.npz", format=np.array([Trap(marker)], dtype=object))
    for name in ("trap.npz", "inside.npz"):
        with pytest.raises(ValueError, match="not a readable spike record"):
            SpikeRecord.load(tmp_path / name)
    assert not marker.exists()


@given(data=st.data())
def test_a_damaged_file_is_refused(record, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "record.npz"
    record.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match="not a readable spike record"):
        SpikeRecord.load(path)


def test_frozen(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.seed = 3
