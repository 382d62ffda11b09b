"""Where an exported project may be written: in a new folder, or over nothing but another one."""

from __future__ import annotations

import os
from pathlib import Path

from pvae_brian._files import check_folder_writable

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
    return check_folder_writable(path, "an exported project", _check_content, force=force)


def _check_content(path: Path) -> None:
    if foreign := sorted(set(os.listdir(path)) - {NETWORK, README, WEIGHTS, EXAMPLE}):
        raise FileExistsError(
            f"{path} holds other files than an exported project ({', '.join(foreign[:3])}), which "
            "force does not remove; choose another name, or move them"
        )
