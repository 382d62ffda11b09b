"""``pvae-brian report``: from a run to a page that can be shown to others."""

from __future__ import annotations

import argparse
from pathlib import Path

from pvae_brian._files import check_writable
from pvae_brian.cli import options as shared


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "report",
        summary="make a report of a run: one HTML page, and a JSON file with every number",
        example="pvae-brian report RUN -o report.html",
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="a folder of 'pvae-brian simulate ... --save-run RUN'"
    )
    shared.add_output(
        parser, "report.html", "where to save the page (.html); the JSON goes beside it"
    )
    shared.add_budget(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    page_path = _page_path(options.output)
    for path in (page_path, page_path.with_suffix(".json")):
        check_writable(path, force=options.force)
    budget = shared.budget_keywords(options)
    from pvae_brian.analysis import analyse
    from pvae_brian.report import build_page, write_report
    from pvae_brian.runs import load_run

    found = load_run(options.run_folder)
    analysis = analyse(found.encoder, found.images, found.record, **budget)
    page = build_page(analysis, found.provenance, report_command=options.typed)
    paths = write_report(page, page_path, force=options.force)
    print(page.headline)
    for warning in page.warnings:
        print(f"Note: {warning}")
    print(f"Report: {paths[0]}, and every number in {paths[1]}")
    return 0


def _page_path(name: str) -> Path:
    """Return where the page goes: a name without an ending gets .html, for browsers go by it."""
    path = Path(name)
    if path.suffix.lower() in (".html", ".htm"):
        return path
    if path.suffix == ".json":
        raise ValueError(
            f"the page and its JSON must be two files, got {path} for the page; end it in .html"
        )
    if path.suffix:
        raise ValueError(f"the page is HTML, got {path} for it; end it in .html")
    if path.is_dir():
        # It says so.
        check_writable(path)
    return path.with_suffix(".html")
