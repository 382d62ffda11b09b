"""The tables, as aligned Markdown."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence

from measure import Result
from methods import METHODS, OUR_STEPS
from serve import RATES


def print_comparison(results: dict[str, Result], n_latents: int, patience_s: float) -> None:
    """Print speed, memory and exactness: a row for each method, and why others are missing.

    Parameters
    ----------
    results : dict
        By key of `METHODS`.
    n_latents : int
        Of all jobs.
    patience_s : float
        Seconds for which slow methods draw counts.
    """
    limit = results["poisson"].per_stimulus if "poisson" in results else {}
    head = ["", "stimuli", "steps", "build, s", "runs", "stimuli/s", "time / numpy's", "peak, MB"]
    head += [f"at {rate:g}" for rate in RATES] + ["+-"]
    rows = [head]
    for result in results.values():
        if result.error:
            continue
        ours = result.per_stimulus
        ratios = [ours[number] / limit[number] for number in ours if number in limit]
        rows.append(
            [
                result.title,
                f"{result.n_stimuli}",
                f"{result.n_steps}",
                f"{result.prepare_s + result.first_s:.1f}",
                f"{len(ours)}",
                _number(1 / statistics.median(ours.values())),
                with_spread(ratios),
                "-" if result.memory is None else f"{result.memory / 1e6:.0f}",
                *(f"{mean:.3f} {fano:.3f}" for mean, fano in result.exactness()),
                f"{result.standard_error():.3f}",
            ]
        )
    _print_table(rows)
    for result in results.values():
        if result.error:
            print(f"- {result.title}: skipped, {result.error}")
    _print_notes(
        f"Each job had so many stimuli of {n_latents} latents; nothing is extrapolated. Build: "
        "preparation and the first job, which are not in the other times.",
        "stimuli/s: the median of the runs. The time per stimulus is held against that of "
        "Generator.poisson in the same round: median [least, most].",
        "Peak memory: of a fresh process with its children, libraries and rates included, nothing "
        "left to compile.",
        f"At {', '.join(f'{rate:g}' for rate in RATES)} spikes per window: mean over rate, then "
        "Fano factor; both are 1 for Poisson counts. +-: the largest of their standard errors "
        f"(slow methods draw for {patience_s:g} s).",
    )


def print_scaling(
    scaling: list[tuple[str, dict[str, float]]], names: Sequence[str], n_latents: int
) -> None:
    """Print time per stimulus: a row for each job.

    Parameters
    ----------
    scaling : list of (str, dict)
        What the job was, and seconds per stimulus by method.
    names : sequence of str
        The methods.
    n_latents : int
        Of jobs that do not say.
    """
    rows = [["microseconds per stimulus", *(METHODS[name].title for name in names)]]
    for label, times in scaling:
        rows.append([label, *(_number(1e6 * times[n]) if n in times else "-" for n in names)])
    _print_table(rows)
    _print_notes(
        f"{n_latents} latents and {OUR_STEPS} steps where not said. Stimuli times latents are the "
        "same in all rows that vary latents or steps."
    )


def with_spread(values: list[float]) -> str:
    """Median [least, most]."""
    if not values:
        return "-"
    low, middle, high = map(_number, (min(values), statistics.median(values), max(values)))
    return f"{middle} [{low}, {high}]"


def _number(value: float) -> str:
    """Three digits, and all of those before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def _print_table(rows: list[list[str]]) -> None:
    """Print rows, the first of them the head, as aligned Markdown."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for row in [rows[0], rule, *rows[1:]]:
        cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
        print(f"| {' | '.join(cells)} |")


def _print_notes(*notes: str) -> None:
    text = "\n".join(textwrap.fill(note, 100) for note in notes)
    print(f"\n{text}\n")
