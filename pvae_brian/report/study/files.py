"""The figures of a study as files, for documents and talks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib
import pandas as pd

from pvae_brian._files import check_writable, write_whole
from pvae_brian.metabolism import find_budget
from pvae_brian.report.page.style import LIGHT, report_style
from pvae_brian.report.study.charts import collect_study_charts
from pvae_brian.report.study.page import find_extremes
from pvae_brian.sweep.answers import Answers, answer
from pvae_brian.sweep.results import Sweep

# What a file of each format says of itself: nothing that changes from day to day.
_METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
_DOTS_PER_INCH = 160


def write_figures(
    sweep: Sweep | pd.DataFrame,
    folder: str | os.PathLike[str],
    *,
    answers: Answers | None = None,
    formats: Sequence[str] = ("png", "svg"),
    force: bool = False,
) -> tuple[Path, ...]:
    """Write each chart of a study as a file, each whole or not at all.

    Parameters
    ----------
    sweep : Sweep or pandas.DataFrame
        Of `load_sweep` or `run`, or its table alone: then there are no features, and energy is
        taken to be in ATP.
    folder : path-like
        Where they go; it is made if need be.
    answers : Answers, optional
        Of the table; by default those of `answer`.
    formats : sequence of {'png', 'svg'}
        Files of each chart.
    force : bool
        Whether to replace files that exist.

    Returns
    -------
    tuple of Path
        Named for the charts, such as ``spikes.png``. The same study gives the same bytes, with the
        same version of matplotlib.

    Raises
    ------
    FileExistsError
        If one of them exists and ``force`` is not given; then none is written.
    ValueError
        If there is no such format.
    """
    unknown = [name for name in formats if name not in _METADATA]
    if unknown or not formats or isinstance(formats, str):
        raise ValueError(f"formats must be some of {', '.join(_METADATA)}, got {formats!r}")
    folder = Path(folder)
    if isinstance(sweep, pd.DataFrame):
        table, encoders, unit = sweep, {}, "ATP"
    else:
        table, encoders = sweep.table, find_extremes(sweep)
        unit = find_budget(sweep.study.budget).unit
    answers = answer(table) if answers is None else answers
    charts = collect_study_charts(table, answers, encoders, unit=unit)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{chart.key}.{name}" for chart in charts for name in formats]
    for path in paths:
        check_writable(path, force=force)
    # Letters as outlines: a document may have other fonts than those the figure was laid out for.
    with report_style(), matplotlib.rc_context({"svg.fonttype": "path"}):
        for chart in charts:
            for name in formats:
                with write_whole(folder / f"{chart.key}.{name}", force=force) as file:
                    chart.figure.savefig(
                        file,
                        format=name,
                        dpi=_DOTS_PER_INCH,
                        facecolor=LIGHT["paper"],
                        metadata=_METADATA[name],
                    )
    return tuple(paths)
