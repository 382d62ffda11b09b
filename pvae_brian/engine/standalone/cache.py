"""The cache of compiled programs: built once, checked at each use, whole or not there at all."""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import json
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from brian2.utils.logger import get_logger
from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from pvae_brian.engine import block, preferences
from pvae_brian.engine.errors import BuildError
from pvae_brian.engine.standalone import source
from pvae_brian.engine.standalone.build import PREFERENCES, build
from pvae_brian.neurons import NeuronModel

logger = get_logger(__name__)

VARIABLE = "PVAE_BRIAN_CACHE"
_DESCRIPTION = "entry.json"
_UNFINISHED = ".building-"
# Longer than any compiler needs.
_PATIENCE_S = 600


@dataclass(frozen=True)
class Program:
    """A compiled program that is fit to run.

    Attributes
    ----------
    folder : path
        Where it is.
    n : int
        Neurons of its network.
    with_times : bool
        Whether it records spike times.
    """

    folder: Path
    n: int
    with_times: bool


@dataclass(frozen=True)
class Entry:
    """One compiled program.

    Attributes
    ----------
    folder : path
        Where it is.
    neuron : str
        Name of the neuron model.
    record : str
        What it records: 'counts' or 'times'.
    brian2 : str
        Version of Brian2 that wrote it.
    size : int
        Bytes on disk.
    """

    folder: Path
    neuron: str
    record: str
    brian2: str
    size: int


def cache_folder() -> Path:
    """Return the folder of compiled programs.

    It is, in this order, that of the environment variable ``PVAE_BRIAN_CACHE``, of the Brian2
    preference ``pvae_brian.cache_folder``, or the user's cache folder of the operating system.
    """
    chosen = os.environ.get(VARIABLE) or preferences.cache_folder_preference()
    try:
        return Path(chosen).expanduser().absolute() if chosen else user_cache_path("pvae_brian")
    except (RuntimeError, OSError) as error:
        raise BuildError(
            f"there is no cache folder: {error}; set {VARIABLE} to a folder that can be written"
        ) from error


def entries() -> list[Entry]:
    """List the compiled programs in the cache."""
    found = []
    for folder in _subfolders(cache_folder()):
        description = _read_description(folder)
        if description is not None:
            found.append(
                Entry(
                    folder=folder,
                    neuron=description["key"]["neuron"],
                    record="times" if description["key"]["with_times"] else "counts",
                    brian2=description["key"]["brian2"],
                    size=sum(file.stat().st_size for file in folder.iterdir()),
                )
            )
    return found


def clear() -> int:
    """Remove all compiled programs, and what interrupted builds left; return how many.

    Raises
    ------
    OSError
        If the folder may not be changed.
    """
    n_removed = 0
    for subfolder in _subfolders(cache_folder()):
        # Nothing else: the user may have chosen a folder that holds other things.
        if _read_description(subfolder) is not None:
            n_removed += 1
            shutil.rmtree(subfolder)
        elif subfolder.name.startswith(_UNFINISHED):
            _remove_if_abandoned(subfolder)
    return n_removed


def _remove_if_abandoned(unfinished: Path) -> None:
    name = unfinished.name.removeprefix(_UNFINISHED).partition("-")[0]
    # Whoever is still building holds the lock.
    with contextlib.suppress(Timeout), FileLock(unfinished.parent / f"{name}.lock", timeout=0):
        shutil.rmtree(unfinished, ignore_errors=True)


def find_or_build(neuron: NeuronModel, n: int, with_times: bool) -> Program:
    """Return the program for networks of ``n`` neurons of a model, compiling it if need be.

    Raises
    ------
    BuildError
        If it cannot be compiled.
    """
    from brian2 import prefs

    for_compiler = {name: prefs[name] for name in PREFERENCES}
    key = _key(neuron, n, with_times, for_compiler)
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    cache = cache_folder()
    for folder in (cache / name, _built_for_this_process.get(name, cache / name)):
        if _is_sound(folder):
            return Program(folder, n, with_times)
    return Program(_build(cache, name, key, neuron, for_compiler), n, with_times)


def _build(
    cache: Path, name: str, key: dict[str, Any], neuron: NeuronModel, for_compiler: dict[str, Any]
) -> Path:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = FileLock(cache / f"{name}.lock", timeout=_PATIENCE_S)
        lock.acquire()
    except Timeout:
        raise BuildError(
            f"another process has been building in {cache} for {_PATIENCE_S} s; end it, or set "
            f"{VARIABLE} to another folder"
        ) from None
    except OSError as error:
        return _build_for_this_process(name, key, neuron, for_compiler, cache, error)
    try:
        # Another process may have built it while we waited.
        if not _is_sound(cache / name):
            _remove_unfinished(cache, name)
            _build_into(cache, name, key, neuron, for_compiler)
    finally:
        lock.release()
    return cache / name


