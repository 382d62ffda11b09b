"""Compiling the program, in a process of its own that leaves the user's Brian2 alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from pvae_brian.engine.errors import BuildError
from pvae_brian.engine.standalone.source import (
    compile_project,
    executable,
    set_preferences,
    write_project,
)

# Preferences of Brian2 that reach the compiler.
PREFERENCES = (
    "codegen.cpp.compiler",
    "codegen.cpp.extra_compile_args",
    "codegen.cpp.extra_compile_args_gcc",
    "codegen.cpp.extra_link_args",
    "codegen.cpp.include_dirs",
    "codegen.cpp.library_dirs",
    "codegen.cpp.runtime_library_dirs",
    "codegen.cpp.libraries",
    "codegen.cpp.headers",
    "codegen.cpp.define_macros",
    "devices.cpp_standalone.extra_make_args_unix",
    "devices.cpp_standalone.make_cmd_unix",
)

# What that process runs: it finds modules where we do.
_START = """
import json, sys
request = json.loads(sys.argv[1])
sys.path[:] = request["path"]
from pvae_brian.engine.standalone.build import main
main(request)
"""


def has_compiler() -> bool:
    """Say whether the tools that Brian2 needs to compile are there."""
    if sys.platform == "win32":
        # The program talks through pipes in a way that is only known to work elsewhere.
        return False
    compilers = [os.environ.get("CXX", "").split(" ")[0]] if os.environ.get("CXX") else []
    return shutil.which("make") is not None and any(
        shutil.which(name) for name in [*compilers, "g++", "c++", "clang++"]
    )


def build(
    settings: dict[str, Any], n: int, with_times: bool, preferences: dict[str, Any], folder: Path
) -> Path:
    """Compile the program for a neuron model.

    Parameters
    ----------
    settings : dict
        Of the neuron model.
    n : int
        Neurons of the network.
    with_times : bool
        Whether the program sends spike times.
    preferences : dict
        The user's values of `PREFERENCES`.
    folder : path
        An empty folder to work in.

    Returns
    -------
    path
        The program, in that folder.

    Raises
    ------
    BuildError
        If there is no compiler, or it fails.
    """
    if not has_compiler():
        raise BuildError(
            "device='cpp_standalone' needs a C++ compiler and make (Linux or macOS), and none was "
            "found; install them, or take device='numpy'"
        )
    request = {
        "settings": settings,
        "n": n,
        "with_times": with_times,
        "preferences": preferences,
        "folder": str(folder),
        "path": _search_path(),
    }
    # What the compiler leaves behind when it is killed goes with the folder.
    environment = os.environ | {"TMPDIR": str(folder)}
    for name in ("MAKEFLAGS", "MFLAGS"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-c", _START, json.dumps(request)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=folder,
        env=environment,
        start_new_session=True,
    )
    # There are pipes, as asked for.
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        # Its input stays open until it has ended: it ends when we do.
        messages = process.stdout.read().decode(errors="replace")
        status = process.wait()
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdin.close()
        process.stdout.close()
    program = executable(folder)
    if status != 0 or not program.is_file():
        raise BuildError(_failure(status, messages))
    return program


def _search_path() -> list[str]:
    """Where we find modules, whatever the working folder."""
    entries = []
    for entry in sys.path:
        # The working folder may have been removed.
        with contextlib.suppress(OSError):
            entries.append(os.path.abspath(entry))
    return entries


def _failure(status: int, messages: str) -> str:
    cause = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
    lines = messages.strip().splitlines()
    # What make adds only says that something failed.
    errors = [line for line in lines if "error" in line.lower() and not line.startswith("make")]
    errors = errors or lines[-3:]
    return (
        f"the C++ program could not be built ({cause}): {' | '.join(errors[:3])[:600]}; "
        "device='numpy' needs no compiler"
    )


def _end_with_parent() -> None:
    """Kill this process and its compilers once nobody holds the other end of our input."""

    def wait() -> None:
        os.read(0, 1)
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def main(request: dict[str, Any]) -> None:
    """Build what was requested; this runs in the process that `build` starts."""
    _end_with_parent()
    set_preferences(request["preferences"])
    # Brian2's own would hide the cause behind advice on how to report it.
    sys.excepthook = sys.__excepthook__
    folder = Path(request["folder"])
    write_project(request["settings"], request["n"], request["with_times"], folder)
    sys.exit(compile_project(folder))
