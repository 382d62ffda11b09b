"""NWB files are written whole or not at all, and others than ours are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from datetime import UTC, date, datetime

import numpy as np
import pytest

pynwb = pytest.importorskip("pynwb")
import h5py  # noqa: E402

from pvae_brian import SpikeRecord  # noqa: E402

from .test_spikes import assert_same, make_record  # noqa: E402


@pytest.fixture(scope="module")
def record():
    return make_record([[0, 3, 1], [20, 0, 4]], window_s=2.0)


@pytest.fixture
def path(record, tmp_path):
    record.to_nwb(tmp_path / "record.nwb")
    return tmp_path / "record.nwb"


# Writing


def test_an_existing_file_needs_force(record, path):
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="--force"):
        record.to_nwb(path)
    assert path.read_bytes() == before
    part = record[:1]
    part.to_nwb(path, force=True)
    assert_same(SpikeRecord.from_nwb(path), part)
    assert os.listdir(path.parent) == ["record.nwb"]


def test_a_failure_leaves_the_old_file_and_nothing_else(record, path, monkeypatch):
    def fail(self, file):
        raise RuntimeError("in the middle")

    before = path.read_bytes()
    monkeypatch.setattr(pynwb.NWBHDF5IO, "write", fail)
    with pytest.raises(RuntimeError, match="in the middle"):
        record.to_nwb(path, force=True)
    with pytest.raises(RuntimeError, match="in the middle"):
        record.to_nwb(path.with_name("new.nwb"))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["record.nwb"]


def test_a_full_disk_leaves_nothing(tmp_path):
    """A real limit on the size of files stands in for it."""
    code = """
        import resource, sys
        import numpy as np
        from pvae_brian import simulate
        record = simulate(np.full((100, 10), 50.0), record="times")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            record.to_nwb(sys.argv[1])
        except OSError as error:
            print("refused")
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), tmp_path / "record.nwb"],
        capture_output=True,
        text=True,
    )
    assert result.stdout.strip() == "refused", result.stderr
    assert os.listdir(tmp_path) == []


def test_others_may_read_it_as_usual(path):
    (path.parent / "plain").write_bytes(b"")
    assert path.stat().st_mode == (path.parent / "plain").stat().st_mode


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"session_start_time": datetime(2024, 1, 1)}, ValueError, "must have a time zone, got 20"),
        ({"session_start_time": date(2024, 1, 1)}, TypeError, "must be a datetime, got date"),
        ({"experimentor": "Hodgkin"}, TypeError, "takes no experimentor; metadata can be .*lab"),
        ({"units": None}, TypeError, "takes no units"),
        ({"institution": 3}, TypeError, "institution"),
    ],
)
def test_wrong_metadata_are_refused_before_there_is_a_file(
    options, error, message, record, tmp_path
):
    with pytest.raises(error, match=message):
        record.to_nwb(tmp_path / "record.nwb", **options)
    assert os.listdir(tmp_path) == []


def test_counts_alone_are_no_session(tmp_path):
    with pytest.raises(ValueError, match="record='times'"):
        make_record([[1]], with_times=False).to_nwb(tmp_path / "record.nwb")
    assert os.listdir(tmp_path) == []


def test_places_where_no_file_can_be(record, tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        record.to_nwb(tmp_path / "missing" / "record.nwb")
    with pytest.raises(IsADirectoryError):
        record.to_nwb(tmp_path)


# Reading


def test_a_missing_file_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        SpikeRecord.from_nwb(tmp_path / "record.nwb")
    with pytest.raises(IsADirectoryError):
        SpikeRecord.from_nwb(tmp_path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-5000])


def delete(name):
    def damage(path):
        with h5py.File(path, "r+") as file:
            del file[name]

    return damage


def change(name, index, value):
    def damage(path):
        with h5py.File(path, "r+") as file:
            file[name][index] = value

    return damage


def set_setting(name, value):
    def damage(path):
        with h5py.File(path, "r+") as file:
            table = file["analysis/simulation_settings"]
            names = [each.decode() for each in table["setting"]]
            table["value"][names.index(name)] = value

    return damage


def replace(name, values):
    def damage(path):
        with h5py.File(path, "r+") as file:
            attributes = dict(file[name].attrs)
            del file[name]
            file[name] = values
            file[name].attrs.update(attributes)

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, ""),
        (lambda path: path.write_bytes(b""), ""),
        (lambda path: path.write_bytes(b"spikes" * 1000), ""),
        (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + b"\0" * 1000), ""),
        (delete("analysis/simulation_settings"), "no table simulation_settings under analysis"),
        (delete("units"), "lacks its trials or units"),
        (delete("intervals/trials"), "lacks its trials or units"),
        (change("units/times_in_trial", 0, 0.123), "spike_times are not those of"),
        (change("units/spike_times", 0, 0.123), "spike_times are not those of"),
        (change("units/spike_trials", 0, 7), "stimulus must be below 2"),
        (change("units/times_in_trial", 0, np.nan), ""),
        (change("units/times_in_trial_index", 0, 19), "other numbers of times_in_trial"),
        (change("units/spike_trials_index", 2, 250), "other numbers of spike_trials"),
        (change("intervals/trials/counts", (0, 0), 1), "not the numbers of its spikes"),
        (change("intervals/trials/rates", (0, 0), -1.0), "not negative"),
        (replace("intervals/trials/counts", np.zeros((2, 3))), "counts must be int32, got float"),
        (set_setting("seed", "1.5"), "seed cannot be 1.5"),
        (set_setting("seed", "[" * 100_000), ""),
        (set_setting("seed", "one"), "Expecting value"),
        (set_setting("format", '"diary"'), "another kind of file, 'diary'"),
        (set_setting("window_s", "1.0"), "between 0 and the window"),
        (set_setting("window_s", "3.0"), "spike_times are not those of"),
    ],
)
def test_a_damaged_or_changed_file_is_refused(damage, message, path):
    damage(path)
    with pytest.raises(ValueError, match=f"not a readable spike record .*{message}.*to_nwb"):
        SpikeRecord.from_nwb(path)


def test_a_file_of_another_source_is_refused(tmp_path):
    file = pynwb.NWBFile("a recording", "1", datetime(2024, 1, 1, tzinfo=UTC))
    file.add_unit(spike_times=[0.5])
    with pynwb.NWBHDF5IO(tmp_path / "other.nwb", "w") as writer:
        writer.write(file)
    with pytest.raises(ValueError, match="no table simulation_settings"):
        SpikeRecord.from_nwb(tmp_path / "other.nwb")


def test_what_a_user_adds_to_the_file_does_not_matter(record, path):
    with pynwb.NWBHDF5IO(path, "a") as writer:
        file = writer.read()
        file.add_scratch(np.arange(3), name="notes", description="of a user")
        writer.write(file)
    assert_same(SpikeRecord.from_nwb(path), record)


def test_a_setting_is_json(path):
    with h5py.File(path, "r") as file:
        for value in file["analysis/simulation_settings/value"]:
            json.loads(value)
