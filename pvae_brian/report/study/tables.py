"""The tables of a study: verdicts, all models, and what was published beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pandas as pd

from pvae_brian.report.page.parts import Table
from pvae_brian.report.page.quantity import with_powers
from pvae_brian.report.study._series import family_of
from pvae_brian.sweep.answers import Answers, beside
from pvae_brian.sweep.answers.beside import DirectionComparison
from pvae_brian.sweep.answers.control import Steadiness
from pvae_brian.sweep.answers.names import name_quantity
from pvae_brian.sweep.answers.rows import CONTROL, POISSON
from pvae_brian.sweep.answers.trend import Trend
from pvae_brian.sweep.answers.verdict import Verdict
from pvae_brian.sweep.results import Sweep

# Of the published models that stand beside ours.
_PUBLISHED_K = 512
# Of the columns of a study those that a page has room for, with their heads.
_COST = {
    "spikes": "spikes per stimulus",
    "prior_rate_cost": "prior rate cost (spikes per stimulus)",
    "spikes_over_prior": "spikes / prior",
    "kl_nats": "KL (nats per stimulus)",
    "bits_per_spike": "KL per spike (bits)",
    "energy": "energy ({unit} per stimulus)",
    "converged": "converged",
}
_CODE = {
    "error": "error (squared)",
    "r2": "R²",
    "fraction_zeros": "zeros among counts",
    "latent_zeros": "zeros among latents",
    "lifetime_sparsity": "lifetime sparsity",
    "active_latents": "active latents",
}
_MEANS = (
    "Means over stimuli. The prior rate cost of a control is the activity of its prior. KL per "
    "spike is an upper bound on the information in the counts of a P-VAE. Intervals and all other "
    "columns are in the JSON, under data. A plain Gaussian VAE has no spikes, so most is not "
    "defined."
)
_SHARES = (
    "Error and R² are those of images decoded from simulated counts; sparsity is that of the "
    "counts. Active latents are those with more than 0.01 nats."
)


def collect_study_tables(sweep: Sweep, answers: Answers, *, unit: str) -> tuple[Table, ...]:
    """Return the tables of a study.

    Parameters
    ----------
    sweep : Sweep
        Of `load_sweep` or `run`.
    answers : Answers
        Of its table.
    unit : str
        Of energy.

    Returns
    -------
    tuple of Table
        Those without rows are left out.
    """
    tables = (
        _verdict_table(answers),
        _model_table(sweep.table, "All models: spikes and their cost", _MEANS, _COST, unit),
        _model_table(sweep.table, "All models: code and sparsity", _SHARES, _CODE, unit),
        _published_table(sweep.table),
    )
    return tuple(table for table in tables if table.rows)


def _verdict_table(answers: Answers) -> Table:
    return Table(
        "Questions and verdicts",
        "'Cannot be told' where the models are too few, or differ by less than their error.",
        ("question", "verdict", "why"),
        tuple(
            (question, verdict.word, with_powers(verdict.reason))
            for question, verdict in _questions(answers)
        ),
    )


def _questions(answers: Answers) -> Iterator[tuple[str, Verdict]]:
    for trends in dict.fromkeys((answers.trends, answers.trends_over_all)):
        for trend in trends:
            verb = "fall" if trend.direction == "falls" else "rise"
            which = f"β from {trend.beta_from:g}" if trend.beta_from > 0 else "all β"
            yield f"{_whose(trend)} {verb}s with β at every K ({which})", trend.verdict
    for one in answers.steadiness:
        if one.family == CONTROL:
            which = f"β from {one.beta_from:g}"
            yield f"{_whose(one)} stays within 0.1 over β ({which})", one.verdict
    for relation in answers.predictions:
        if relation.family == POISSON:
            name = family_of(relation.family).name
            yield f"{name}: the prior rate cost predicts spikes", relation.verdict
    for relation in answers.kl_relations:
        yield f"{family_of(relation.family).name}: the KL goes with spikes", relation.verdict
    if {POISSON, CONTROL} <= {*answers.models}:
        yield "Each control is beaten by a P-VAE in energy and error", answers.dominance.verdict
    for found in answers.directions:
        which = f"at K = {found.n_latents}"
        yield f"{_whose(found)} changes with β as published, {which}", found.verdict


def _whose(answer: Trend | Steadiness | DirectionComparison) -> str:
    name = name_quantity(answer.quantity)
    return f"{family_of(answer.family).name}: {name}".replace(": spikes", ": number of spikes")


def _model_table(
    table: pd.DataFrame, title: str, caption: str, columns: dict[str, str], unit: str
) -> Table:
    return Table(
        title,
        caption,
        ("model", "β", "K", "seed", *(head.format(unit=unit) for head in columns.values())),
        tuple(
            (
                family_of(row["model"]).name,
                float(row["beta"]),
                int(row["n_latents"]),
                int(row["seed"]),
                *(_cell(row[column]) for column in columns),
            )
            for row in table.to_dict("records")
        ),
    )


def _cell(value: float | bool) -> float | str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return float(value)


def _published_table(table: pd.DataFrame) -> Table:
    both = beside(table)
    if len(both):
        # One K, for there is one published.
        sizes = sorted(set(both["n_latents"]), key=lambda k: abs(math.log(k / _PUBLISHED_K)))
        both = both[both["n_latents"] == sizes[0]]
    return Table(
        "Beside published values",
        f"At the K nearest to the published {_PUBLISHED_K}, and the published β nearest to each. "
        "Other images and another training: compare directions, not digits. All K are in the JSON.",
        ("quantity", "K", "β", "here", "published β", "published", "source"),
        tuple(
            (
                f"{family_of(row['model']).name}: {name_quantity(row['quantity'])}",
                int(row["n_latents"]),
                float(row["beta"]),
                float(row["value"]),
                float(row["published_beta"]),
                float(row["published_value"]),
                row["published"],
            )
            for row in both.to_dict("records")
        ),
    )
