"""Answers in plain sentences, for a terminal and for a page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TypeVar

from pvae_brian.sweep.answers.answer import Answers
from pvae_brian.sweep.answers.beside import DirectionComparison, say_unclear
from pvae_brian.sweep.answers.control import Steadiness
from pvae_brian.sweep.answers.course import TrendAtK
from pvae_brian.sweep.answers.growth import Growth
from pvae_brian.sweep.answers.names import (
    name_family,
    name_quantity,
    write_estimate,
    write_value,
)
from pvae_brian.sweep.answers.pareto import Front
from pvae_brian.sweep.answers.prediction import Relation
from pvae_brian.sweep.answers.rows import CONTROL, POISSON, SPIKING
from pvae_brian.sweep.answers.trend import Trend

# What is said of one K.
OfK = TypeVar("OfK", TrendAtK, DirectionComparison)

_NATS_PER_BIT = math.log(2)
# With more K than this only the extremes are said.
_MOST_K = 3
# Models that a sentence on a line names; the first one of all names all that did not converge.
_NAMED = 4


def describe(answers: Answers) -> list[str]:
    """Say what a study answers, a line for each question.

    Parameters
    ----------
    answers : Answers
        Of the study.

    Returns
    -------
    list of str
        A question is followed by 'yes', 'no' or 'cannot be told', the reason, and the numbers.
    """
    lines = [_describe_table(answers)]
    lines += [describe_trend(trend) for trend in answers.trends]
    if answers.trends_over_all and answers.trends_over_all is not answers.trends:
        lines.append(_describe_all_betas(answers))
    lines += [describe_steadiness(one) for one in answers.steadiness if one.family == CONTROL]
    lines += [describe_prediction(one) for one in answers.predictions]
    lines += [describe_kl_relation(one) for one in answers.kl_relations]
    families = [family for family in SPIKING if family in answers.models]
    # Of one family, the front of all is its own.
    fronts = [front for front in answers.fronts if len(families) > 1 or front.family != "all"]
    lines += [describe_front(front) for front in fronts if front.n_points]
    if len(families) > 1:
        lines.append(
            f"Is each control beaten by a P-VAE in energy and error? {answers.dominance.verdict}."
        )
    # Energy is spikes times a price, and grows as they do.
    spikes = [growth for growth in answers.growth if growth.quantity == "spikes"]
    for _, of_family in itertools.groupby(spikes, key=lambda growth: growth.family):
        lines.append(describe_growth(list(of_family)))
    for _, of_quantity in itertools.groupby(
        answers.directions, key=lambda one: (one.family, one.quantity)
    ):
        lines.append(describe_directions(list(of_quantity)))
    return lines


def describe_trend(trend: Trend) -> str:
    """Say whether a quantity falls or rises, and by how much at each K."""
    question = f"{_name(trend)}: {trend.direction} with beta at every K?"
    changes = [of_k for of_k in trend.at if of_k.steps]
    if not changes:
        return f"{question} {trend.verdict}."
    over = "over" if trend.direction == "falls" else "minus"
    shown, unknown = _extremes(changes, lambda of_k: of_k.effect.value)
    effects = [
        f"{write_estimate(of_k.effect)} (tau {_plain(of_k.tau)}) at K {of_k.n_latents}"
        for of_k in shown
    ]
    told = _with_unknown(effects, unknown)
    return f"{question} {trend.verdict}. Last beta {over} first: {told}."


def describe_steadiness(steadiness: Steadiness) -> str:
    """Say how far a fraction of zeros moves over betas."""
    question = f"{_name(steadiness)}: stays within 0.1 over betas?"
    if not steadiness.at:
        return f"{question} {steadiness.verdict}."
    widest = max(steadiness.at, key=lambda at: at.range)
    return (
        f"{question} {steadiness.verdict}. Over all betas it moves most at K {widest.n_latents}, "
        f"from {write_value(widest.smallest)} to {write_value(widest.largest)}."
    )


def describe_prediction(prediction: Relation) -> str:
    """Say how measured spikes go with the prior rate cost; of a control without a verdict."""
    family = name_family(prediction.family)
    if prediction.family == POISSON:
        line = f"{family}: prior rate cost predicts spikes? {prediction.verdict}."
    else:
        line = f"{family}: spikes beside the activity of its prior, which depends on K alone."
    if not math.isnan(prediction.ratio.value):
        line += f" Spikes are {write_estimate(prediction.ratio)} of it on average over models."
    return line + _fits(prediction)


def describe_kl_relation(relation: Relation) -> str:
    """Say how the KL goes with measured spikes."""
    line = f"{name_family(relation.family)}: KL goes with spikes? {relation.verdict}."
    line += _fits(relation)
    if math.isnan(relation.smallest_ratio):
        return line
    low, high = (
        write_value(ratio / _NATS_PER_BIT)
        for ratio in (relation.smallest_ratio, relation.largest_ratio)
    )
    bounds = "that the counts carry"
    if relation.family != POISSON:
        bounds = "in its own latents, not in its counts"
    return (
        f"{line} KL per spike, in bits: {low} to {high} over models. KL is an upper bound on the "
        f"information {bounds}."
    )


def describe_front(front: Front) -> str:
    """Say how many models are on a Pareto front, and which are its ends."""
    # A front of one family need not name it.
    is_mixed = front.family not in SPIKING
    cheap, good = (
        (f"{name_family(row.model)}, " if is_mixed else "")
        + f"beta {row.beta:g}, K {row.n_latents} (error {write_value(row.error, 4)}, "
        f"energy {write_value(row.energy)})"
        for row in (front.points.iloc[0], front.points.iloc[-1])
    )
    counts = front.points["model"].value_counts()
    of = ", ".join(f"{name_family(model)} {n}" for model, n in counts.items())
    return (
        f"{_whose(front)}: {len(front.points)} of {front.n_points} models are on the "
        f"front of energy and error{f' ({of})' if is_mixed else ''}, from {cheap} to {good}."
    )


def describe_growth(growths: Sequence[Growth]) -> str:
    """Say how a quantity of one family grows with K, at each beta."""
    first = growths[0]
    told = []
    for growth in growths:
        at = f"at beta {growth.beta:g}"
        if len(growth.n_latents) < 2:
            told.append(f"cannot be told {at}, which has fewer than two K with spikes")
            continue
        text = f"a = {write_estimate(growth.exponent)} {at}"
        if len(growth.local_exponents) > 1:
            text += f" ({growth.local_exponents[0]:.2f} over the first two K, "
            text += f"{growth.local_exponents[-1]:.2f} over the last two)"
        if growth.silent:
            text += f" (without K {', '.join(map(str, growth.silent))}, which is silent)"
        told.append(text)
    return f"{_name(first)}, as K^a: {'; '.join(told)}."


def describe_directions(comparisons: Sequence[DirectionComparison]) -> str:
    """Say whether a quantity of one family goes the way of published values, over all K."""
    first = comparisons[0]
    n_agree = sum(one.n_agree for one in comparisons)
    n_compared = sum(one.n_compared for one in comparisons)
    n_unclear = sum(one.n_unclear for one in comparisons)
    question = f"{_name(first)}: changes with beta as published ({first.published})?"
    if not n_compared:
        reason = say_unclear(n_unclear) if n_unclear else first.verdict.reason
        return f"{question} {first.verdict.word}: {reason}."
    other = {
        (step.from_beta, step.to_beta): (step.published_from, step.published_to)
        for one in comparisons
        for step in one.steps
        if step.agrees is False
    }
    differing = "; ".join(
        f"beta {a:g} to {b:g} (published {c:g} to {d:g})" for (a, b), (c, d) in other.items()
    )
    shown, unknown = _extremes(comparisons, lambda one: one.tau)
    taus = _with_unknown([f"{_plain(one.tau)} at K {one.n_latents}" for one in shown], unknown)
    return (
        f"{question} {'yes' if n_agree == n_compared else 'no'}: {n_agree} of {n_compared} "
        f"clear steps go the published way"
        + (f" ({say_unclear(n_unclear)})" if n_unclear else "")
        + (f", not all from {differing}" if differing else "")
        + f". Kendall's tau is {taus}; published {_plain(first.published_tau)}."
    )


def _describe_table(answers: Answers) -> str:
    names = [name_family(model) for model in answers.models]
    line = (
        f"Models: {', '.join(names)}. Beta: {_list(answers.betas)}. K: {_list(answers.n_latents)}. "
        f"Seeds: {_list(answers.seeds)}. Trends are judged over betas of {answers.beta_from:g} or "
        f"more."
    )
    if "gaussian" in answers.models:
        line += " The plain Gaussian VAE has no spikes, and is in no answer."
    if answers.not_converged:
        line += f" Not converged: {'; '.join(answers.not_converged)}."
    return line


def _describe_all_betas(answers: Answers) -> str:
    words = [
        f"{_name(trend)}, {trend.direction}: {trend.verdict.word}"
        for trend in answers.trends_over_all
    ]
    return f"Over all betas, down to {answers.betas[0]:g}: {'; '.join(words)}."


def _fits(relation: Relation) -> str:
    """Sentences on lines, each after a blank."""
    parts = []
    if not math.isnan(relation.line.slope.value):
        parts.append(
            f"least squares, which large models decide: slope "
            f"{write_estimate(relation.line.slope)}, "
            f"intercept {write_estimate(relation.line.intercept)}, "
            f"R2 {write_estimate(relation.line.r2)}"
        )
    if not math.isnan(relation.through_origin.value):
        parts.append(f"slope through the origin {write_estimate(relation.through_origin)}")
    if not math.isnan(relation.log_line.slope.value):
        parts.append(f"slope on logarithms {write_estimate(relation.log_line.slope)}")
    sentences = f" Over {len(relation.points)} models, {'; '.join(parts)}." if parts else ""
    if relation.not_positive:
        sentences += f" Without a logarithm: {_some(relation.not_positive)}."
    if relation.not_converged:
        sentences += f" Not converged, and left out: {_some(relation.not_converged)}."
    return sentences


def _extremes(of_ks: Sequence[OfK], size: Callable[[OfK], float]) -> tuple[list[OfK], list[OfK]]:
    """Return all of them, or with many K those of known size where it is smallest and largest.

    Second come those that are unknown, and not among the first.
    """
    if len(of_ks) <= _MOST_K:
        return list(of_ks), []
    is_known = [math.isfinite(size(of_k)) for of_k in of_ks]
    known = [of_k for of_k, yes in zip(of_ks, is_known, strict=True) if yes]
    unknown = [of_k for of_k, yes in zip(of_ks, is_known, strict=True) if not yes]
    if not known:
        return [], unknown
    ends = [min(known, key=size), max(known, key=size)]
    return ends[:1] if ends[0] is ends[1] else ends, unknown


def _with_unknown(said: list[str], unknown: Sequence[OfK]) -> str:
    """Join what is said of some K, and name the others."""
    if unknown:
        said = [*said, f"undefined at K {', '.join(str(of_k.n_latents) for of_k in unknown)}"]
    return ", ".join(said)


def _plain(value: float) -> str:
    """A rank correlation."""
    return "undefined" if math.isnan(value) else f"{value:.2f}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return "; ".join(names[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _name(of: Trend | Steadiness | Growth | DirectionComparison) -> str:
    return f"{name_family(of.family)}, {name_quantity(of.quantity)}"


def _whose(front: Front) -> str:
    return name_family(front.family) if front.family in SPIKING else "P-VAE and ReLU control"


def _list(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)
