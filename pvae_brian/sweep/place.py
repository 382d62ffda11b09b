"""The place of a sweep: one at a time works in it, and clears what killed ones left."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from pvae_brian.sweep.folder import POINTS, STUDY

LOCK = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep others from working in a folder, or raise if somebody is at work there.

    Raises
    ------
    RuntimeError
        If another process holds it. A killed one holds nothing, but on file systems without
        ``flock``, where a file is all that says so.
    """
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise RuntimeError(
            f"another sweep is at work in {folder}; wait until it ends, or choose another folder. "
            f"If none is, on this machine or any other, remove {folder / LOCK}: some network file "
            "systems keep it after a kill"
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_place(folder: Path) -> None:
    """Raise unless a sweep is there, or may be made there.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If what it goes into is no folder, or if something else has its name.
    FileExistsError
        If it is a folder of other things.
    """
    if not folder.exists():
        if not folder.parent.is_dir():
            raise FileNotFoundError(f"the folder {folder.parent} does not exist; make it first")
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder; choose another name")
    others = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if others and not (folder / STUDY).exists():
        raise FileExistsError(
            f"{folder} holds no sweep but other things ({', '.join(sorted(others)[:3])}); choose "
            "another folder"
        )


def clear_leftovers(folder: Path) -> None:
    """Remove what killed sweeps left half done; we hold the lock, so none is going on."""
    for place in (folder, folder / POINTS):
        for leftover in place.glob(".*"):
            if leftover.suffix not in (".part", ".old"):
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover)
            else:
                leftover.unlink()