def _key(
    neuron: NeuronModel, n: int, with_times: bool, for_compiler: dict[str, Any]
) -> dict[str, Any]:
    """All that the program depends on."""
    return {
        "neuron": neuron.name,
        "n": n,
        "with_times": with_times,
        "brian2": version("brian2"),
        "source": _digest_of_source(),
        "preferences": {name: repr(value) for name, value in for_compiler.items()},
        "compiler": os.environ.get("CXX", ""),
        "cpu": _cpu(),
        "library": platform.libc_ver(),
    }


@functools.cache
def _digest_of_source() -> str:
    """Digest of the code that the program is made from."""
    from pvae_brian import neurons

    files = [
        *sorted(Path(neurons.__file__).parent.glob("*.py")),
        *(Path(str(module.__file__)) for module in (block, preferences, source)),
    ]
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


@functools.cache
def _cpu() -> str:
    """The instructions of this machine: programs are compiled for them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    fields = ("model name", "flags", "Features", "CPU part")
    return " ".join(
        [platform.machine(), *sorted({line for line in lines if line.startswith(fields)})]
    )


def _is_sound(folder: Path) -> bool:
    """Check a program against its digest: a damaged one must never run."""
    description = _read_description(folder)
    if description is None:
        return False
    try:
        program = source.executable(folder).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(program).hexdigest() == description["sha256"]


def _read_description(folder: Path) -> dict[str, Any] | None:
    try:
        description = json.loads((folder / _DESCRIPTION).read_text())
        description["sha256"], description["key"]["neuron"]
        description["key"]["with_times"], description["key"]["brian2"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return description


def _build_into(
    cache: Path, name: str, key: dict[str, Any], neuron: NeuronModel, for_compiler: dict[str, Any]
) -> None:
    """Build beside the place, and rename into it when all is on disk."""
    try:
        work = Path(tempfile.mkdtemp(prefix=f"{_UNFINISHED}{name}-", dir=cache))
    except OSError as error:
        raise BuildError(f"cannot write to the cache folder {cache}: {error}") from error
    logger.info(f"Compiling the C++ program for {neuron.name} neurons, once, to keep it in {cache}")
    try:
        program = build(neuron.settings(), key["n"], key["with_times"], for_compiler, work)
        try:
            _keep(program, key, cache / name)
        except OSError as error:
            raise BuildError(
                f"the compiled program cannot be kept in {cache}: {error}; free some space, or set "
                f"{VARIABLE} to another folder"
            ) from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if not _is_sound(cache / name):
        raise BuildError(f"the compiled program in {cache / name} was damaged as it was written")


def _keep(program: Path, key: dict[str, Any], folder: Path) -> None:
    """Put a program and its description together, and then both in their place at once."""
    whole = program.parent / "whole"
    whole.mkdir()
    shutil.copy2(program, source.executable(whole))
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    _write_synced(whole / _DESCRIPTION, {"key": key, "sha256": digest})
    if folder.exists():
        # It was found damaged.
        shutil.rmtree(folder)
    os.rename(whole, folder)


def _write_synced(path: Path, content: dict[str, Any]) -> None:
    with open(path, "w") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


# Programs of this process alone, where the cache folder cannot be written.
_built_for_this_process: dict[str, Path] = {}


def _build_for_this_process(
    name: str,
    key: dict[str, Any],
    neuron: NeuronModel,
    for_compiler: dict[str, Any],
    cache: Path,
    error: OSError,
) -> Path:
    warnings.warn(
        f"the cache folder {cache} cannot be written ({error.strerror or error}): the C++ program "
        f"is compiled for this process only; set {VARIABLE} to a folder that can be written",
        stacklevel=4,
    )
    folder = Path(tempfile.mkdtemp(prefix="pvae_brian-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _build_into(folder, name, key, neuron, for_compiler)
    _built_for_this_process[name] = folder / name
    return folder / name


def _remove_unfinished(cache: Path, name: str) -> None:
    """Remove what killed builds of this program left; we hold its lock, so none is going on."""
    for folder in cache.glob(f"{_UNFINISHED}{name}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def _subfolders(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if path.is_dir())
    except (FileNotFoundError, NotADirectoryError):
        return
