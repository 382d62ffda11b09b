"""Records from the NWB files that `to_nwb` wrote, once they are checked."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from pvae_brian._extras import needs_extra
from pvae_brian.spikes.exchange.described import fields_of, sort_spikes, unflatten
from pvae_brian.spikes.exchange.nwb_file import REASON, SETTINGS
from pvae_brian.spikes.exchange.timeline import in_session, trial_edges
from pvae_brian.spikes.times import SpikeTimes

if TYPE_CHECKING:
    from pynwb import NWBFile

    from pvae_brian.spikes.record import SpikeRecord


def from_nwb(cls: type[SpikeRecord], path: str | os.PathLike[str]) -> SpikeRecord:
    """Return the record in an NWB file that `to_nwb` wrote, to the last bit of each time.

    Spikes of one stimulus at the same time come back in the order of their latents.

    Raises
    ------
    ImportError
        If pynwb is missing: pip install "pvae_brian[nwb]".
    FileNotFoundError, IsADirectoryError, PermissionError
        If there is no such file, or it may not be read.
    ValueError
        If it is no NWB file, is damaged, is of another source, or its spikes were changed.

    Examples
    --------
    >>> from pvae_brian import SpikeRecord, simulate
    >>> simulate([[8.0, 0.0], [2.0, 4.0]], record="times").to_nwb("record.nwb")
    >>> SpikeRecord.from_nwb("record.nwb").counts.shape
    (2, 2)
    """
    with needs_extra("nwb", REASON):
        import h5py
        from pynwb import NWBHDF5IO

    # h5py's own errors do not tell a missing file from a damaged one.
    with open(path, "rb") as stream:
        try:
            with (
                h5py.File(stream, "r") as container,
                NWBHDF5IO(file=container, mode="r") as reader,
            ):
                return cls(**_fields(reader.read()))
        # Damage shows as errors of h5py, hdmf, pynwb, json and numpy.
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} is not a readable spike record ({error}); "
                "expected a file written by SpikeRecord.to_nwb"
            ) from error


def _fields(file: NWBFile) -> dict[str, Any]:
    settings = _settings(file)
    if file.trials is None or file.units is None:
        raise ValueError("it lacks its trials or units")
    n_spikes = _lengths(file.units, "spike_times")
    columns = {}
    for name in ("spike_times", "times_in_trial", "spike_trials"):
        if not np.array_equal(_lengths(file.units, name), n_spikes):
            raise ValueError(f"its units have other numbers of {name} than of spike_times")
        columns[name] = _column(file.units, name)
    spikes = SpikeTimes(
        columns["spike_trials"],
        np.repeat(np.arange(len(n_spikes)), n_spikes),
        columns["times_in_trial"],
    )
    counts, rates = _column(file.trials, "counts"), _column(file.trials, "rates")
    fields = fields_of(settings, counts, rates, sort_spikes(**spikes.arrays()))
    edges = trial_edges(len(counts), fields["window_s"])
    if not np.array_equal(in_session(spikes, edges), columns["spike_times"]):
        raise ValueError("its spike_times are not those of its times_in_trial and spike_trials")
    return fields


def _settings(file: NWBFile) -> dict[str, Any]:
    if SETTINGS not in file.analysis:
        raise ValueError(f"it has no table {SETTINGS} under analysis")
    table = file.analysis[SETTINGS]
    names, values = (table[name].data[:] for name in ("setting", "value"))
    return unflatten(
        {str(name): json.loads(value) for name, value in zip(names, values, strict=True)}
    )


def _lengths(units: Any, name: str) -> np.ndarray:
    ends = _column(units, f"{name}_index").astype(np.int64)
    return np.diff(ends, prepend=0)


def _column(table: Any, name: str) -> np.ndarray:
    for column in table.columns:
        if column.name == name:
            return np.asarray(column.data[:])
    raise ValueError(f"its {table.name} have no column {name}")
