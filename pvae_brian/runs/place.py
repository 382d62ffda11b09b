"""How the folder of a run takes its place: whole or not at all, and over nothing but a run."""

from __future__ import annotations

import os
from pathlib import Path

from pvae_brian._files import check_folder_writable
from pvae_brian.runs.description import MODEL, RUN, read_description


def check_run_writable(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Return ``path`` if a run may be saved there, or raise: before long work, not after.

    Raises
    ------
    FileExistsError
        If something is there and ``force`` is not given, or if it is neither a run with no more
        files than its own nor an empty folder: nothing else is ever removed.
    FileNotFoundError, NotADirectoryError, PermissionError
        If the folder that it goes into is missing, is no folder, or may not be written.
    """
    return check_folder_writable(path, "a run", _check_content, force=force)


def _check_content(path: Path) -> None:
    found = {item.relative_to(path).as_posix() for item in path.rglob("*")}
    if not found:
        return
    try:
        own = {RUN, MODEL, *read_description(path).files}
    except (ValueError, FileNotFoundError) as error:
        raise FileExistsError(
            f"{path} is a folder that cannot be read as a run, and force replaces nothing else "
            f"({error}); choose another name, or remove it yourself"
        ) from error
    if foreign := sorted(found - own):
        raise FileExistsError(
            f"{path} holds other files than the run in it ({', '.join(foreign[:3])}), which force "
            "does not remove; choose another name, or move them"
        )
