"""Where an exported project may be written: in a new folder, or over nothing but another one."""

from __future__ import annotations

import os
from pathlib import Path

from pvae_brian._files import check_writable

NETWORK = "network.py"
README = "README.md"
WEIGHTS = "weights.npz"
EXAMPLE = "example_stimulus.npy"


def check_project_writable(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Return ``path`` if a project may be written there, or raise: before long work, not after.

    Raises
    ------
    FileExistsError
        If something is there and ``force`` is not given, or if it is anything but the four files
        of a project, or an empty folder: nothing else is ever removed.
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder that it goes into is missing, is no folder, or may not be written.
    """
    path = Path(os.path.expanduser(path))
    if not os.path.lexists(path):
        return check_writable(path)
    if not force:
        raise FileExistsError(f"{path} exists; choose another name, or force=True (--force)")
    if path.is_symlink() or not path.is_dir():
        raise FileExistsError(
            f"{path} is no folder, and force replaces only an exported project; choose another name"
        )
    if foreign := sorted(set(os.listdir(path)) - {NETWORK, README, WEIGHTS, EXAMPLE}):
        raise FileExistsError(
            f"{path} holds other files than an exported project ({', '.join(foreign[:3])}), which "
            "force does not remove; choose another name, or move them"
        )
    check_writable(path.with_name(f".{path.name}.part"), force=True)
    return path
