"""``pvae-brian cache``: the compiled C++ programs."""

from __future__ import annotations

import argparse
import json

from pvae_brian.cli import options as shared


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "cache",
        summary="list or remove the compiled C++ programs",
        example="pvae-brian cache info",
    )
    parser.add_argument("action", choices=("info", "clear"), help="list them, or remove them all")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pvae_brian.engine.standalone import cache

    folder = cache.cache_folder()
    if options.action == "clear":
        n_removed = cache.clear()
        if options.json:
            print(json.dumps({"folder": str(folder), "n_removed": n_removed}))
        else:
            print(f"Removed {n_removed} compiled programs from {folder}")
        return 0
    entries = cache.entries()
    if options.json:
        programs = [
            {
                "neuron": entry.neuron,
                "record": entry.record,
                "brian2": entry.brian2,
                "bytes": entry.size,
                "folder": str(entry.folder),
            }
            for entry in entries
        ]
        print(json.dumps({"folder": str(folder), "programs": programs}))
        return 0
    print(f"Cache folder: {folder}")
    print("It is set by the environment variable PVAE_BRIAN_CACHE, or in Brian2 by")
    print("prefs['pvae_brian.cache_folder'].\n")
    for entry in entries:
        print(
            f"{entry.neuron:10}  {entry.record:6}  Brian2 {entry.brian2}  "
            f"{entry.size / 1000:.0f} kB  {entry.folder.name}"
        )
    print(f"{len(entries)} compiled programs, {sum(e.size for e in entries) / 1e6:.2f} MB")
    return 0
