"""Does the control's sparsity stay where it is as beta rises?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from pvae_brian.sweep.answers.names import name_family
from pvae_brian.sweep.answers.rows import (
    SPIKING,
    check_table,
    from_beta,
    mean_over_seeds,
    select,
)
from pvae_brian.sweep.answers.trend import BETA_FROM
from pvae_brian.sweep.answers.verdict import Verdict

# Of the simulated counts, and of the model's own latents, which is what was published.
ZEROS = ("fraction_zeros", "latent_zeros")
# Fractions of zeros that differ by less than this hardly differ.
LIMIT = 0.1


@dataclass(frozen=True)
class RangeAtK:
    """How far a fraction of zeros moves over betas at one K.

    Attributes
    ----------
    n_latents : int
        K.
    betas : tuple of float
        All of the table.
    smallest, largest : float
        Means over seeds, over all betas.
    range : float
        Their difference.
    range_from : float
        The same over betas that are not below ``beta_from``; NaN with fewer than two.
    """

    n_latents: int
    betas: tuple[float, ...]
    smallest: float
    largest: float
    range: float
    range_from: float


@dataclass(frozen=True)
class Steadiness:
    """Whether a fraction of zeros of one family stays where it is.

    Attributes
    ----------
    family : str
        As in the column ``model``.
    quantity : str
        'fraction_zeros' of simulated counts, or 'latent_zeros' of the model's own latents.
    beta_from : float
        The verdict is over betas that are not below.
    at : tuple of RangeAtK
        By K.
    verdict : Verdict
        'yes' if ``range_from`` is at most 0.1 at every K.
    """

    family: str
    quantity: str
    beta_from: float
    at: tuple[RangeAtK, ...]
    verdict: Verdict


def compute_steadiness(
    table: pd.DataFrame, *, beta_from: float = BETA_FROM
) -> tuple[Steadiness, ...]:
    """Return how far the fractions of zeros move with beta, for the P-VAE and the control.

    Parameters
    ----------
    table : DataFrame
        Of a study.
    beta_from : float
        The verdict is over betas that are not below; ranges over all betas are given as well.

    Returns
    -------
    tuple of Steadiness
        By family and quantity.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "gaussian-relu", "n_latents": 64, "seed": 0, "fraction_zeros": 0.4}
    >>> points = [{"beta": 1.0, "latent_zeros": 0.49}, {"beta": 2.0, "latent_zeros": 0.5}]
    >>> print(compute_steadiness(pd.DataFrame([row | point for point in points]))[-1].verdict)
    yes: the range over betas is at most 0.01
    """
    check_table(table, ZEROS)
    return tuple(
        _steadiness(table, family, quantity, beta_from) for family in SPIKING for quantity in ZEROS
    )


def _steadiness(table: pd.DataFrame, family: str, quantity: str, beta_from: float) -> Steadiness:
    at = []
    for n_latents, rows in select(table, family, quantity).groupby("n_latents"):
        means = mean_over_seeds(rows, quantity)
        means["value"] = [estimate.value for estimate in means["estimate"]]
        above = from_beta(means, beta_from)["value"]
        smallest, largest = float(means["value"].min()), float(means["value"].max())
        at.append(
            RangeAtK(
                n_latents=int(n_latents),
                betas=tuple(means["beta"].tolist()),
                smallest=smallest,
                largest=largest,
                range=largest - smallest,
                range_from=float(above.max() - above.min()) if len(above) > 1 else math.nan,
            )
        )
    return Steadiness(family, quantity, beta_from, tuple(at), _judge(family, beta_from, at))


def _judge(family: str, beta_from: float, at: list[RangeAtK]) -> Verdict:
    if not at:
        return Verdict(None, f"the table has no {name_family(family)}")
    ranges = {of_k.n_latents: of_k.range_from for of_k in at if not math.isnan(of_k.range_from)}
    if not ranges:
        return Verdict(None, f"a range needs two betas of {beta_from:g} or more at one K")
    widest = max(ranges, key=lambda k: ranges[k])
    if ranges[widest] > LIMIT:
        return Verdict(False, f"the range over betas is {ranges[widest]:.2g} at K {widest}")
    return Verdict(True, f"the range over betas is at most {ranges[widest]:.2g}")
