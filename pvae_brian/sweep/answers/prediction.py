"""Do measured spikes equal the prior rate cost, and does the KL go with spikes?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.lines import (
    UNKNOWN,
    Line,
    correlation_interval,
    fit_line,
    fit_through_origin,
)
from pvae_brian.sweep.answers.rows import (
    SPIKING,
    check_table,
    mean_with_interval,
    name_points,
    select,
)
from pvae_brian.sweep.answers.verdict import Verdict

# The mean of measured over predicted may be this far from 1, and this much must be explained.
TOLERANCE, LEAST_R2 = 0.1, 0.9


@dataclass(frozen=True)
class Relation:
    """One quantity of the converged models of a family against another.

    Attributes
    ----------
    family : str
        As in the column ``model``.
    x, y : str
        Columns.
    points : tuple of str
        Models that are in it.
    not_converged, not_positive : tuple of str
        Models that are left out of all, and out of logarithms and ratios.
    line : Line
        Least squares of y on x: a few large models decide it.
    through_origin : Estimate
        Slope of a line without intercept; large models decide it too.
    log_line : Line
        Least squares of log y on log x, where a doubling counts as much for small models.
    ratio : Estimate
        Mean over models of y / x, where all count alike.
    smallest_ratio, largest_ratio : float
        Among the models; NaN without any.
    spearman : Estimate
        Rank correlation.
    verdict : Verdict
        See the function that made it.

    Notes
    -----
    Intervals are Student's over models, for R2 and the rank correlation Fisher's. They take models
    as a sample; the grid of a study is chosen, so they tell how well the models fit one line.
    """

    family: str
    x: str
    y: str
    points: tuple[str, ...]
    not_converged: tuple[str, ...]
    not_positive: tuple[str, ...]
    line: Line
    through_origin: Estimate
    log_line: Line
    ratio: Estimate
    smallest_ratio: float
    largest_ratio: float
    spearman: Estimate
    verdict: Verdict


def compute_predictions(table: pd.DataFrame) -> tuple[Relation, ...]:
    """Hold measured spikes against the prior rate cost, for the P-VAE and the control.

    The prior rate cost predicts spikes if the mean ratio of both is within 0.1 of 1, and a line
    explains at least 0.9 of the variance.

    Parameters
    ----------
    table : DataFrame
        Of a study. Models that did not converge are left out: their prior lags behind.

    Returns
    -------
    tuple of Relation
        By family; x is ``prior_rate_cost``, y is ``spikes``.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "n_latents": 64, "seed": 0, "converged": True}
    >>> points = [{"beta": 1 / n, "prior_rate_cost": n, "spikes": n} for n in (1.0, 2.0, 4.0)]
    >>> prediction = compute_predictions(pd.DataFrame([row | point for point in points]))[0]
    >>> prediction.line.slope.value, prediction.verdict.word
    (1.0, 'yes')
    """
    return tuple(
        _relate(table, family, "prior_rate_cost", "spikes", _judge_prediction) for family in SPIKING
    )


def compute_kl_relations(table: pd.DataFrame) -> tuple[Relation, ...]:
    """Hold the KL against measured spikes, for the P-VAE and the control.

    They go together if the interval of their rank correlation is above 0.

    Parameters
    ----------
    table : DataFrame
        Of a study. Models that did not converge are left out.

    Returns
    -------
    tuple of Relation
        By family; x is ``spikes``, y is ``kl_nats``. Ratios are in nats per spike.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "n_latents": 64, "seed": 0, "converged": True}
    >>> points = [{"beta": 1 / n, "kl_nats": 2 * n, "spikes": n} for n in (1.0, 2.0, 3.0, 4.0)]
    >>> relation = compute_kl_relations(pd.DataFrame([row | point for point in points]))[0]
    >>> relation.ratio.value, relation.spearman.value, relation.verdict.word
    (2.0, 1.0, 'yes')
    """
    return tuple(_relate(table, family, "spikes", "kl_nats", _judge_order) for family in SPIKING)


def _relate(table: pd.DataFrame, family: str, x: str, y: str, judge) -> Relation:
    check_table(table, ["converged", x, y])
    rows = select(table, family, x, y)
    converged = rows["converged"].astype(bool)
    left_out, rows = rows[~converged], rows[converged]
    is_positive = (rows[x] > 0) & (rows[y] > 0)
    positive = rows[is_positive]
    ratios = (positive[y] / positive[x]).to_numpy()
    relation = Relation(
        family=family,
        x=x,
        y=y,
        points=name_points(rows),
        not_converged=name_points(left_out),
        not_positive=name_points(rows[~is_positive]),
        line=fit_line(rows[x].to_numpy(), rows[y].to_numpy()),
        through_origin=fit_through_origin(rows[x].to_numpy(), rows[y].to_numpy()),
        log_line=fit_line(np.log(positive[x].to_numpy()), np.log(positive[y].to_numpy())),
        ratio=mean_with_interval(ratios) if len(ratios) else UNKNOWN,
        smallest_ratio=float(ratios.min()) if len(ratios) else np.nan,
        largest_ratio=float(ratios.max()) if len(ratios) else np.nan,
        spearman=_rank_correlation(rows[x].to_numpy(), rows[y].to_numpy()),
        verdict=Verdict(None, ""),
    )
    return dataclasses.replace(relation, verdict=judge(relation))


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> Estimate:
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return UNKNOWN
    rho = float(spearmanr(x, y).statistic)
    # Ranks vary more than normal numbers (Bonett and Wright 2000, Psychometrika 65:23).
    return correlation_interval(rho, len(x), inflation=1 + rho**2 / 2)


def _judge_prediction(relation: Relation) -> Verdict:
    if few := _too_few(relation, 3):
        return few
    r2 = relation.line.r2.value
    if np.isnan(r2):
        return Verdict(None, "the models are all alike, which leaves no line to fit")
    holds = abs(relation.ratio.value - 1) <= TOLERANCE and r2 >= LEAST_R2
    return Verdict(
        bool(holds),
        f"spikes are {relation.ratio:.3g} of the prior rate cost on average, and R2 is {r2:.3g}",
    )


def _judge_order(relation: Relation) -> Verdict:
    if few := _too_few(relation, 4):
        return few
    rho = relation.spearman
    if np.isnan(rho.value):
        return Verdict(None, "the models are all alike, which leaves nothing to order")
    holds = True if rho.low > 0 else False if rho.high < 0 else None
    return Verdict(holds, f"the rank correlation is {rho:.2f} over {len(relation.points)} models")


def _too_few(relation: Relation, least: int) -> Verdict | None:
    """The verdict if there are fewer models that have a ratio."""
    n_silent, n_left_out = len(relation.not_positive), len(relation.not_converged)
    n = len(relation.points) - n_silent
    if n >= least:
        return None
    others = [f"{n_silent} with a zero"] if n_silent else []
    others += [f"{n_left_out} that did not converge"] if n_left_out else []
    return Verdict(
        None,
        f"it takes {least} converged {relation.family} models with {relation.x} and {relation.y} "
        f"above 0, and there {'is' if n == 1 else 'are'} {n or 'none'}"
        + (f" (and {', '.join(others)})" if others else ""),
    )
