"""How a quantity changes with beta at one K."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
from scipy.stats import kendalltau

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.effects import difference, ratio
from pvae_brian.sweep.answers.order_tests import TrendTest, jonckheere_test, page_test
from pvae_brian.sweep.answers.rows import mean_over_seeds

# What a rising beta should do to each quantity.
DIRECTIONS = MappingProxyType(
    {
        "spikes": "falls",
        "energy": "falls",
        "fraction_zeros": "rises",
        "lifetime_sparsity": "rises",
    }
)


@dataclass(frozen=True)
class Step:
    """From one beta to the next, at one K.

    Attributes
    ----------
    n_latents : int
        K.
    from_beta, to_beta : float
        Neighbours among the betas of the table.
    change : Estimate
        What it adds to the quantity.
    is_right : bool
        Whether the change has the expected sign; no change is not right.
    """

    n_latents: int
    from_beta: float
    to_beta: float
    change: Estimate
    is_right: bool

    @property
    def is_clear(self) -> bool:
        """Whether the interval of the change leaves 0 out; not so if it is not known."""
        return self.change.low > 0 or self.change.high < 0

    def __str__(self) -> str:
        return f"beta {self.from_beta:g} to {self.to_beta:g} at K {self.n_latents}"


@dataclass(frozen=True)
class TrendAtK:
    """How a quantity changes with beta at one K.

    Attributes
    ----------
    n_latents : int
        K.
    betas : tuple of float
        In rising order.
    levels : tuple of Estimate
        Means over seeds at these betas (see `mean_over_seeds` for what their intervals mean).
    n_seeds : tuple of int
        Seeds behind each of them.
    steps : tuple of Step
        Between neighbours.
    tau : float
        Kendall's tau-b between beta and the means: 1 if they rise at each step, -1 if they fall;
        NaN for one beta, or where nothing changes.
    effect : Estimate
        Last over first for spikes and energy, last minus first for sparsity.
    test : TrendTest or None
        Of this K alone, over its seeds; None for one beta.
    """

    n_latents: int
    betas: tuple[float, ...]
    levels: tuple[Estimate, ...]
    n_seeds: tuple[int, ...]
    steps: tuple[Step, ...]
    tau: float
    effect: Estimate
    test: TrendTest | None

    @property
    def is_monotone(self) -> bool:
        """Whether each step goes the expected way; there is at least one."""
        return bool(self.steps) and all(step.is_right for step in self.steps)


def trend_at_k(rows: pd.DataFrame, quantity: str) -> TrendAtK:
    """Return the course of a quantity over betas, from rows of one family and one K."""
    means = mean_over_seeds(rows, quantity)
    n_latents = int(means["n_latents"].iloc[0])
    betas, levels = tuple(means["beta"].tolist()), tuple(means["estimate"])
    sign = _sign(quantity)
    steps = []
    for (beta, a), (to_beta, b) in itertools.pairwise(zip(betas, levels, strict=True)):
        change = difference(b, a)
        steps.append(Step(n_latents, beta, to_beta, change, sign * change.value > 0))
    compare = ratio if DIRECTIONS[quantity] == "falls" else difference
    effect = compare(levels[-1], levels[0]) if steps else Estimate(math.nan, math.nan, math.nan)
    values = [level.value for level in levels]
    tau = float(kendalltau(betas, values).statistic) if steps else math.nan
    return TrendAtK(
        n_latents=n_latents,
        betas=betas,
        levels=levels,
        n_seeds=tuple(means["n_seeds"].tolist()),
        steps=tuple(steps),
        tau=tau,
        effect=effect,
        test=find_trend(rows, quantity),
    )


def _sign(quantity: str) -> int:
    return 1 if DIRECTIONS[quantity] == "rises" else -1


def find_trend(rows: pd.DataFrame, quantity: str) -> TrendTest | None:
    """Test rows of one family for the expected trend; None where no K has two betas."""
    signed = rows.assign(signed=_sign(quantity) * rows[quantity])
    grid = signed.pivot(index=["n_latents", "seed"], columns="beta", values="signed")
    n_subjects, n_betas = grid.shape
    if n_subjects >= 2 and n_betas >= 3 and not grid.isna().to_numpy().any():
        return page_test(grid.to_numpy())
    strata = [
        [group["signed"].to_numpy() for _, group in of_k.groupby("beta")]
        for _, of_k in signed.groupby("n_latents")
    ]
    strata = [groups for groups in strata if len(groups) > 1]
    return jonckheere_test(strata) if strata else None
