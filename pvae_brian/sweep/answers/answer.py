"""All answers that one study gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd

from pvae_brian.sweep.answers.beside import DirectionComparison, compare_directions
from pvae_brian.sweep.answers.control import Steadiness, compute_steadiness
from pvae_brian.sweep.answers.growth import Growth, compute_growth
from pvae_brian.sweep.answers.pareto import (
    SPACE,
    Dominance,
    Front,
    compute_dominance,
    compute_fronts,
)
from pvae_brian.sweep.answers.prediction import (
    Relation,
    compute_kl_relations,
    compute_predictions,
)
from pvae_brian.sweep.answers.rows import check_table, name_points
from pvae_brian.sweep.answers.trend import BETA_FROM, Trend, compute_trends

OfFamily = TypeVar("OfFamily", Trend, Steadiness, Relation)


@dataclass(frozen=True, eq=False)
class Answers:
    """What a study says about spikes, beta and K.

    Attributes
    ----------
    beta_from : float
        Verdicts on trends are over betas that are not below.
    betas, n_latents, seeds : tuple
        Those of the table, in rising order.
    models : tuple of str
        Families of the table, in its order. Of others there is no answer.
    not_converged : tuple of str
        Points whose training did not converge. They stay in all answers but the predictions.
    trends, trends_over_all : tuple of Trend
        Over betas from ``beta_from`` on, and over all betas; the same where none is below.
    steadiness : tuple of Steadiness
        How far the fractions of zeros move.
    predictions, kl_relations : tuple of Relation
        Spikes against prior rate cost, and KL against spikes.
    fronts, fronts_with_kl : tuple of Front
        Of energy and error, and of energy, error and KL.
    dominance : Dominance
        Controls that a P-VAE beats in energy and error.
    growth : tuple of Growth
        With K, at each beta.
    directions : tuple of DirectionComparison
        Against what was published.
    """

    beta_from: float
    betas: tuple[float, ...]
    n_latents: tuple[int, ...]
    seeds: tuple[int, ...]
    models: tuple[str, ...]
    not_converged: tuple[str, ...]
    trends: tuple[Trend, ...]
    trends_over_all: tuple[Trend, ...]
    steadiness: tuple[Steadiness, ...]
    predictions: tuple[Relation, ...]
    kl_relations: tuple[Relation, ...]
    fronts: tuple[Front, ...]
    fronts_with_kl: tuple[Front, ...]
    dominance: Dominance
    growth: tuple[Growth, ...]
    directions: tuple[DirectionComparison, ...]

    def sentences(self) -> list[str]:
        """Say it in plain sentences; see `describe`."""
        # Here, as sentences are made of answers.
        from pvae_brian.sweep.answers.sentences import describe

        return describe(self)


def answer(table: pd.DataFrame, *, beta_from: float = BETA_FROM) -> Answers:
    """Answer the questions of a beta x K study from its table.

    Parameters
    ----------
    table : DataFrame
        One row per point: ``Sweep.table``. Missing points, families and values are allowed, and a
        verdict that they prevent says so.
    beta_from : float
        Trends are judged over betas that are not below: published values are not monotone under
        0.5.

    Returns
    -------
    Answers

    Raises
    ------
    ValueError
        If the table lacks columns or has a point twice, or ``beta_from`` is no number.

    Examples
    --------
    >>> from pvae_brian.sweep.quantities import COLUMNS
    >>> row = {name: 1.0 for column in COLUMNS for name in column.names()} | {"converged": True}
    >>> row |= {"model": "poisson", "beta": 1.0, "n_latents": 64, "seed": 0}
    >>> print(answer(pd.DataFrame([row])).trends[0].verdict)
    cannot be told: a trend needs two betas of 0.5 or more at one K
    """
    if math.isnan(beta_from):
        raise ValueError(f"beta_from must be a number, got {beta_from!r}; try {BETA_FROM}")
    check_table(table, ["converged"])
    models = tuple(dict.fromkeys(table["model"].tolist()))

    def asked(answers: tuple[OfFamily, ...]) -> tuple[OfFamily, ...]:
        return tuple(one for one in answers if one.family in models)

    trends = asked(compute_trends(table, beta_from=beta_from))
    has_below = bool((table["beta"] < beta_from).any())
    return Answers(
        beta_from=float(beta_from),
        betas=tuple(sorted(set(table["beta"].tolist()))),
        n_latents=tuple(sorted(set(table["n_latents"].tolist()))),
        seeds=tuple(sorted(set(table["seed"].tolist()))),
        models=models,
        not_converged=name_points(table[~table["converged"].astype(bool)]),
        trends=trends,
        trends_over_all=(asked(compute_trends(table, beta_from=0.0)) if has_below else trends),
        steadiness=asked(compute_steadiness(table, beta_from=beta_from)),
        predictions=asked(compute_predictions(table)),
        kl_relations=asked(compute_kl_relations(table)),
        fronts=compute_fronts(table),
        fronts_with_kl=compute_fronts(table, SPACE),
        dominance=compute_dominance(table),
        growth=compute_growth(table),
        directions=compare_directions(table),
    )
