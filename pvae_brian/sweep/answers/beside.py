"""A study beside what was published: directions are compared, not digits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.effects import difference
from pvae_brian.sweep.answers.rows import CONTROL, POISSON, check_table, mean_over_seeds, select
from pvae_brian.sweep.answers.verdict import Verdict
from pvae_brian.sweep.published import load_published


@dataclass(frozen=True)
class _Match:
    """A column of a study and the published one that means the same."""

    family: str
    quantity: str
    table: str
    column: str
    rows: Callable[[pd.DataFrame], pd.Series]


def _linear(published: pd.DataFrame) -> pd.Series:
    # One K, in the middle of the grid; directions are the same at all.
    return (published["enc_type"] == "lin") & (published["n_latents"] == 512)


# Published zeros are those of a model's own latents. The P-VAE's are its spike counts, so
# that its simulated counts are the same quantity; the control's are not.
_MATCHES = (
    _Match(
        POISSON,
        "fraction_zeros",
        "amortized_sparsity_vs_beta",
        "fraction_zeros",
        lambda published: published["model"] == "poisson+amort",
    ),
    _Match(
        CONTROL,
        "latent_zeros",
        "amortized_sparsity_vs_beta",
        "fraction_zeros",
        lambda published: published["model"] == "gaussian+relu+amort",
    ),
    _Match(
        POISSON,
        "lifetime_sparsity",
        "pvae_lifetime_sparsity",
        "lifetime_sparsity_mean",
        lambda published: published["beta"] > 0,
    ),
    _Match(POISSON, "kl_nats", "pvae_beta_sweep", "kl_mean", _linear),
    _Match(POISSON, "error", "pvae_beta_sweep", "mse_mean", _linear),
)


# A step whose error is not known goes some way if it is larger than this share: of all counts or
# latents for fractions and sparsity, of the larger value for the KL and the error.
LEAST = 0.01
_FRACTIONS = ("fraction_zeros", "latent_zeros", "lifetime_sparsity")


@dataclass(frozen=True)
class PairedStep:
    """A step between neighbouring betas of a study, and the published one nearest to it.

    Attributes
    ----------
    from_beta, to_beta : float
        Of the study.
    published_from, published_to : float
        The published betas nearest to these, by their ratio; never interpolated.
    change, published_change : float
        What the step adds.
    is_clear : bool
        Whether the change is larger than its own 95 % error. Where the table has no interval, as of
        the zeros among a model's own latents from one seed: whether both changes, also the
        published one, are at least 0.01.
    agrees : bool or None
        Whether both rise or both fall; None if the step is not clear, or both ends have the same
        nearest published beta.
    """

    from_beta: float
    to_beta: float
    published_from: float
    published_to: float
    change: float
    published_change: float
    is_clear: bool
    agrees: bool | None


@dataclass(frozen=True)
class DirectionComparison:
    """Directions of change with beta, here and as published, at one K.

    Attributes
    ----------
    family, quantity : str
        A value of the column ``model``, and another column.
    n_latents : int
        K of the study.
    published : str
        The published table.
    steps : tuple of PairedStep
        Between neighbouring betas of the study.
    tau, published_tau : float
        Kendall's tau-b with beta: of the study at all its betas, and of the published values at
        the betas nearest to these. NaN for one beta, or where nothing changes.
    """

    family: str
    quantity: str
    n_latents: int
    published: str
    steps: tuple[PairedStep, ...]
    tau: float
    published_tau: float

    @property
    def n_compared(self) -> int:
        """Clear steps that have a published counterpart."""
        return sum(step.agrees is not None for step in self.steps)

    @property
    def n_unclear(self) -> int:
        """Steps that have a published counterpart, but are within their error."""
        return sum(
            not step.is_clear and step.published_from != step.published_to for step in self.steps
        )

    @property
    def n_agree(self) -> int:
        """Steps that go the published way."""
        return sum(step.agrees is True for step in self.steps)

    @property
    def verdict(self) -> Verdict:
        """'yes' if all clear steps that can be compared agree."""
        if not self.n_compared and self.n_unclear:
            return Verdict(None, say_unclear(self.n_unclear))
        if not self.n_compared:
            return Verdict(None, "no two betas have different published ones nearest to them")
        return Verdict(
            self.n_agree == self.n_compared,
            f"{self.n_agree} of {self.n_compared} clear steps go the published way"
            + (f" ({say_unclear(self.n_unclear)})" if self.n_unclear else ""),
        )


def beside(table: pd.DataFrame) -> pd.DataFrame:
    """Put the values of a study next to published ones.

    Values of different data, K and training differ in digits; see `compare_directions`.

    Parameters
    ----------
    table : DataFrame
        Of a study.

    Returns
    -------
    DataFrame
        Columns model, quantity, n_latents, beta, value (mean over seeds), value_low, value_high
        (its interval, see `mean_over_seeds`; NaN where there is none), published_beta (the
        nearest, by its ratio), published_value, published (the table's name).

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "beta": 0.9, "n_latents": 64, "seed": 0, "fraction_zeros": 0.9}
    >>> others = {"latent_zeros": 0.9, "lifetime_sparsity": 0.8, "kl_nats": 30.0, "error": 130.0}
    >>> beside(pd.DataFrame([row | others]))[["published_beta", "published_value"]].values[0]
    array([1.     , 0.93122])
    """
    check_table(table, sorted({match.quantity for match in _MATCHES}))
    parts = []
    for match in _MATCHES:
        means = mean_over_seeds(select(table, match.family, match.quantity), match.quantity)
        published = _published_values(match)
        nearest = [_nearest(published, beta) for beta in means["beta"]]
        parts.append(
            pd.DataFrame(
                {
                    "model": match.family,
                    "quantity": match.quantity,
                    "n_latents": means["n_latents"],
                    "beta": means["beta"],
                    "value": [estimate.value for estimate in means["estimate"]],
                    "value_low": [estimate.low for estimate in means["estimate"]],
                    "value_high": [estimate.high for estimate in means["estimate"]],
                    "published_beta": np.array(nearest, dtype=float),
                    "published_value": published.loc[nearest].to_numpy(),
                    "published": match.table,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def compare_directions(table: pd.DataFrame) -> tuple[DirectionComparison, ...]:
    """Tell for each step of a study between betas whether the published values go the same way.

    A step counts if it is clear (`PairedStep`).

    Parameters
    ----------
    table : DataFrame
        Of a study.

    Returns
    -------
    tuple of DirectionComparison
        By quantity and K; none for what the table lacks.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "n_latents": 64, "seed": 0, "latent_zeros": 0.9, "error": 130.0}
    >>> row |= {"lifetime_sparsity": 0.8, "kl_nats": 30.0}
    >>> points = [{"beta": 0.5, "fraction_zeros": 0.8}, {"beta": 2.0, "fraction_zeros": 0.9}]
    >>> comparison = compare_directions(pd.DataFrame([row | point for point in points]))[0]
    >>> comparison.steps[0].published_from, comparison.steps[0].agrees, comparison.published_tau
    (0.6, True, 1.0)
    """
    rows = beside(table)
    return tuple(
        _compare(family, quantity, int(n_latents), group)
        for (family, quantity, n_latents), group in rows.groupby(
            ["model", "quantity", "n_latents"], sort=False
        )
    )


def _compare(family: str, quantity: str, n_latents: int, rows: pd.DataFrame) -> DirectionComparison:
    steps = []
    for a, b in itertools.pairwise(rows.itertuples(index=False)):
        ends = [Estimate(row.value, row.value_low, row.value_high) for row in (b, a)]
        change, published_change = difference(*ends), b.published_value - a.published_value
        is_clear = _is_clear(change, published_change, quantity, max(abs(a.value), abs(b.value)))
        is_compared = is_clear and a.published_beta != b.published_beta
        agrees = bool(np.sign(change.value) == np.sign(published_change))
        steps.append(
            PairedStep(
                from_beta=a.beta,
                to_beta=b.beta,
                published_from=a.published_beta,
                published_to=b.published_beta,
                change=change.value,
                published_change=published_change,
                is_clear=is_clear,
                agrees=agrees if is_compared else None,
            )
        )
    once = rows.drop_duplicates("published_beta")
    return DirectionComparison(
        family=family,
        quantity=quantity,
        n_latents=n_latents,
        published=rows["published"].iloc[0],
        steps=tuple(steps),
        tau=_tau(rows["beta"], rows["value"]),
        published_tau=_tau(once["published_beta"], once["published_value"]),
    )


def _is_clear(change: Estimate[float], published: float, quantity: str, size: float) -> bool:
    if not math.isnan(change.low):
        return bool(change.low > 0 or change.high < 0)
    if quantity in _FRACTIONS:
        return bool(min(abs(change.value), abs(published)) >= LEAST)
    return bool(abs(change.value) >= LEAST * size > 0)


def say_unclear(n: int) -> str:
    """Say how many steps do not count, and why."""
    steps = "1 step is" if n == 1 else f"{n} steps are"
    return f"{steps} too small to tell, here or as published"


def _tau(beta: pd.Series, value: pd.Series) -> float:
    return float(kendalltau(beta, value).statistic) if len(beta) > 1 else np.nan


def _published_values(match: _Match) -> pd.Series:
    """Published values by beta."""
    published = load_published(match.table)
    return published[match.rows(published)].set_index("beta")[match.column].sort_index()


def _nearest(published: pd.Series, beta: float) -> float:
    if beta <= 0:
        # Infinitely far from all by its ratio.
        return float(published.index[0])
    distance = np.abs(np.log(published.index.to_numpy() / beta))
    return float(published.index[int(distance.argmin())])
