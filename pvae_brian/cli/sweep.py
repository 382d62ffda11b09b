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

if TYPE_CHECKING:
    from pvae_brian.sweep import Sweep


def _number_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


# Options that are fields of a study: flag, field, type, whether several, name of a value, help.
_GRID = (
    ("--betas", "betas", float, True, "B", "weights of the KL term"),
    ("--latents", "n_latents", int, True, "K", "numbers of latent neurons"),
    ("--seeds", "seeds", int, True, "S", "each model is trained once from each (default: 0)"),
    (
        "--models",
        "models",
        str,
        True,
        "MODEL",
        "families: poisson, and as controls gaussian-relu and gaussian (default: poisson "
        "gaussian-relu)",
    ),
)
_SETTINGS = (
    ("--data", "data", str, False, "WHAT", "as for 'train' (default: natural)"),
    ("--n-train", "n_train", int, False, "N", "images to train on, at most (default: 100000)"),
    ("--n-test", "n_test", int, False, "N", "held-out images to simulate (default: 2000)"),
    ("--data-seed", "data_seed", int, False, "S", "of the choice of images (default: 0)"),
    ("--epochs", "epochs", int, False, "N", "passes over the images, at most (default: 50)"),
    ("--batch-size", "batch_size", int, False, "N", "images per step (default: 200)"),
    ("--learning-rate", "learning_rate", float, False, "R", "at the start (default: 0.02)"),
    (
        "--warmup",
        "warmup",
        float,
        False,
        "SHARE",
        "of the epochs in which beta rises from 0 (default: 0.0)",
    ),
    (
        "--tolerance",
        "tolerance",
        _number_or_none,
        False,
        "T",
        "training ends after the free energy falls by less than this share of it per epoch; 'none' "
        "for all epochs (default: 0.001)",
    ),
    ("--window", "window_s", float, False, "S", "window in seconds (default: 1)"),
    ("--steps", "n_steps", int, False, "N", "time steps per window (default: 100)"),
    (
        "--device",
        "device",
        str,
        False,
        "NAME",
        "what simulates: 'auto', 'numpy', 'cython' or 'cpp_standalone' (default: auto)",
    ),
    (
        "--budget",
        "budget",
        str,
        False,
        "NAME",
        "energy budget, as for 'simulate' (default: attwell-laughlin-2001)",
    ),
)
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


def add_parser(commands) -> None:
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
    for group, options in ((grid, _GRID), (settings, _SETTINGS)):
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
        help="attempts after the first at a point whose worker died",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pvae_brian import sweep

    changes = {
        field: getattr(options, field)
        for _, field, *_ in (*_GRID, *_SETTINGS)
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
            _show(sweep.load_sweep(options.folder))
            raise
    _show(found)
    _report(found, options.typed)
    return 0


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
    if len(table):
        print(table.to_string(index=False, float_format=lambda value: f"{value:.4g}", na_rep="-"))
    energy = found.table.attrs["units"]["energy"]
    print(
        f"\nSpikes, prior rate cost and squared error per stimulus. All {len(found.table)} points, "
        f"with 95 % intervals, sparsity, KL and energy in {energy}: {found.folder}/table.csv, "
        ".parquet; as a grid: dataset.nc. Models: points/*/model.pt."
    )


@contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    def show(message, *rest) -> None:
        print(f"pvae-brian sweep: warning: {' '.join(str(message).split())}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield
