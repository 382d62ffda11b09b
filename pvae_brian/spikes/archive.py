"""A record as one compressed ``.npz`` file without pickles."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

import numpy as np

from pvae_brian._files import write_whole
from pvae_brian.spikes.consistency import COLUMNS, TABLES, check_arrays
from pvae_brian.spikes.settings import FORMAT, check_format, restore
from pvae_brian.spikes.times import SpikeTimes


def write_archive(
    path: str | os.PathLike[str],
    settings: Mapping[str, object],
    counts: np.ndarray,
    rates: np.ndarray,
    times: SpikeTimes | None,
    *,
    force: bool,
) -> None:
    """Write a file that `read_archive` reads, whole or not at all; arrays stay where they are."""
    settings = {"n_spikes": None if times is None else len(times)} | dict(settings)
    arrays = {
        "format": np.array(FORMAT),
        "settings": np.array(json.dumps(settings)),
    }
    values = {"counts": counts, "rates": rates} | ({} if times is None else times.arrays())
    for name, array in values.items():
        arrays[name] = array.astype((TABLES | COLUMNS)[name], casting="same_kind", copy=False)
    with write_whole(path, force=force) as file:
        # Its stub takes them for allow_pickle.
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def read_archive(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the fields of the `SpikeRecord` in a file, once they are checked.

    Raises
    ------
    FileNotFoundError, PermissionError
        If the file is missing or may not be read.
    ValueError
        If it is no spike record, or is damaged.
    """
    with open(path, "rb") as file:
        try:
            return _read(file)
        # Damage shows as errors of zipfile, zlib, json and numpy, and as too little memory.
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} is not a readable spike record ({error}); "
                "expected a file written by SpikeRecord.save"
            ) from error


def _read(file: BinaryIO) -> dict[str, Any]:
    with np.load(file, allow_pickle=False) as content:
        check_format(str(content["format"]) if "format" in content else None)
        settings = json.loads(str(content["settings"]))
        # Files of format 1 do not say whether they should have spike times.
        n_spikes = settings.pop("n_spikes", 0 if "time" in content else None)
        fields = restore(settings)
        arrays = _arrays(content, TABLES)
        times = None if n_spikes is None else SpikeTimes(**_arrays(content, COLUMNS))
    check_arrays(**arrays, times=times, window_s=fields["window_s"])
    return fields | arrays | {"times": times}


def _arrays(
    content: Mapping[str, np.ndarray], dtypes: dict[str, np.dtype[Any]]
) -> dict[str, np.ndarray]:
    arrays = {name: content[name] for name in dtypes}
    for name, array in arrays.items():
        if array.dtype != dtypes[name]:
            raise ValueError(f"its {name} must be {dtypes[name]}, got {array.dtype}")
    return arrays
