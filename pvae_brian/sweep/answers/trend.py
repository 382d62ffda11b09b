"""Does spiking fall, and sparsity rise, with beta at every K?"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pvae_brian.sweep.answers.course import DIRECTIONS, Step, TrendAtK, find_trend, trend_at_k
from pvae_brian.sweep.answers.names import name_family, name_quantity
from pvae_brian.sweep.answers.order_tests import TrendTest
from pvae_brian.sweep.answers.rows import SPIKING, check_table, from_beta, select
from pvae_brian.sweep.answers.verdict import ALPHA, Verdict

# Published values are not monotone below this beta.
BETA_FROM = 0.5
# Steps that a verdict names.
_NAMED = 3


@dataclass(frozen=True)
class Trend:
    """How a quantity of one family changes with beta.

    Attributes
    ----------
    family : str
        As in the column ``model``.
    quantity : str
        A column.
    direction : str
        'falls' or 'rises', as expected.
    beta_from : float
        Betas below it are left out.
    at : tuple of TrendAtK
        By K.
    test : TrendTest or None
        Over all K and seeds: Page's, with the pairs (K, seed) as subjects, for a complete table of
        at least two of these and three betas; else Jonckheere's, in strata of one K. None where no
        K has two betas.
    verdict : Verdict
        'yes' if each step at each K goes the expected way and the test finds it; 'no' if a step, or
        the way from the first beta to the last, clearly goes the other way: all of these together
        are taken for clear by chance once in 20 times at most (Bonferroni). To find nothing is
        no 'no': it cannot be told.
    """

    family: str
    quantity: str
    direction: str
    beta_from: float
    at: tuple[TrendAtK, ...]
    test: TrendTest | None
    verdict: Verdict

    @property
    def wrong_steps(self) -> tuple[Step, ...]:
        """Steps that do not go the expected way, where they could."""
        return tuple(step for at in self.at for step in at.steps if step.is_right is False)


def compute_trends(table: pd.DataFrame, *, beta_from: float = BETA_FROM) -> tuple[Trend, ...]:
    """Test each quantity of `DIRECTIONS`, for the P-VAE and the control.

    Parameters
    ----------
    table : DataFrame
        Of a study.
    beta_from : float
        Betas below it are left out.

    Returns
    -------
    tuple of Trend
        By family and quantity, also of what the table lacks: its verdict says so.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.
    """
    return tuple(
        compute_trend(table, family, quantity, beta_from=beta_from)
        for family in SPIKING
        for quantity in DIRECTIONS
    )


def compute_trend(
    table: pd.DataFrame, family: str, quantity: str, *, beta_from: float = BETA_FROM
) -> Trend:
    """Test whether a quantity of one family falls, or rises, with beta.

    The null hypothesis is that every order of the betas is as likely, at each K and seed on its
    own. Points of one K share training images with those of another, and all share test stimuli:
    the test does not know that.

    Parameters
    ----------
    table : DataFrame
        Of a study.
    family : str
        As in its column ``model``.
    quantity : str
        One of `DIRECTIONS`.
    beta_from : float
        Betas below it are left out.

    Returns
    -------
    Trend

    Raises
    ------
    ValueError
        If the quantity is another, the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "n_latents": 64, "seed": 0}
    >>> points = [{"beta": beta, "spikes": 8 / beta} for beta in (1.0, 2.0, 4.0, 8.0)]
    >>> trend = compute_trend(pd.DataFrame([row | point for point in points]), "poisson", "spikes")
    >>> trend.verdict.word, trend.at[0].tau, f"{trend.test.p_value:.4f}"
    ('yes', -1.0, '0.0417')
    """
    if quantity not in DIRECTIONS:
        raise ValueError(
            f"a trend is expected of {', '.join(DIRECTIONS)}, but quantity is {quantity!r}; take "
            f"one of them"
        )
    check_table(table, [quantity])
    rows = from_beta(select(table, family, quantity), beta_from)
    at = tuple(trend_at_k(group, quantity) for _, group in rows.groupby("n_latents"))
    test = find_trend(rows, quantity)
    return Trend(
        family=family,
        quantity=quantity,
        direction=DIRECTIONS[quantity],
        beta_from=beta_from,
        at=at,
        test=test,
        verdict=_judge(family, quantity, beta_from, at, test),
    )


def _judge(
    family: str,
    quantity: str,
    beta_from: float,
    at: tuple[TrendAtK, ...],
    test: TrendTest | None,
) -> Verdict:
    if not at:
        return Verdict(
            None,
            f"no {name_family(family)} with {name_quantity(quantity)} at a beta of {beta_from:g} "
            f"or more",
        )
    if test is None:
        return Verdict(None, f"a trend needs two betas of {beta_from:g} or more at one K")
    holds, reason = _weigh(at, test)
    alone = [str(of_k.n_latents) for of_k in at if not of_k.steps]
    if alone:
        reason += f"; K {', '.join(alone)} {_has(alone)} one beta, and {_is(alone)} not judged"
    return Verdict(holds, reason)


def _weigh(at: tuple[TrendAtK, ...], test: TrendTest) -> tuple[bool | None, str]:
    """Say whether the trend holds, and why."""
    all_steps = [step for of_k in at for step in of_k.steps]
    steps = [step for step in all_steps if step.is_right is not None]
    wrong = [step for step in steps if not step.is_right]
    # Where there is one step it is the span.
    spans = [of_k.span for of_k in at if of_k.span is not None and len(of_k.steps) > 1]
    n_compared = len(all_steps) + len(spans)
    kind = _kind_of_error(at)
    found = f"p = {test.p_value:.2g} ({test.name}'s test, {test.method})"
    if clear := [step for step in wrong if step.is_clear(n_compared)]:
        return False, (
            f"{len(clear)} of {len(steps)} steps clearly go the other way{kind}: {_few(clear)}; "
            f"over all, {found}"
        )
    if back := [s for s in spans if s.is_right is False and s.is_clear(n_compared)]:
        return False, (
            f"from the first beta to the last it clearly goes the other way{kind}: {_few(back)}; "
            f"over all, {found}"
        )
    if all(step.change.value == 0 for step in all_steps):
        return None, f"no change found: all {len(all_steps)} steps stand still{kind}"
    stay = len(all_steps) - len(steps)
    still = f" ({stay} more, at the end of its range, cannot)" if stay else ""
    if test.p_value < ALPHA:
        if not wrong:
            return True, f"{_each(steps)} the expected way{still}{kind}; {found}"
        return None, (
            f"over all, {found}, but {len(wrong)} of {len(steps)} steps do not go that way, none "
            f"of them by more than its error{kind}: {_few(wrong)}"
        )
    if test.smallest_p >= ALPHA:
        return None, (
            f"{len(steps) - len(wrong)} of {len(steps)} steps go the expected way{still}{kind}, "
            f"and so few points cannot give a p-value under {test.smallest_p:.2g}; add a beta, K "
            f"or seed"
        )
    return None, (
        f"no trend found: {len(wrong)} of {len(steps)} steps do not go the expected way{still}, "
        f"none of them by more than its error{kind}; {found}"
    )


def _kind_of_error(at: tuple[TrendAtK, ...]) -> str:
    """What the intervals of steps speak of."""
    n_seeds = {n for of_k in at for n in of_k.n_seeds}
    if n_seeds == {1}:
        return " (over stimuli, one training)"
    return " (over trainings)" if min(n_seeds) > 1 else " (over trainings, or stimuli for one)"


def _has(names: list[str]) -> str:
    return "has" if len(names) == 1 else "have"


def _is(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _few(steps: list[Step]) -> str:
    """Some of them by name, and how many more."""
    more = len(steps) - _NAMED
    return "; ".join(map(str, steps[:_NAMED])) + (f"; and {more} more" if more > 0 else "")


def _each(steps: list[Step]) -> str:
    return "the only step goes" if len(steps) == 1 else f"each of {len(steps)} steps goes"
