"""Do measured spikes equal the prior rate cost, and does the KL go with spikes?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import permutation_test, rankdata, spearmanr

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.lines import (
    UNKNOWN,
    Line,
    correlation_interval,
    fit_line,
    fit_through_origin,
)
from pvae_brian.sweep.answers.names import name_family, name_quantity, write_estimate
from pvae_brian.sweep.answers.rows import (
    POISSON,
    SPIKING,
    check_table,
    mean_with_interval,
    name_points,
    select,
)
from pvae_brian.sweep.answers.verdict import ALPHA, Verdict

# The slope may be this far from 1.
TOLERANCE = 0.05
# Below these nothing can be told: two points are always on a line, and of four models even those
# in perfect order are so by chance twice in 24 times.
_LEAST_FOR_A_LINE, _LEAST_FOR_AN_ORDER = 3, 5
# Orders that a permutation test tries: all of up to seven models, else so many at random, always
# the same ones.
_ORDERS, _SEED = 9999, 0
_ROUNDING = 1e-12


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
        Rank correlation; without an interval where it is 1 or -1.
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
    through_origin: Estimate[float]
    log_line: Line
    ratio: Estimate[float]
    smallest_ratio: float
    largest_ratio: float
    spearman: Estimate[float]
    verdict: Verdict


def compute_predictions(table: pd.DataFrame) -> tuple[Relation, ...]:
    """Hold measured spikes against the prior rate cost, for the P-VAE and the control.

    The question is asked of P-VAEs: the prior rate cost predicts spikes if the slope of the
    least-squares line over converged models is within 0.05 of 1. Whether the interval of the slope
    lies within these bounds is said beside it. A control's prior is fixed, so that its activity
    depends on K alone: its line is there to compare with, without a verdict.

    Parameters
    ----------
    table : DataFrame
        Of a study. Models that did not converge are left out.

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
    found = (_relate(table, family, "prior_rate_cost", "spikes")[0] for family in SPIKING)
    return tuple(dataclasses.replace(one, verdict=_judge_prediction(one)) for one in found)


def compute_kl_relations(table: pd.DataFrame) -> tuple[Relation, ...]:
    """Hold the KL against measured spikes, for the P-VAE and the control.

    They go together if the interval of their rank correlation is above 0; where all models are in
    one order, which leaves no interval, if a permutation test finds it.

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
    >>> points = [{"beta": 1 / n, "kl_nats": 2 * n, "spikes": n} for n in (1.0, 2.0, 3.0, 4.0, 5.0)]
    >>> relation = compute_kl_relations(pd.DataFrame([row | point for point in points]))[0]
    >>> relation.ratio.value, relation.spearman.value, relation.verdict.word
    (2.0, 1.0, 'yes')
    """
    found = (_relate(table, family, "spikes", "kl_nats") for family in SPIKING)
    return tuple(dataclasses.replace(one, verdict=_judge_order(one, x, y)) for one, x, y in found)


def _relate(
    table: pd.DataFrame, family: str, x: str, y: str
) -> tuple[Relation, np.ndarray, np.ndarray]:
    """Return a relation without its verdict, and the values of both."""
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
    return relation, rows[x].to_numpy(), rows[y].to_numpy()


def _rank_correlation(x: np.ndarray, y: np.ndarray) -> Estimate[float]:
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return UNKNOWN
    rho = float(spearmanr(x, y).statistic)
    if np.isclose(abs(rho), 1, rtol=0, atol=_ROUNDING):
        return Estimate(float(np.sign(rho)), np.nan, np.nan)
    # Ranks vary more than normal numbers (Bonett and Wright 2000, Psychometrika 65:23).
    return correlation_interval(rho, len(x), inflation=1 + rho**2 / 2)


def _judge_prediction(relation: Relation) -> Verdict:
    if relation.family != POISSON:
        return Verdict(
            None, "asked of P-VAEs alone: a control's prior is fixed, and its activity depends on K"
        )
    if few := _too_few(relation, len(relation.points), _LEAST_FOR_A_LINE):
        return few
    slope = relation.line.slope
    if np.isnan(slope.value):
        return Verdict(None, "the prior rate cost of all models is the same, which leaves no slope")
    is_inside = slope.low >= 1 - TOLERANCE and slope.high <= 1 + TOLERANCE
    return Verdict(
        bool(abs(slope.value - 1) <= TOLERANCE),
        f"the slope of spikes on prior rate cost is {write_estimate(slope)}, and its interval "
        f"{'lies' if is_inside else 'does not lie'} within {1 - TOLERANCE:g} to {1 + TOLERANCE:g}",
    )


def _judge_order(relation: Relation, x: np.ndarray, y: np.ndarray) -> Verdict:
    n_positive = len(relation.points) - len(relation.not_positive)
    if few := _too_few(relation, n_positive, _LEAST_FOR_AN_ORDER):
        return few
    rho, n = relation.spearman, len(relation.points)
    if np.isnan(rho.value):
        return Verdict(None, "the models are all alike, which leaves nothing to order")
    said = f"the rank correlation is {write_estimate(rho, 2)} over {n} models"
    if np.isnan(rho.low):
        p = _order_p_value(x, y)
        holds = bool(rho.value > 0) if p < ALPHA else None
        return Verdict(holds, f"{said}, p = {p:.2g} (permutation test)")
    return Verdict(True if rho.low > 0 else False if rho.high < 0 else None, said)


def _order_p_value(x: np.ndarray, y: np.ndarray) -> float:
    """Return how often ranks are as much in order as these, either way, if paired by chance."""
    of_x, of_y = rankdata(x), rankdata(y)
    found = permutation_test(
        (of_x - of_x.mean(),),
        lambda dealt, axis: (dealt * (of_y - of_y.mean())).sum(axis=axis),
        permutation_type="pairings",
        n_resamples=_ORDERS,
        vectorized=True,
        rng=np.random.default_rng(_SEED),
    )
    return float(found.pvalue)


def _too_few(relation: Relation, n: int, least: int) -> Verdict | None:
    """The verdict if there are fewer models than it takes."""
    if n >= least:
        return None
    n_silent, n_left_out = len(relation.points) - n, len(relation.not_converged)
    others = [f"{n_silent} with a zero"] if n_silent else []
    others += [f"{n_left_out} that did not converge"] if n_left_out else []
    x, y = name_quantity(relation.x), name_quantity(relation.y)
    return Verdict(
        None,
        f"it takes {least} converged models ({name_family(relation.family)}) with {x} and {y}, and "
        f"there {'is' if n == 1 else 'are'} {n or 'none'}"
        + (f" (and {', '.join(others)})" if others else ""),
    )
