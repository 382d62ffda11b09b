"""``run.json``: what a run is made of, in a text that anyone may have written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pvae_brian._files import write_whole
from pvae_brian.runs.files import check_plain, is_digest
from pvae_brian.runs.provenance import Provenance

RUN = "run.json"
RECORD = "record.npz"
IMAGES = "images.npy"
MODEL = "model"
LOG_RATE = f"{MODEL}/log_rate.npy"

_FORMAT = "pvae_brian run"
_FORMAT_VERSION = 1
_KEYS = {"format", "format_version", "provenance", "files"}


@dataclass(frozen=True)
class Description:
    """What ``run.json`` says.

    Attributes
    ----------
    provenance : Provenance
        How the run was made, with a checkpoint and images.
    files : dict of str to str
        SHA-256 of every other file by its name in the folder, with ``/`` for a folder in it.
    """

    provenance: Provenance
    files: dict[str, str]


def describe_files(provenance: Provenance, record_sha256: str) -> dict[str, str]:
    """Return the SHA-256 of each file of a run with this provenance.

    Raises
    ------
    ValueError
        If it has no checkpoint or no images.
    """
    if provenance.model_file is None or provenance.images_sha256 is None:
        raise ValueError("a run needs a checkpoint and images in its provenance")
    files = {RECORD: record_sha256, IMAGES: provenance.images_sha256}
    files |= {f"{MODEL}/{name}": digest for name, digest in provenance.model_digests.items()}
    if provenance.log_rate_sha256 is not None:
        files[LOG_RATE] = provenance.log_rate_sha256
    return files


def write_description(folder: Path, provenance: Provenance, record_sha256: str) -> None:
    """Write ``run.json``."""
    content = {
        "format": _FORMAT,
        "format_version": _FORMAT_VERSION,
        "provenance": provenance.as_dict(),
        "files": describe_files(provenance, record_sha256),
    }
    with write_whole(folder / RUN) as file:
        file.write(json.dumps(content, indent=2, allow_nan=False).encode() + b"\n")


def read_description(folder: Path) -> Description:
    """Read ``run.json``.

    Raises
    ------
    FileNotFoundError
        If there is no folder, or no run in it.
    ValueError
        If it is damaged, foreign, hostile, or of another format version.
    """
    path = folder / RUN
    if not folder.exists():
        raise FileNotFoundError(f"there is no run at {folder}; check the name")
    if not folder.is_dir():
        raise ValueError(f"{folder} is a file, but a run is a folder; name the folder")
    if not path.exists():
        raise FileNotFoundError(
            f"{folder} is no run: it has no file {RUN}; name a folder that save_run or "
            "pvae-brian simulate --save-run wrote, or copy it again with all that is in it"
        )
    check_plain(folder, RUN)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    # A text may also nest too deep.
    except (ValueError, RecursionError) as error:
        raise _damaged(path, error) from error
    version = _version(content)
    if type(version) is int and version > _FORMAT_VERSION:
        raise ValueError(
            f"{path} has format version {version!r:.40}, this pvae_brian reads {_FORMAT_VERSION}; "
            "install a newer pvae_brian"
        )
    try:
        return _interpret(content)
    except ValueError as error:
        raise _damaged(path, error) from error


def _version(content: Any) -> object:
    is_run = isinstance(content, dict) and content.get("format") == _FORMAT
    return content.get("format_version") if is_run else None


def _interpret(content: Any) -> Description:
    version = _version(content)
    if type(version) is not int or version != _FORMAT_VERSION:
        raise ValueError(f"it does not call itself {_FORMAT!r} of version {_FORMAT_VERSION}")
    if content.keys() != _KEYS:
        raise ValueError(f"it must hold {sorted(_KEYS)}, got {sorted(content)!r:.200}")
    provenance, files = Provenance.from_dict(content["provenance"]), content["files"]
    record_sha256 = files.get(RECORD) if isinstance(files, dict) else None
    if record_sha256 is None or not is_digest(record_sha256):
        raise ValueError(f"it does not give the SHA-256 of {RECORD}")
    if files != describe_files(provenance, record_sha256):
        raise ValueError("its files are not those of its provenance")
    return Description(provenance, files)


def _damaged(path: Path, error: Exception) -> ValueError:
    return ValueError(
        f"{path} is damaged or of another kind ({error}); copy the folder of the run again, or "
        "save the run anew"
    )
