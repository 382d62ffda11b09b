"""The command line, ``pvae-brian COMMAND``: a module for each command."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence

from pvae_brian import __version__
from pvae_brian.cli import cache, demo, export, info, report, simulate, sweep, train

_INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line, with a parser for each command in it.

    >>> build_parser().parse_args(["info", "model.pt"]).command
    'info'
    """
    parser = argparse.ArgumentParser(
        prog="pvae-brian",
        description="Run Poisson variational autoencoders as spiking neurons in Brian2 and count "
        "what their spikes cost.",
        epilog="Start with: pvae-brian demo",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in (demo, train, info, simulate, report, sweep, export, cache):
        module.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 only on success.

    >>> main(["info", "no-such-file.pt"])
    1
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    options = build_parser().parse_args(arguments)
    # For whoever wants to do it again.
    options.typed = shlex.join(["pvae-brian", *arguments])
    try:
        status = options.run(options)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        print(f"pvae-brian {options.command}: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has left, as head does: no more of it, and no complaint at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (
        ValueError,
        TypeError,
        ArithmeticError,
        OSError,
        ImportError,
        MemoryError,
        RuntimeError,
    ) as error:
        print(f"pvae-brian {options.command}: error: {_one_line(error)}", file=sys.stderr)
        return 1


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.strerror}: {error.filename}"
    return " ".join(str(error).split()) or type(error).__name__
