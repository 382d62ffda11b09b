"""How a quantity changes with beta at one K."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from types import MappingProxyType

import pandas as pd
from scipy.stats import kendalltau

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.effects import difference, ratio, widen
from pvae_brian.sweep.answers.order_tests import TrendTest, jonckheere_test, page_test
from pvae_brian.sweep.answers.rows import mean_over_seeds

# What a rising beta should do to each quantity. Energy is spikes times a constant of the budget:
# its trend is theirs.
DIRECTIONS = MappingProxyType(
    {
        "spikes": "falls",
        "fraction_zeros": "rises",
        "lifetime_sparsity": "rises",
    }
)


# Where a quantity can go no further.
_ENDS = MappingProxyType(
    {"spikes": (0.0,), "fraction_zeros": (0.0, 1.0), "lifetime_sparsity": (0.0, 1.0)}
)


@dataclass(frozen=True)
class Step:
    """From one beta to another, at one K.

    Attributes
    ----------
    n_latents : int
        K.
    from_beta, to_beta : float
        The first is the lower one.
    levels : tuple of Estimate
        The quantity at both.
    n_seeds : tuple of int
        Seeds behind both.
    is_right : bool or None
        Whether the change has the expected sign. No change is not right, but counts neither way
        (None) where the quantity can go no further: no spikes, or zeros alone.
    """

    n_latents: int
    from_beta: float
    to_beta: float
    levels: tuple[Estimate[float], Estimate[float]]
    n_seeds: tuple[int, int]
    is_right: bool | None

    @property
    def change(self) -> Estimate[float]:
        """What the step adds to the quantity."""
        return self.change_among(1)

    def change_among(self, n_comparisons: int) -> Estimate[float]:
        """The change, its interval widened for so many comparisons (`widen`)."""
        before, after = (
            widen(level, n_comparisons, n_seeds)
            for level, n_seeds in zip(self.levels, self.n_seeds, strict=True)
        )
        return difference(after, before)

    def is_clear(self, n_comparisons: int = 1) -> bool:
        """Whether the interval of the change leaves 0 out; not so if it is not known."""
        change = self.change_among(n_comparisons)
        return change.low > 0 or change.high < 0

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
    span : Step or None
        From the first to the last; None for one beta.
    tau : float
        Kendall's tau-b between beta and the means: 1 if they rise at each step, -1 if they fall;
        NaN for one beta, or where nothing changes.
    effect : Estimate
        Last over first for spikes, last minus first for sparsity.
    test : TrendTest or None
        Of this K alone, over its seeds; None for one beta.
    """

    n_latents: int
    betas: tuple[float, ...]
    levels: tuple[Estimate[float], ...]
    n_seeds: tuple[int, ...]
    steps: tuple[Step, ...]
    span: Step | None
    tau: float
    effect: Estimate[float]
    test: TrendTest | None

    @property
    def is_monotone(self) -> bool:
        """Whether each step that counts goes the expected way; there is at least one."""
        counted = [step for step in self.steps if step.is_right is not None]
        return bool(counted) and all(step.is_right for step in counted)


def trend_at_k(rows: pd.DataFrame, quantity: str) -> TrendAtK:
    """Return the course of a quantity over betas, from rows of one family and one K."""
    means = mean_over_seeds(rows, quantity)
    n_latents = int(means["n_latents"].iloc[0])
    betas, levels = tuple(means["beta"].tolist()), tuple(means["estimate"])
    n_seeds = tuple(means["n_seeds"].tolist())

    def step(i: int, j: int) -> Step:
        ends = (levels[i], levels[j])
        is_right = _is_right(quantity, levels[i].value, levels[j].value)
        return Step(n_latents, betas[i], betas[j], ends, (n_seeds[i], n_seeds[j]), is_right)

    steps = [step(i, j) for i, j in itertools.pairwise(range(len(betas)))]
    compare = ratio if DIRECTIONS[quantity] == "falls" else difference
    effect = compare(levels[-1], levels[0]) if steps else Estimate(math.nan, math.nan, math.nan)
    values = [level.value for level in levels]
    tau = float(kendalltau(betas, values).statistic) if steps else math.nan
    return TrendAtK(
        n_latents=n_latents,
        betas=betas,
        levels=levels,
        n_seeds=n_seeds,
        steps=tuple(steps),
        span=step(0, len(betas) - 1) if steps else None,
        tau=tau,
        effect=effect,
        test=find_trend(rows, quantity),
    )


def _is_right(quantity: str, before: float, after: float) -> bool | None:
    if before == after and after in _ENDS[quantity]:
        return None
    return _sign(quantity) * (after - before) > 0


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
