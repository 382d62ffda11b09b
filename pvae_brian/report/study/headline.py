"""What a study found, in one sentence."""

from __future__ import annotations

import math

from pvae_brian.report.page.quantity import with_powers
from pvae_brian.report.study._series import family_of
from pvae_brian.sweep.answers import Answers, Relation, Trend
from pvae_brian.sweep.answers.names import write_estimate, write_value
from pvae_brian.sweep.answers.rows import POISSON


def write_headline(answers: Answers) -> str:
    """Say whether spikes fall with beta, and whether the prior foretold them, with numbers.

    Parameters
    ----------
    answers : Answers
        Of `answer`.

    Returns
    -------
    str
        One sentence. What did not come out as expected is said as plainly as what did.
    """
    parts = [_trend(t) for t in answers.trends if t.quantity == "spikes"]
    parts += [_prediction(r) for r in answers.predictions if r.family == POISSON]
    if not parts:
        return "None of these models has spikes."
    sentence = with_powers("; ".join(parts))
    return f"{sentence[0].upper()}{sentence[1:]}."


def _trend(trend: Trend) -> str:
    name, holds = family_of(trend.family).name, trend.verdict.holds
    if not any(at.steps for at in trend.at):
        reason = trend.verdict.reason
        return f"whether spikes of the {name} fall as β rises cannot be told ({reason})"
    steps = [step for at in trend.at for step in at.steps]
    n_right = sum(step.is_right is True for step in steps)
    betas = sorted({beta for at in trend.at for beta in (at.betas[0], at.betas[-1])})
    span = f"as β rises from {betas[0]:g} to {betas[-1]:g}"
    change = _say_change(trend)
    sizes = "at every K" if len(trend.at) > 1 else f"at K = {trend.at[0].n_latents}"
    # A trend with steps has a test.
    assert trend.test is not None
    p = f"p = {trend.test.p_value:.2g}"
    if holds:
        return f"spikes of the {name} fall {sizes} {span}, {change} ({p})"
    found = f"{n_right} of {len(steps)} steps go down, and they change {change}; {p}"
    if holds is None:
        return f"whether spikes of the {name} fall {sizes} {span} cannot be told ({found})"
    return f"spikes of the {name} do not fall {sizes} {span} ({found})"


def _say_change(trend: Trend) -> str:
    """Say which share of the spikes is left, where there is a ratio."""
    changes = [at for at in trend.at if at.steps]
    known = sorted(at.effect.value for at in changes if math.isfinite(at.effect.value))
    silent = [f"{at.n_latents}" for at in changes if not math.isfinite(at.effect.value)]
    without = f"without a ratio at K = {', '.join(silent)}, silent at first" if silent else ""
    if not known:
        return without
    low, high = (write_value(ratio, 2) for ratio in (known[0], known[-1]))
    change = f"to {low} times as many" if low == high else f"to {low} to {high} times as many"
    return f"{change}, {without}" if without else change


def _prediction(relation: Relation) -> str:
    if relation.verdict.holds is None:
        return f"whether the prior foretold them cannot be told ({relation.verdict.reason})"
    does = "foretold" if relation.verdict.holds else "did not foretell"
    name = family_of(relation.family).name
    n = len(relation.points)
    return (
        f"the prior rates of the {name} {does} its spikes, with a slope of "
        f"{write_estimate(relation.line.slope)} over {n} models and R² "
        f"{write_value(relation.line.r2.value)}"
    )
