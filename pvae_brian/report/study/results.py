"""The numbers of a study that a page lists: a function for each section."""

from __future__ import annotations

import math
from collections.abc import Iterator

from pvae_brian.intervals import Estimate
from pvae_brian.report.page.quantity import Quantity, format_number, with_powers
from pvae_brian.report.study._series import family_of
from pvae_brian.sweep.answers import (
    Answers,
    DirectionComparison,
    Growth,
    Relation,
    Steadiness,
    Trend,
)
from pvae_brian.sweep.answers.beside import say_unclear
from pvae_brian.sweep.answers.names import name_quantity
from pvae_brian.sweep.answers.pareto import HANDICAP
from pvae_brian.sweep.answers.rows import CONTROL, POISSON

_OVER_MODELS = "Student's, over models"
_FISHER = "Fisher's, over models"
_NATS_PER_BIT = math.log(2)


def collect_study_quantities(answers: Answers) -> tuple[Quantity, ...]:
    """Return every number of the answers that a page lists, with its interval.

    Parameters
    ----------
    answers : Answers
        Of `answer`.

    Returns
    -------
    tuple of Quantity
        Sections are trends by family, how far the control's zeros move, the prediction of spikes
        by the prior, KL against spikes, growth with K, the Pareto front and the published
        directions. What the table has no models for is left out.
    """
    return (
        *(q for trend in answers.trends for q in _trend(trend)),
        *(q for steadiness in answers.steadiness for q in _steadiness(steadiness)),
        *(q for relation in answers.predictions for q in _prediction(relation)),
        *(q for relation in answers.kl_relations for q in _kl(relation)),
        *(q for growth in answers.growth for q in _growth(growth)),
        *_pareto(answers),
        *_directions(answers.directions),
    )


def _trend(trend: Trend) -> Iterator[Quantity]:
    family, name = family_of(trend.family).name, name_quantity(trend.quantity)
    section = f"Trend with β, from {trend.beta_from:g}: {family}"
    key = f"trend.{trend.family}.{trend.quantity}"
    falls = trend.direction == "falls"
    for at in trend.at:
        if not at.steps:
            continue
        first, last = at.betas[0], at.betas[-1]
        change = f"β = {last:g} over β = {first:g}" if falls else f"from β = {first:g} to {last:g}"
        yield _quantity(
            f"{key}.k{at.n_latents}",
            section,
            f"{name}, {'ratio' if falls else 'change'} {change}, K = {at.n_latents}",
            at.effect,
            interval=f"MOVER, {_over(at.n_seeds)}",
            remark=f"Kendall's tau with β is {_short(at.tau)}",
        )
    if trend.test is not None:
        yield _p_value(f"{key}.p_value", section, name, trend)


def _p_value(key: str, section: str, name: str, trend: Trend) -> Quantity:
    test = trend.test
    # None is shown of a trend without one.
    assert test is not None
    fall = "fall" if trend.direction == "falls" else "rise"
    is_exact = test.method == "exact"
    return _quantity(
        key,
        section,
        f"{name}, p-value of a {fall} over all K",
        _exact(test.p_value) if is_exact else Estimate(test.p_value, math.nan, math.nan),
        interval=f"{'exact: ' if is_exact else 'normal law of '}{test.name}'s test",
        remark=f"least that so few points can give: {_short(test.smallest_p)}",
    )


def _over(n_seeds: tuple[int, ...]) -> str:
    """What an interval speaks of: with one seed of other stimuli, with more of other trainings."""
    if max(n_seeds) == 1:
        return "bootstrap over stimuli"
    return "Student's over seeds" if min(n_seeds) > 1 else "over seeds or stimuli"


def _steadiness(steadiness: Steadiness) -> Iterator[Quantity]:
    # The P-VAE's fractions have a trend instead.
    if steadiness.family != CONTROL:
        return
    family, name = family_of(steadiness.family).name, name_quantity(steadiness.quantity)
    for at in steadiness.at:
        yield _quantity(
            f"steadiness.{steadiness.family}.{steadiness.quantity}.k{at.n_latents}",
            f"How far zeros move with β: {family}",
            f"{name}, range over β from {steadiness.beta_from:g}, K = {at.n_latents}",
            Estimate(at.range_from, math.nan, math.nan),
            interval="difference of the largest and the smallest",
            remark=(
                f"over all β from {_short(at.smallest)} to {_short(at.largest)}, "
                f"a range of {_short(at.range)}"
            ),
        )


def _prediction(relation: Relation) -> Iterator[Quantity]:
    if not relation.points:
        return
    section = "Measured spikes against prior rate cost"
    key = f"prediction.{relation.family}"
    name = family_of(relation.family).name
    cost = "prior rate cost" if relation.family == POISSON else "the activity of its prior"
    yield from _line(relation, key, section, name, "", "spikes")
    yield _quantity(
        f"{key}.ratio", section, f"{name}: spikes over {cost}, mean over models",
        relation.ratio, interval=_OVER_MODELS, remark=_extremes(relation, 1.0, ""),
    )  # fmt: skip


