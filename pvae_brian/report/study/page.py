"""`build_study_page`: from a sweep and its answers to a page of a report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import pandas as pd

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.metabolism import EnergyBudget, find_budget, is_shipped
from pvae_brian.report.page.parts import Page
from pvae_brian.report.study._series import families_in
from pvae_brian.report.study.assumptions import collect_study_assumptions
from pvae_brian.report.study.cautions import collect_study_cautions
from pvae_brian.report.study.charts import collect_study_charts
from pvae_brian.report.study.headline import write_headline
from pvae_brian.report.study.results import collect_study_quantities
from pvae_brian.report.study.tables import collect_study_tables
from pvae_brian.sweep.answers import Answers, answer, beside
from pvae_brian.sweep.folder import read_points, read_study
from pvae_brian.sweep.results import Sweep
from pvae_brian.sweep.study import Point


def build_study_page(
    sweep: Sweep, answers: Answers | None = None, *, command: str | None = None
) -> Page:
    """Put together all that a study says.

    Parameters
    ----------
    sweep : Sweep
        Of `load_sweep` or `run`, with one finished model at least.
    answers : Answers, optional
        Of its table; by default those of `answer`.
    command : str, optional
        What makes the study anew; shown first.

    Returns
    -------
    Page
        For `render_html` and `write_report`. Its ``data`` hold the whole table, column by column.

    Raises
    ------
    ValueError
        If no model is finished.
    """
    if sweep.table.empty:
        raise ValueError(
            f"a report needs a finished model, and none of {len(sweep.missing)} in {sweep.folder} "
            "is; run the sweep first"
        )
    answers = answer(sweep.table) if answers is None else answers
    encoders = find_extremes(sweep)
    budget = _budget_for(sweep, encoders)
    return Page(
        title="Metabolic cost in simulated spikes: a study of β and K",
        headline=write_headline(answers),
        warnings=collect_study_cautions(sweep, answers),
        quantities=collect_study_quantities(answers),
        charts=collect_study_charts(sweep.table, answers, encoders, unit=budget.unit),
        assumptions=collect_study_assumptions(sweep.study, answers, budget, sweep.table),
        reproduction=_reproduction(sweep, command),
        tables=collect_study_tables(sweep, answers, unit=budget.unit),
        data=_data(sweep, answers),
    )


def find_extremes(sweep: Sweep) -> dict[tuple[str, float], Encoder | GaussianEncoder]:
    """Load the models of each family at its lowest and highest beta, at the largest K of both.

    Returns
    -------
    dict of (str, float) to Encoder
        For `plot_features_by_beta`; of a family with one beta there is one.
    """
    table, encoders = sweep.table, {}
    for model in families_in(table):
        rows = table[table["model"] == model]
        rows = rows[rows["seed"] == rows["seed"].min()]
        # The largest of those K that reach furthest over beta.
        spans = rows.groupby("n_latents")["beta"].agg(lambda beta: beta.max() - beta.min())
        n_latents = int(spans[spans == spans.max()].index.max())
        of_k = rows[rows["n_latents"] == n_latents]
        for beta in dict.fromkeys((float(of_k["beta"].min()), float(of_k["beta"].max()))):
            point = Point(model, beta, n_latents, int(of_k["seed"].iloc[0]))
            encoders[model, beta] = sweep.encoder(point)
    return encoders


def _budget_for(
    sweep: Sweep, encoders: Mapping[tuple[str, float], Encoder | GaussianEncoder]
) -> EnergyBudget:
    """The budget as the points were counted by: one that ships takes each pixel for a synapse."""
    budget = find_budget(sweep.study.budget)
    if budget.fan_out is None or not is_shipped(budget):
        return budget
    return budget.with_fan_out(next(iter(encoders.values())).n_inputs)


def _reproduction(sweep: Sweep, command: str | None) -> dict[str, Any]:
    study = read_study(sweep.folder)
    saved, _ = read_points(sweep.folder, study)
    # Each once: workers may differ.
    versions: dict[str, list[str]] = {}
    devices: list[str] = []
    for point in saved.values():
        for name, number in point.notes["versions"].items():
            if number not in versions.setdefault(name, []):
                versions[name].append(number)
        if point.notes["device"] not in (None, *devices):
            devices.append(point.notes["device"])
    others = ("pandas", "matplotlib")
    grid = {
        name: list(getattr(sweep.study, name)) for name in ("models", "betas", "n_latents", "seeds")
    }
    return ({"command": command} if command else {}) | {
        "grid": grid,
        "settings": sweep.study.settings(),
        "data": study.data,
        "devices": devices,
        "versions": {name: ", ".join(numbers) for name, numbers in versions.items()}
        | {name: version(name) for name in others},
    }


def _data(sweep: Sweep, answers: Answers) -> dict[str, Any]:
    return {
        "table": _columns(sweep.table),
        "units": dict(sweep.table.attrs.get("units", {})),
        "meanings": dict(sweep.table.attrs.get("meanings", {})),
        "missing": [dataclasses.asdict(point) for point in sweep.missing],
        "answers": answers.sentences(),
        "beside_published": _columns(beside(sweep.table)),
    }


def _columns(table: pd.DataFrame) -> dict[str, list[Any]]:
    """Columns as lists, with None for what is not defined: JSON knows no NaN and no infinity."""
    return {
        name: [
            None if isinstance(x, float) and not math.isfinite(x) else x
            for x in np.asarray(table[name]).tolist()
        ]
        for name in table.columns
    }
