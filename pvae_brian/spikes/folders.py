"""Records too large for memory: a folder of array files, and how it takes its place."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pvae_brian._files import check_writable, move_folder
from pvae_brian.spikes import npy
from pvae_brian.spikes.consistency import COLUMNS, TABLES
from pvae_brian.spikes.settings import check_format, restore
from pvae_brian.spikes.times import SpikeTimes

SETTINGS = "settings.json"

_NAMES = {SETTINGS} | {f"{name}.npy" for name in TABLES | COLUMNS}


def read_folder(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the fields of the `SpikeRecord` in a folder, its arrays as read-only memory maps.

    Raises
    ------
    PermissionError
        If it may not be read.
    ValueError
        If it is no spike record, not finished, or of wrong shapes, types or sizes.
    """
    folder = Path(path)
    try:
        if _is_unfinished(folder):
            raise ValueError("a writer was stopped before it was finished")
        return _read(folder)
    except PermissionError:
        raise
    # The settings may be any text, and a header of an array may say anything.
    except Exception as error:
        raise ValueError(
            f"{os.fspath(path)} is not a readable spike record ({error}); "
            "expected a folder written by RecordWriter"
        ) from error


def check_target(path: str | os.PathLike[str], *, force: bool) -> Path:
    """Return ``path`` if a record's folder may take that place, or raise.

    Raises
    ------
    FileExistsError
        If something is there and ``force`` is not given, or if it is a folder that holds
        anything but a record: nothing else is ever removed.
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder that it goes into is missing, is no folder, or may not be written.
    """
    path = Path(path)
    if not os.path.lexists(path):
        return check_writable(path)
    if not force:
        raise FileExistsError(f"{path} exists; choose another name, or force=True (--force)")
    if path.is_dir() and not set(os.listdir(path)) <= _NAMES:
        raise FileExistsError(
            f"{path} is a folder with other files than a spike record has, which force does not "
            "remove; choose another name"
        )
    return path


def put_in_place(temporary: Path, path: Path, *, force: bool) -> None:
    """Rename a finished folder; what was there before is removed if ``force`` is given."""
    check_target(path, force=force)
    move_folder(temporary, path)


def _is_unfinished(folder: Path) -> bool:
    name = os.path.basename(os.path.abspath(folder))
    return name.startswith(".") and name.endswith(".part")


def _read(folder: Path) -> dict[str, Any]:
    settings = json.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    check_format(settings.pop("format", None))
    n_spikes = settings.pop("n_spikes")
    fields = restore(settings)
    counts = npy.read(folder / "counts.npy", None, TABLES["counts"])
    rates = npy.read(folder / "rates.npy", counts.shape, TABLES["rates"])
    times = None
    if n_spikes is not None:
        times = SpikeTimes(
            **{
                name: npy.read(folder / f"{name}.npy", (n_spikes,), dtype)
                for name, dtype in COLUMNS.items()
            }
        )
    return fields | {"counts": counts, "rates": rates, "times": times}
