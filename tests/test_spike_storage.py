"""Records on disk: written as they grow, whole or not at all, and read as memory maps."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import SpikeRecord, SpikeTimes
from pvae_brian.spikes import RecordWriter
from pvae_brian.spikes.npy import GrowingArray, create, sync

from .test_spikes import assert_same, make_record, records

SETTINGS = {"window_s": 1.0, "n_steps": 10, "seed": 1, "device": "numpy", "versions": {}}


def settings_of(record):
    names = ("window_s", "n_steps", "seed", "device", "versions", "neuron")
    return {name: getattr(record, name) for name in names}


def write(record, folder, spike_cuts=(), **options):
    with_times = record.times is not None
    with RecordWriter(folder, *record.counts.shape, with_times, **options) as writer:
        writer.counts[:] = record.counts
        writer.rates[:] = record.rates
        if with_times:
            cuts = [0, *sorted(spike_cuts), len(record.times)]
            for start, stop in itertools.pairwise(cuts):
                writer.append(record.times.rows(slice(start, stop)))
        return writer.finish(**settings_of(record))


def append(writer, stimulus, latent, time):
    writer.append(SpikeTimes(np.array(stimulus), np.array(latent), np.array(time)))


@pytest.fixture(scope="module")
def record():
    return make_record([[0, 3], [20, 1]])


@given(data=st.data(), record=records(with_times=st.booleans()))
@settings(deadline=None)
def test_round_trip_keeps_every_bit(data, record, tmp_path_factory):
    folder = tmp_path_factory.mktemp("records") / "record"
    n_spikes = int(record.counts.sum())
    written = write(record, folder, data.draw(st.lists(st.integers(0, n_spikes), max_size=4)))
    assert_same(written, record)
    assert_same(SpikeRecord.load(folder), record)
    assert os.listdir(folder.parent) == ["record"]
    written.save(folder.parent / "record.npz")
    assert_same(SpikeRecord.load(folder.parent / "record.npz"), record)


def test_arrays_are_read_only_memory_maps(record, tmp_path):
    loaded = write(record, tmp_path / "record")
    for array in (loaded.counts, loaded.rates, *loaded.spikes.arrays().values()):
        assert isinstance(array, np.memmap)
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 0


def test_parts_of_a_record_on_disk(record, tmp_path):
    loaded = write(record, tmp_path / "record")
    assert_same(loaded[1:, [1, 0, 1]], record[1:, [1, 0, 1]])


def test_others_may_read_it_as_usual(record, tmp_path):
    write(record, tmp_path / "record")
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "file").write_bytes(b"")
    assert (tmp_path / "record").stat().st_mode == (tmp_path / "plain").stat().st_mode
    modes = {path.stat().st_mode for path in (tmp_path / "record").iterdir()}
    assert modes == {(tmp_path / "plain" / "file").stat().st_mode}


def test_a_column_grows_over_any_number_of_digits(tmp_path):
    for n in (0, 1, 9, 10, 123_456):
        column = GrowingArray(tmp_path / f"{n}.npy", np.int32)
        column.append(np.arange(n // 2))
        column.append(np.arange(n // 2, n))
        column.finish()
        np.testing.assert_array_equal(np.load(tmp_path / f"{n}.npy"), np.arange(n))


@pytest.mark.parametrize("can_allocate", [True, False])
def test_an_array_takes_its_space_at_once(can_allocate, tmp_path, monkeypatch):
    """Else a disk that fills up would end the process: a write to a map cannot raise."""
    if not can_allocate:
        monkeypatch.delattr(os, "posix_fallocate")
    array = create(tmp_path / "array.npy", (700, 500), np.int32)
    assert not array.any()
    array[:] = 7
    sync(array)
    assert (np.load(tmp_path / "array.npy") == 7).all()
    empty = create(tmp_path / "empty.npy", (700, 500), np.int32)
    assert os.stat(empty.filename).st_blocks * 512 >= empty.nbytes


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_an_error_leaves_nothing(error, tmp_path):
    def fail():
        with RecordWriter(tmp_path / "record", 3, 2, True) as writer:
            writer.counts[:] = 1
            append(writer, [0], [0], [0.5])
            assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
            raise error

    with pytest.raises(error):
        fail()
    assert os.listdir(tmp_path) == []


def test_without_finish_nothing_stays(tmp_path):
    with RecordWriter(tmp_path / "record", 3, 2, False) as writer:
        writer.counts[:] = 1
    assert os.listdir(tmp_path) == []


def test_an_existing_record_needs_force(record, tmp_path):
    folder = tmp_path / "record"
    old = write(record, folder)
    with pytest.raises(FileExistsError, match="--force"):
        RecordWriter(folder, 2, 2, True)
    other = make_record([[7, 0, 1]], with_times=False)
    assert_same(write(other, folder, force=True), other)
    assert os.listdir(tmp_path) == ["record"]
    # What was mapped before is still whole.
    assert_same(old, record)


def test_an_error_leaves_the_old_record(record, tmp_path):
    write(record, tmp_path / "record")

    def fail():
        with RecordWriter(tmp_path / "record", 3, 2, True, force=True) as writer:
            writer.counts[:] = 1
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert_same(SpikeRecord.load(tmp_path / "record"), record)
    assert os.listdir(tmp_path) == ["record"]


def test_the_old_record_comes_back_if_the_new_one_cannot_take_its_place(
    record, tmp_path, monkeypatch
):
    write(record, tmp_path / "record")
    rename = os.rename

    def fail(source, target):
        if str(source).endswith(".part"):
            raise OSError("no rename today")
        rename(source, target)

    monkeypatch.setattr(os, "rename", fail)
    with pytest.raises(OSError, match="no rename today"):
        write(make_record([[1]]), tmp_path / "record", force=True)
    assert_same(SpikeRecord.load(tmp_path / "record"), record)
    assert os.listdir(tmp_path) == ["record"]


def test_force_replaces_a_file_and_an_empty_folder_but_no_other_folder(record, tmp_path):
    record.save(tmp_path / "file")
    (tmp_path / "empty").mkdir()
    for name in ("file", "empty"):
        assert_same(write(record, tmp_path / name, force=True), record)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="other files"):
        write(record, tmp_path / "mine", force=True)
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert sorted(os.listdir(tmp_path)) == ["empty", "file", "mine"]


def test_a_folder_that_appears_meanwhile_is_not_replaced(tmp_path):
    with RecordWriter(tmp_path / "record", 1, 1, False) as writer:
        (tmp_path / "record").mkdir()
        (tmp_path / "record" / "file").write_bytes(b"of another process")
        with pytest.raises(FileExistsError):
            writer.finish(**SETTINGS)
    assert (tmp_path / "record" / "file").read_bytes() == b"of another process"
    assert os.listdir(tmp_path) == ["record"]


def test_places_where_no_folder_can_be(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        RecordWriter(tmp_path / "missing" / "record", 1, 1, False)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotADirectoryError):
        RecordWriter(tmp_path / "file" / "record", 1, 1, False)
    with pytest.raises(ValueError, match="n_latents must be at least 1"):
        RecordWriter(tmp_path / "record", 1, 0, False)


def test_too_little_space_is_noticed_before_the_work(tmp_path):
    with (
        pytest.raises(OSError, match=r"need 1.2e\+07 GB on disk, and .* GB are free"),
        RecordWriter(tmp_path / "record", 10**9, 10**6, False),
    ):
        pass
    assert os.listdir(tmp_path) == []


def test_spikes_come_in_order_and_in_range(tmp_path):
    with RecordWriter(tmp_path / "record", 3, 2, True) as writer:
        append(writer, [0, 1], [1, 0], [0.9, 0.5])
        for spikes, message in [
            (([0], [0], [0.95]), "come before the last"),
            (([1], [0], [0.4]), "come before the last"),
            (([2, 1], [0, 0], [0.1, 0.2]), "must be sorted"),
            (([1, 1], [0, 0], [0.8, 0.7]), "must be sorted"),
            (([3], [0], [0.1]), "stimulus must be below 3"),
            (([2], [-1], [0.1]), "latent must be below 2"),
            (([2], [0], [np.nan]), "must lie between"),
            (([2], [0], [-0.1]), "must lie between"),
            (([2], [0, 1], [0.1]), "one stimulus, one latent"),
            (([2.0], [0], [0.1]), "no integer"),
        ]:
            with pytest.raises(ValueError, match=message):
                append(writer, *spikes)
        append(writer, [1], [0], [0.5])
        append(writer, [2], [1], [0.0])
        writer.counts[:] = [[0, 1], [2, 0], [0, 1]]
        record = writer.finish(**SETTINGS)
    assert record.spikes.time.tolist() == [0.9, 0.5, 0.5, 0.0]
    assert record.spikes.stimulus.tolist() == [0, 1, 1, 2]


def test_a_record_of_counts_takes_no_spikes(tmp_path):
    with RecordWriter(tmp_path / "record", 1, 1, False) as writer:
        with pytest.raises(ValueError, match="counts only"):
            append(writer, [0], [0], [0.1])
        assert writer.finish(**SETTINGS).times is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window_s": 0.3}, "window of 0.3 s, got 0.5 s"),
        ({"window_s": -1.0}, "window_s"),
        ({"n_steps": 0}, "n_steps"),
        ({"seed": -1}, "seed"),
        ({"versions": {"numpy": 2}}, "versions"),
    ],
)
def test_a_wrong_setting_is_refused_before_the_record_is_there(change, message, tmp_path):
    with RecordWriter(tmp_path / "record", 2, 1, True) as writer:
        writer.counts[:] = 1
        append(writer, [0, 1], [0, 0], [0.5, 0.1])
        with pytest.raises(ValueError, match=message):
            writer.finish(**SETTINGS | change)
        assert not (tmp_path / "record").exists()
        # Nothing is lost by that.
        assert writer.finish(**SETTINGS).counts.tolist() == [[1], [1]]


def test_spikes_and_counts_must_agree(tmp_path):
    with RecordWriter(tmp_path / "record", 1, 1, True) as writer:
        append(writer, [0], [0], [0.5])
        with pytest.raises(ValueError, match="counts hold 0 spikes, but 1 were appended"):
            writer.finish(**SETTINGS)


def test_a_record_with_a_failed_append_is_not_finished(tmp_path, monkeypatch):
    with RecordWriter(tmp_path / "record", 1, 1, True) as writer:

        def fail(self, values):
            raise OSError("full")

        with monkeypatch.context() as patch:
            patch.setattr(GrowingArray, "append", fail)
            with pytest.raises(OSError, match="full"):
                append(writer, [0], [0], [0.5])
        with pytest.raises(RuntimeError, match="append failed"):
            writer.finish(**SETTINGS)
    assert os.listdir(tmp_path) == []


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


def change_settings(**changes):
    def change(folder):
        path = folder / "settings.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def put(name, array):
    return lambda folder: np.save(folder / name, array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "settings.json").unlink(), "settings.json"),
        (lambda folder: (folder / "counts.npy").unlink(), "no file counts.npy"),
        (lambda folder: (folder / "time.npy").unlink(), "no file time.npy"),
        (
            lambda folder: os.remove(folder / "rates.npy") or os.mkfifo(folder / "rates.npy"),
            "rates",
        ),
        (lambda folder: cut(folder / "settings.json"), "delimiter"),
        (lambda folder: cut(folder / "counts.npy"), ""),
        (lambda folder: cut(folder / "latent.npy"), ""),
        (lambda folder: (folder / "time.npy").open("ab").write(b"0"), "another size"),
        (lambda folder: (folder / "time.npy").write_bytes(b""), ""),
        (put("counts.npy", np.zeros((2, 2))), "counts.npy holds float64"),
        (put("counts.npy", np.zeros(4, dtype=np.int32)), "counts.npy holds int32"),
        (put("rates.npy", np.zeros((2, 3))), r"rates.npy must have shape \(2, 2\)"),
        (put("time.npy", np.zeros(3)), r"time.npy must have shape \(24,\)"),
        (put("time.npy", np.array([None] * 24)), "Python objects"),
        (change_settings(format="pvae_brian spike record 3"), "another kind"),
        (change_settings(n_spikes=23), r"shape \(23,\)"),
        (change_settings(n_spikes="all"), r"shape \('all',\)"),
        (change_settings(n_steps=-1), "n_steps"),
        (change_settings(more=1), "unknown"),
        (lambda folder: (folder / "settings.json").write_text("[" * 100_000), ""),
    ],
)
def test_a_damaged_folder_is_refused(damage, message, record, tmp_path):
    folder = tmp_path / "record"
    write(record, folder)
    damage(folder)
    with pytest.raises(ValueError, match=f"not a readable spike record .*{message}"):
        SpikeRecord.load(folder)


def test_another_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="not a readable spike record"):
        SpikeRecord.load(tmp_path)


def test_a_whole_record_under_the_name_of_an_unfinished_one_is_refused(record, tmp_path):
    write(record, tmp_path / "record")
    (tmp_path / "record").rename(tmp_path / ".record-abcd.part")
    with pytest.raises(ValueError, match="before it was finished"):
        SpikeRecord.load(tmp_path / ".record-abcd.part")


def run_python(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_killed_process_leaves_no_record(tmp_path, record):
    process = run_python(
        """
        import sys, time
        from pvae_brian.spikes import RecordWriter
        with RecordWriter(sys.argv[1], 2, 2, True) as writer:
            writer.counts[:] = 1
            print("written", flush=True)
            time.sleep(60)
        """,
        str(tmp_path / "record"),
    )
    assert process.stdout.readline().strip() == "written", process.communicate()[1]
    process.send_signal(signal.SIGKILL)
    process.communicate()
    (left,) = tmp_path.iterdir()
    with pytest.raises(ValueError, match="before it was finished"):
        SpikeRecord.load(left)
    # The next run is not disturbed by what was left behind.
    assert_same(write(record, tmp_path / "record"), record)


@pytest.mark.parametrize(("n_stimuli", "at"), [(100_000, "making the arrays"), (10, "appending")])
def test_a_full_disk(tmp_path, n_stimuli, at):
    """A real limit on the size of files stands in for it."""
    process = run_python(
        """
        import resource, sys
        import numpy as np
        from pvae_brian.spikes import RecordWriter, SpikeTimes
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        at = "making the arrays"
        spikes = SpikeTimes(*np.zeros((2, 30_000), dtype=np.int32), np.zeros(30_000))
        try:
            with RecordWriter(sys.argv[1], int(sys.argv[2]), 1, True) as writer:
                at = "appending"
                writer.append(spikes)
                at = "finishing"
        except OSError as error:
            print(at)
        """,
        str(tmp_path / "record"),
        str(n_stimuli),
    )
    out, err = process.communicate()
    assert out.strip() == at, err
    assert os.listdir(tmp_path) == []


def test_memory_is_bounded(tmp_path):
    """A record of 72 MB is written, read, and shown in part, in a tenth of that."""
    n_stimuli, n_latents, n_chunk = 300_000, 10, 10_000
    n_spikes = n_chunk * n_latents
    spikes = SpikeTimes(
        np.repeat(np.arange(n_chunk, dtype=np.int32), n_latents),
        np.tile(np.arange(n_latents, dtype=np.int32), n_chunk),
        np.tile(np.linspace(0, 1, n_latents), n_chunk),
    )
    assert shutil.disk_usage(tmp_path).free > 200e6
    tracemalloc.start()
    try:
        with RecordWriter(tmp_path / "record", n_stimuli, n_latents, True) as writer:
            for start in range(0, n_stimuli, n_chunk):
                chunk = slice(start, start + n_chunk)
                writer.counts[chunk] = 1
                writer.rates[chunk] = 1.0
                writer.append(
                    dataclasses.replace(spikes, stimulus=spikes.stimulus + np.int32(start))
                )
            record = writer.finish(**SETTINGS)
        part = record[200_000:]
        raster = part.raster(7)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(record.spikes) == n_spikes * n_stimuli // n_chunk
    assert np.concatenate(raster).tolist() == np.linspace(0, 1, n_latents).tolist()
    assert peak < 10e6
    assert sum(path.stat().st_size for path in (tmp_path / "record").iterdir()) > 72e6
