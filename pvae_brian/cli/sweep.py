"""``pvae-brian sweep``: train, simulate and measure a grid of models over beta and K."""

from __future__ import annotations

import argparse
import shlex
import sys
import textwrap
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pvae_brian.cli import options as shared
from pvae_brian.cli.study_options import GRID, SETTINGS, write_command

if TYPE_CHECKING:
    from pvae_brian.sweep import Sweep


_SHOWN = {
    "model": "model",
    "beta": "beta",
    "n_latents": "K",
    "seed": "seed",
    "spikes": "spikes",
    "prior_rate_cost": "prior rate cost",
    "fraction_zeros": "zeros",
    "error": "error",
}
_INTERRUPTED = 130
_WIDTH = 120


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "sweep",
        summary="train, simulate and measure models over a grid of beta and K, and go on where it "
        "ended",
        example="pvae-brian sweep STUDY --preset quick",
    )
    parser.add_argument(
        "folder", metavar="DIR", help="folder of the study: made, or gone on with if it is there"
    )
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="'quick' (minutes) or 'paper' (the published grid); what is given besides takes the "
        "place of its settings",
    )
    grid = parser.add_argument_group("grid", "may grow from run to run")
    settings = parser.add_argument_group("settings", "common to all points of a study")
    for group, options in ((grid, GRID), (settings, SETTINGS)):
        for flag, field, kind, is_several, metavar, text in options:
            group.add_argument(
                flag,
                dest=field,
                type=kind,
                nargs="+" if is_several else None,
                metavar=metavar,
                help=text,
                # What is not given is left to the preset, or to the folder.
                default=argparse.SUPPRESS,
            )
    running = parser.add_argument_group("running")
    running.add_argument(
        "--workers", type=int, metavar="N", help="worker processes (default: one per core)"
    )
    running.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="a running Dask cluster such as tcp://10.0.0.1:8786 (default: workers of our own)",
    )
    running.add_argument(
        "--retries",
        type=int,
        default=2,
        metavar="N",
        help="attempts after the first at a point whose worker died; on a cluster of --scheduler "
        "its own allowed-failures counts those that died",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pvae_brian import sweep

    changes = {
        field: getattr(options, field)
        for _, field, *_ in (*GRID, *SETTINGS)
        if hasattr(options, field)
    }
    with _warnings_in_one_line():
        try:
            found = sweep.run(
                options.folder,
                preset=options.preset,
                scheduler=options.scheduler,
                n_workers=options.workers,
                retries=options.retries,
                progress=True,
                **changes,
            )
        except KeyboardInterrupt:
            folder = shlex.quote(options.folder)
            print(
                "pvae-brian sweep: interrupted; finished points are kept. Go on with: pvae-brian "
                f"sweep {folder}",
                file=sys.stderr,
            )
            return _INTERRUPTED
        except sweep.SweepError:
            _tell(sweep.load_sweep(options.folder), options)
            raise
        _tell(found, options)
    return 0


def _tell(found: Sweep, options: argparse.Namespace) -> None:
    """Show the table, if it has rows, and the answers that they allow."""
    if len(found.table):
        _show(found)
        budget = getattr(options, "budget", None)
        _report(found, write_command(found.study, options.folder, budget_file=budget))


def _report(found: Sweep, command: str) -> None:
    """Say what the study answers, and write its page."""
    from pvae_brian.report import write_report
    from pvae_brian.report.study import build_study_page
    from pvae_brian.sweep.answers import answer

    answers = answer(found.table)
    print()
    for sentence in answers.sentences():
        print(textwrap.fill(sentence, _WIDTH, subsequent_indent="  ", break_long_words=False))
    page = build_study_page(found, answers, command=command)
    path, json_path = write_report(page, found.folder / "report.html", force=True)
    print(f"Report: {path}, and every number in {json_path}")


def _show(found: Sweep) -> None:
    table = found.table[list(_SHOWN)].rename(columns=_SHOWN)
    if len(found.study.seeds) == 1:
        table = table.drop(columns="seed")
    print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-"))
    energy = found.table.attrs["units"]["energy"]
    print(
        f"\nSpikes, prior rate cost and squared error per stimulus. All {len(found.table)} points, "
        f"with 95 % intervals, sparsity, KL and energy in {energy}: {found.folder}/table.csv, "
        ".parquet; as a grid: dataset.nc. Models: points/*/model.pt."
    )


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message: Warning | str, *rest: object, **more: object) -> None:
        print(f"pvae-brian sweep: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
