"""Writing files and folders whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


def check_writable(path: str | os.PathLike[str], *, force: bool = False) -> Path:
    """Return ``path`` if a file may be written there, or raise: before long work, not after.

    Raises
    ------
    FileExistsError
        If the file exists and ``force`` is not given.
    FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError
        If its folder is missing, is no folder, or may not be written, or if it is a folder.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file in it")
    if path.exists() and not force:
        raise FileExistsError(f"{path} exists; choose another name, or force=True (--force)")
    folder = path.parent
    if not folder.exists():
        raise FileNotFoundError(f"the folder {folder} does not exist; make it first")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a folder; choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"no permission to write in {folder}; choose another place")
    return path


@contextlib.contextmanager
def write_whole(path: str | os.PathLike[str], *, force: bool = False) -> Iterator[BinaryIO]:
    """Open a file to write that takes its place only when all of it is on disk.

    The bytes go to a temporary file in the same folder, which is renamed at the end and
    removed if anything fails, so readers see the old file or the new one, never a part.

    Raises
    ------
    FileExistsError
        If the file exists and ``force`` is not given.
    OSError
        If there is no space or no permission.
    """
    path = check_writable(path, force=force)
    try:
        handle, temporary = tempfile.mkstemp(
            prefix=f".{path.name}-", suffix=".part", dir=path.parent
        )
    except OSError as error:
        # The user asked for this file and knows of no other.
        error.filename = str(path)
        raise
    try:
        # mkstemp makes files private; a result should have the user's usual permissions.
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        # Some formats, such as HDF5, read what they have written.
        with os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if force:
            os.replace(temporary, path)
        else:
            # A link, unlike a rename, never replaces a file that another process made meanwhile.
            _link_new(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)


def _link_new(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists; choose another name, or force=True (--force)"
        ) from None
    except OSError:
        # Some file systems have no links; a rename is the best they offer.
        os.rename(temporary, path)


def make_beside(path: Path) -> Path:
    """Make the temporary folder that shall become ``path`` by `move_folder`."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".part", dir=path.parent))
    except OSError as error:
        # The user asked for this folder and knows of no other.
        error.filename = str(path)
        raise
    # mkdtemp makes folders private; a result should have the user's usual permissions.
    umask = os.umask(0)
    os.umask(umask)
    folder.chmod(0o777 & ~umask)
    return folder


def move_folder(temporary: Path, path: Path) -> None:
    """Rename a finished folder; a folder that was there before is removed.

    No two folders change places in one step, so a process killed in between leaves the old one
    beside, in a folder ``.<name>-XXXX.old``.
    """
    if not os.path.lexists(path):
        os.rename(temporary, path)
        return
    aside = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".old", dir=path.parent))
    old = aside / path.name
    try:
        os.rename(path, old)
        try:
            os.rename(temporary, path)
        except BaseException:
            os.rename(old, path)
            raise
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        # If the old one could not be put back, it stays where it is.
        with contextlib.suppress(OSError):
            os.rmdir(aside)


def check_folder_writable(
    path: str | os.PathLike[str],
    what: str,
    check_content: Callable[[Path], None],
    *,
    force: bool = False,
) -> Path:
    """Return ``path`` if a folder may take that place, or raise: before long work, not after.

    Parameters
    ----------
    path : path-like
        Where it shall go; ``~`` is the user's home.
    what : str
        What the folder is, as in 'a run'.
    check_content : callable
        Raises FileExistsError unless a folder holds nothing but such a thing, or nothing at all.
    force : bool
        Whether what is there may be replaced, if it is such a thing: nothing else ever is.

    Raises
    ------
    FileExistsError
        If something is there and ``force`` is not given, or does not help.
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
            f"{path} is no folder of {what}, and force replaces nothing else; choose another name"
        )
    check_content(path)
    # Whether a folder can be made beside it; for the folder itself that is not the question.
    check_writable(path.with_name(f".{path.name}.part"), force=True)
    return path


@contextlib.contextmanager
def new_folder(check: Callable[[], Path]) -> Iterator[Path]:
    """Make a folder to fill that takes its place only when all of it is on disk.

    It is made beside that place, renamed at the end, and removed if anything fails. A killed
    process leaves a hidden folder ``.<name>-XXXX.part`` behind, which may be removed.

    Parameters
    ----------
    check : callable
        Returns the place, or raises if it may not be taken. Called before and after.

    Raises
    ------
    OSError
        If there is no space.
    """
    temporary = make_beside(check())
    try:
        yield temporary
        move_folder(temporary, check())
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
