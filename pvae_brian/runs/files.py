"""Files that a run is made of: which a checkpoint has, their names, and their digests."""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pvae_brian.models.checkpoints import find_config, read_model

_DIGEST = re.compile("[0-9a-f]{64}")


def find_model_files(path: str | os.PathLike[str], *, epoch: int | None = None) -> list[Path]:
    """Return the files that `load_encoder` reads of a checkpoint, the weights first.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    CheckpointError
        If it is no checkpoint, or if there is no such epoch.
    ValueError
        If a file has a name that not every file system can hold.

    Examples
    --------
    >>> from pvae_brian.data import shipped_model
    >>> [file.name for file in find_model_files(shipped_model())]
    ['model.pt']
    """
    path = Path(os.path.expanduser(path))
    if path.suffix != ".pt2":
        return model_files(read_model(path, epoch=epoch)[1])
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; check the name")
    return model_files({"file": str(path), "format": "torch.export"})


def model_files(details: Mapping[str, Any]) -> list[Path]:
    """Return the files behind `Encoder.details`, or raise as `find_model_files`."""
    file = Path(details["file"])
    files = [file]
    if details["format"] == "official":
        files.append(find_config(file))
    for file in files:
        if not is_file_name(file.name):
            raise ValueError(
                f"the name of a checkpoint must be Unicode text without slashes of either kind, "
                f"for a run is moved between machines; got {file.name!r}, rename it"
            )
    return files


def is_file_name(name: object) -> bool:
    """Whether this names a file in a folder, and nothing outside of it, on any machine.

    Examples
    --------
    >>> is_file_name("model (2).pt"), is_file_name("../model.pt"), is_file_name("..")
    (True, False, False)
    """
    if not isinstance(name, str) or name in ("", ".", "..") or set(name) & set("/\\\0"):
        return False
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    # On Windows a name may bring its own drive.
    return Path(name).name == name


def is_digest(text: object) -> bool:
    """Whether this may be a SHA-256 in hexadecimal."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def digest_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of the bytes of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_array(array: np.ndarray) -> str:
    """Return the SHA-256 of the bytes that `numpy.save` writes, without writing them.

    Examples
    --------
    >>> np.save("x.npy", np.arange(6.0).reshape(2, 3))
    >>> digest_array(np.arange(6.0).reshape(2, 3)) == digest_file("x.npy")
    True
    """
    sink = _Sink()
    np.save(sink, array, allow_pickle=False)
    return sink.digest.hexdigest()


class _Sink:
    """A file that keeps no more than the digest of what is written to it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def write(self, data: bytes) -> None:
        self.digest.update(data)


def as_images(images: ArrayLike) -> np.ndarray:
    """Return images as an array of the type that they have, or raise ValueError."""
    array = np.asarray(images)
    if array.dtype.kind not in "buif":
        raise ValueError(f"images must be real numbers, got an array of type {array.dtype}")
    return array


def check_plain(folder: Path, name: str) -> Path:
    """Return ``folder/name`` if it is a plain file, in plain folders, or raise.

    A link or a pipe is none: a link would not survive a move, and to read a pipe could wait for
    ever.

    Raises
    ------
    FileNotFoundError
        If it is missing.
    ValueError
        If it is no plain file.
    """
    path = folder
    for part in name.split("/"):
        path = path / part
        is_last = path == folder / name
        try:
            mode = os.lstat(path).st_mode
        except PermissionError:
            raise
        except OSError:
            raise FileNotFoundError(
                f"{folder} lacks its {name}: it is not whole; copy the folder of the run again"
            ) from None
        if not (stat.S_ISREG(mode) if is_last else stat.S_ISDIR(mode)):
            raise ValueError(
                f"{path} must be a plain {'file' if is_last else 'folder'}, not a link or another "
                "kind; copy the folder of the run again, with what its links lead to"
            )
    return path


def check_digest(folder: Path, name: str, digest: str) -> None:
    """Raise as `check_plain` does, and ValueError if the file has another digest."""
    path = check_plain(folder, name)
    if digest_file(path) != digest:
        raise ValueError(
            f"{path} is not the file that was saved: its SHA-256 is another one than run.json "
            "says; copy the folder of the run again"
        )
