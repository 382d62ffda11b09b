"""How spikes and energy grow with K at a fixed beta."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers.lines import UNKNOWN, fit_line
from pvae_brian.sweep.answers.rows import SPIKING, check_table, mean_over_seeds, select

GROWING = ("spikes", "energy")


@dataclass(frozen=True)
class Growth:
    r"""How a quantity grows with K, as :math:`K^a`.

    Attributes
    ----------
    family, quantity : str
        A value of the column ``model``, and another column.
    beta : float
        Of all these models.
    n_latents : tuple of int
        K, in rising order, where the quantity is above 0.
    values : tuple of float
        Means over seeds.
    exponent : Estimate
        a, by least squares on logarithms with Student's interval; of two K without an interval; NaN
        for one. 1 is growth in proportion, 0 none.
    local_exponents : tuple of float
        a between each K and the next: they fall where growth levels off.
    silent : tuple of int
        K where the quantity is 0, which has no logarithm.
    """

    family: str
    quantity: str
    beta: float
    n_latents: tuple[int, ...]
    values: tuple[float, ...]
    exponent: Estimate[float]
    local_exponents: tuple[float, ...]
    silent: tuple[int, ...]


def compute_growth(
    table: pd.DataFrame, quantities: tuple[str, ...] = GROWING
) -> tuple[Growth, ...]:
    """Return how quantities grow with K, for the P-VAE and the control at each beta.

    Parameters
    ----------
    table : DataFrame
        Of a study.
    quantities : tuple of str
        Columns that are not negative.

    Returns
    -------
    tuple of Growth
        By family, quantity and beta.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "beta": 1.0, "seed": 0}
    >>> points = [{"n_latents": K, "spikes": K**0.5} for K in (64, 256, 1024)]
    >>> growth = compute_growth(pd.DataFrame([row | point for point in points]), ("spikes",))[0]
    >>> round(growth.exponent.value, 9), growth.local_exponents
    (0.5, (0.5, 0.5))
    """
    check_table(table, quantities)
    return tuple(
        _growth(family, quantity, float(beta), rows)
        for family in SPIKING
        for quantity in quantities
        for beta, rows in select(table, family, quantity).groupby("beta")
    )


def _growth(family: str, quantity: str, beta: float, rows: pd.DataFrame) -> Growth:
    means = mean_over_seeds(rows, quantity)
    means["value"] = [estimate.value for estimate in means["estimate"]]
    positive = means[means["value"] > 0]
    n_latents = positive["n_latents"].to_numpy(dtype=float)
    values = positive["value"].to_numpy()
    log_k, log_value = np.log(n_latents), np.log(values)
    return Growth(
        family=family,
        quantity=quantity,
        beta=beta,
        n_latents=tuple(positive["n_latents"].tolist()),
        values=tuple(values.tolist()),
        exponent=fit_line(log_k, log_value).slope if len(values) > 1 else UNKNOWN,
        local_exponents=tuple(
            math.log(value / before) / math.log(k / k_before)
            for (k_before, before), (k, value) in itertools.pairwise(
                zip(n_latents.tolist(), values.tolist(), strict=True)
            )
        ),
        silent=tuple(means.loc[means["value"] <= 0, "n_latents"].tolist()),
    )
