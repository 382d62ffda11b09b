"""Answers in plain sentences, for a terminal and for a page."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from types import MappingProxyType

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.answer import Answers
from pvae_brian.sweep.answers.beside import DirectionComparison
from pvae_brian.sweep.answers.control import Steadiness
from pvae_brian.sweep.answers.course import TrendAtK
from pvae_brian.sweep.answers.growth import Growth
from pvae_brian.sweep.answers.pareto import Front
from pvae_brian.sweep.answers.prediction import Relation
from pvae_brian.sweep.answers.rows import CONTROL, SPIKING
from pvae_brian.sweep.answers.trend import Trend

FAMILY_NAMES = MappingProxyType(
    {
        "poisson": "P-VAE",
        "gaussian-relu": "Control",
        "gaussian": "Plain Gaussian VAE",
        "all": "P-VAE and control",
    }
)
QUANTITY_NAMES = MappingProxyType(
    {
        "spikes": "spikes per stimulus",
        "energy": "energy per stimulus",
        "fraction_zeros": "share of silent neurons in simulation",
        "latent_zeros": "share of zeros among the model's own latents",
        "lifetime_sparsity": "lifetime sparsity",
        "kl_nats": "KL",
        "error": "squared error",
    }
)
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
    if answers.trends_over_all is not answers.trends:
        lines.append(_describe_all_betas(answers))
    lines += [describe_steadiness(one) for one in answers.steadiness if one.family == CONTROL]
    lines += [describe_prediction(one) for one in answers.predictions]
    lines += [describe_kl_relation(one) for one in answers.kl_relations]
    lines += [describe_front(front) for front in answers.fronts if front.n_points]
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
    effects = ", ".join(
        f"{_number(of_k.effect)} (tau {_plain(of_k.tau)}) at K {of_k.n_latents}"
        for of_k in _extremes(changes)
    )
    return f"{question} {trend.verdict}. Last beta {over} first: {effects}."


def describe_steadiness(steadiness: Steadiness) -> str:
    """Say how far a share of zeros moves over betas."""
    question = f"{_name(steadiness)}: stays within 0.1 over betas?"
    if not steadiness.at:
        return f"{question} {steadiness.verdict}."
    widest = max(steadiness.at, key=lambda at: at.range)
    return (
        f"{question} {steadiness.verdict}. Over all betas it moves most at K {widest.n_latents}, "
        f"from {widest.smallest:.3g} to {widest.largest:.3g}."
    )


def describe_prediction(prediction: Relation) -> str:
    """Say how measured spikes go with the prior rate cost."""
    family = FAMILY_NAMES[prediction.family]
    return f"{family}: prior rate cost predicts spikes? {prediction.verdict}.{_fits(prediction)}"


def describe_kl_relation(relation: Relation) -> str:
    """Say how the KL goes with measured spikes."""
    line = f"{FAMILY_NAMES[relation.family]}: KL goes with spikes? {relation.verdict}."
    line += _fits(relation)
    if math.isnan(relation.smallest_ratio):
        return line
    low, high = relation.smallest_ratio / _NATS_PER_BIT, relation.largest_ratio / _NATS_PER_BIT
    return f"{line} Models carry {low:.3g} to {high:.3g} bits per spike."


def describe_front(front: Front) -> str:
    """Say how many models are on a Pareto front, and which are its ends."""
    # A front of one family need not name it.
    is_mixed = front.family not in SPIKING
    cheap, good = (
        (f"{FAMILY_NAMES[row.model]}, " if is_mixed else "")
        + f"beta {row.beta:g}, K {row.n_latents} (error {row.error:.4g}, energy {row.energy:.3g})"
        for row in (front.points.iloc[0], front.points.iloc[-1])
    )
    counts = front.points["model"].value_counts()
    of = ", ".join(f"{FAMILY_NAMES[model]} {n}" for model, n in counts.items())
    return (
        f"{FAMILY_NAMES[front.family]}: {len(front.points)} of {front.n_points} models are on the "
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
        text = f"a = {_number(growth.exponent)} {at}"
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
    question = f"{_name(first)}: changes with beta as published ({first.published})?"
    if not n_compared:
        return f"{question} {first.verdict}."
    other = {
        (step.from_beta, step.to_beta): (step.published_from, step.published_to)
        for one in comparisons
        for step in one.steps
        if step.agrees is False
    }
    differing = "; ".join(
        f"beta {a:g} to {b:g} (published {c:g} to {d:g})" for (a, b), (c, d) in other.items()
    )
    taus = ", ".join(
        f"{_plain(one.tau)} at K {one.n_latents}" for one in _extremes(comparisons, "tau")
    )
    return (
        f"{question} {'yes' if n_agree == n_compared else 'no'}: {n_agree} of {n_compared} steps "
        f"go the published way"
        + (f", not all from {differing}" if differing else "")
        + f". Kendall's tau is {taus}; published {_plain(first.published_tau)}."
    )


def _describe_table(answers: Answers) -> str:
    names = [FAMILY_NAMES.get(model, model) for model in answers.models]
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
        f"{_name(trend)} {trend.direction}: {trend.verdict.word}"
        for trend in answers.trends_over_all
    ]
    return f"Over all betas, down to {answers.betas[0]:g}: {'; '.join(words)}."


def _fits(relation: Relation) -> str:
    """Sentences on lines, each after a blank."""
    parts = []
    if not math.isnan(relation.line.slope.value):
        parts.append(
            f"least squares, which large models decide: slope {_number(relation.line.slope)}, "
            f"intercept {_number(relation.line.intercept)}, R2 {_number(relation.line.r2)}"
        )
    if not math.isnan(relation.through_origin.value):
        parts.append(f"slope through the origin {_number(relation.through_origin)}")
    if not math.isnan(relation.log_line.slope.value):
        parts.append(f"slope on logarithms {_number(relation.log_line.slope)}")
    sentences = f" Over {len(relation.points)} models, {'; '.join(parts)}." if parts else ""
    if relation.not_positive:
        sentences += f" Without a logarithm: {_some(relation.not_positive)}."
    if relation.not_converged:
        sentences += f" Not converged, and left out: {_some(relation.not_converged)}."
    return sentences


def _extremes(of_ks: Sequence, by: str = "effect") -> list[TrendAtK | DirectionComparison]:
    """All of them, or with many K those where ``by`` is smallest and largest."""
    if len(of_ks) <= _MOST_K:
        return list(of_ks)

    def size(of_k) -> float:
        value = getattr(of_k, by)
        value = value.value if isinstance(value, Estimate) else value
        # What is not known is no extreme.
        return 0.0 if math.isnan(value) else value

    ends = [min(of_ks, key=size), max(of_ks, key=size)]
    return ends[:1] if ends[0] is ends[1] else ends


def _number(estimate: Estimate) -> str:
    """An estimate, without an interval that is not known."""
    if math.isnan(estimate.value):
        return "undefined"
    return f"{estimate.value:.3g}" if math.isnan(estimate.low) else f"{estimate:.3g}"


def _plain(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return "; ".join(names[:_NAMED]) + (f"; and {more} more" if more > 0 else "")


def _name(of) -> str:
    return f"{FAMILY_NAMES[of.family]}, {QUANTITY_NAMES[of.quantity]}"


def _list(values: tuple) -> str:
    return ", ".join(f"{value:g}" for value in values)