def _kl(relation: Relation) -> Iterator[Quantity]:
    if not relation.points:
        return
    section = "KL against measured spikes"
    key, name = f"kl.{relation.family}", family_of(relation.family).name
    yield _quantity(
        f"{key}.spearman", section, f"{name}: rank correlation over models", relation.spearman,
        interval="" if math.isnan(relation.spearman.low) else _FISHER, remark=_models(relation),
    )  # fmt: skip
    yield from _line(relation, key, section, name, "nats/spike", "nats")
    yield _quantity(
        f"{key}.bits_per_spike", section, f"{name}: KL per spike, mean over models",
        relation.ratio.scaled(1 / _NATS_PER_BIT), "bits/spike", interval=_OVER_MODELS,
        remark=_extremes(relation, 1 / _NATS_PER_BIT, " bits/spike"),
    )  # fmt: skip


def _line(
    relation: Relation, key: str, section: str, name: str, slope: str, intercept: str
) -> Iterator[Quantity]:
    line, log_line = relation.line, relation.log_line
    remark = f"least squares; {_models(relation)}"
    for what, words, estimate, unit, how in (
        ("slope", "slope", line.slope, slope, _OVER_MODELS),
        ("intercept", "intercept", line.intercept, intercept, _OVER_MODELS),
        ("r2", "R², share of variance explained", line.r2, "", _FISHER),
        ("origin", "slope of a line through the origin", relation.through_origin, slope, ""),
        ("power", "exponent of a power law", log_line.slope, "", ""),
    ):
        yield _quantity(
            f"{key}.{what}", section, f"{name}: {words}", estimate, unit,
            interval=how or _OVER_MODELS, remark=remark,
        )  # fmt: skip


def _models(relation: Relation) -> str:
    n, left_out = len(relation.points), len(relation.not_converged)
    some = f"{n} model" if n == 1 else f"{n} models"
    return f"{some}; {left_out} not converged, left out" if left_out else some


def _extremes(relation: Relation, factor: float, unit: str) -> str:
    if math.isnan(relation.smallest_ratio):
        return _models(relation)
    low, high = (_short(x * factor) for x in (relation.smallest_ratio, relation.largest_ratio))
    return f"from {low} to {high}{unit}; {_models(relation)}"


def _growth(growth: Growth) -> Iterator[Quantity]:
    # Energy is spikes times a constant of the budget, and grows as they do.
    if growth.quantity == "energy" or math.isnan(growth.exponent.value):
        return
    family = family_of(growth.family).name
    local = ", ".join(map(_short, growth.local_exponents))
    silent = f"; no spikes at K {', '.join(map(str, growth.silent))}" if growth.silent else ""
    yield _quantity(
        f"growth.{growth.family}.beta{growth.beta:g}",
        "Growth of spikes with K, as a power of K",
        f"{family}: exponent at β = {growth.beta:g}",
        growth.exponent,
        interval="Student's, over K",
        remark=f"from K to K: {local}{silent}",
    )


def _pareto(answers: Answers) -> Iterator[Quantity]:
    section = "Pareto front of energy and error"
    is_one = len({POISSON, CONTROL} & {*answers.models}) < 2
    for front in answers.fronts:
        # Of one family, the front of all is its own.
        if front.n_points and not (is_one and front.family == "all"):
            whose = "all that spike" if front.family == "all" else family_of(front.family).name
            yield _quantity(
                f"pareto.{front.family}", section, f"models on the front, {whose}",
                _exact(len(front.points)), interval="exact: a count",
                remark=f"of {front.n_points}",
            )  # fmt: skip
    dominance = answers.dominance
    if dominance.n_controls and POISSON in answers.models:
        yield _quantity(
            "pareto.beaten", section, "controls that a P-VAE beats in energy and in error",
            _exact(dominance.n_dominated), interval="exact: a count",
            remark=f"of {dominance.n_controls}; {HANDICAP}",
        )  # fmt: skip


def _directions(directions: tuple[DirectionComparison, ...]) -> Iterator[Quantity]:
    kinds = dict.fromkeys((each.family, each.quantity) for each in directions)
    for family, quantity in kinds:
        of_kind = [d for d in directions if (d.family, d.quantity) == (family, quantity)]
        n = sum(each.n_compared for each in of_kind)
        if not n:
            continue
        n_unclear = sum(each.n_unclear for each in of_kind)
        yield _quantity(
            f"published.{family}.{quantity}",
            "Directions as published",
            f"{family_of(family).name}: steps of {name_quantity(quantity)} with β that go the "
            "published way",
            _exact(sum(each.n_agree for each in of_kind)),
            interval="exact: a count",
            remark=f"of {n}, over all K" + (f"; {say_unclear(n_unclear)}" if n_unclear else ""),
        )


def _quantity(
    key: str,
    section: str,
    name: str,
    estimate: Estimate[float],
    unit: str = "",
    *,
    interval: str,
    remark: str = "",
) -> Quantity:
    value, low, high = (float(x) for x in (estimate.value, estimate.low, estimate.high))
    return Quantity(key, section, name, value, low, high, unit, interval, remark)


def _exact(value: float) -> Estimate[float]:
    return Estimate(value, value, value)


def _short(x: float) -> str:
    if not math.isfinite(x):
        return format_number(x)
    return with_powers(f"{x:.3g}").replace("-", "\N{MINUS SIGN}")
