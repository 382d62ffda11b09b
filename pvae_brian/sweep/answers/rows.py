"""Rows of a study's table: which an answer takes, their names, and means over seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import t as student

from pvae_brian.intervals import CONFIDENCE, Estimate
from pvae_brian.sweep.answers.names import name_family

POISSON, CONTROL = "poisson", "gaussian-relu"
# Those that spike, in the order of the answers.
SPIKING = (POISSON, CONTROL)
POINT = ("model", "beta", "n_latents", "seed")


def check_table(table: pd.DataFrame, columns: Sequence[str]) -> None:
    """Refuse a table that lacks columns, or has one point twice.

    Raises
    ------
    ValueError
        If it is so.

    Examples
    --------
    >>> check_table(pd.DataFrame({"model": [], "beta": [], "n_latents": [], "seed": []}), [])
    """
    lacking = [name for name in (*POINT, *columns) if name not in table.columns]
    if lacking:
        raise ValueError(
            f"the table of a study has a column for each quantity, but {', '.join(lacking)} is "
            f"not among its {len(table.columns)}; take Sweep.table as it is"
        )
    twice = table[table.duplicated(list(POINT))]
    if len(twice):
        raise ValueError(
            f"a study has one row for each point, but {name_points(twice)[0]} is there twice; "
            f"answer for one study at a time"
        )


def select(table: pd.DataFrame, family: str, *quantities: str) -> pd.DataFrame:
    """Return the rows of a family in which all quantities are finite, in the order of points."""
    rows = table[table["model"] == family]
    is_finite = np.isfinite(rows[list(quantities)].to_numpy(dtype=float)).all(axis=1)
    return rows[is_finite].sort_values(["n_latents", "beta", "seed"])


def from_beta(table: pd.DataFrame, beta_from: float) -> pd.DataFrame:
    """Return the rows whose beta is not below ``beta_from``."""
    return table[table["beta"] >= beta_from]


def name_points(rows: pd.DataFrame) -> tuple[str, ...]:
    """Name the points of rows, for people.

    Examples
    --------
    >>> row = {"model": "poisson", "beta": 0.5, "n_latents": 64, "seed": 0}
    >>> name_points(pd.DataFrame([row]))
    ('P-VAE at beta 0.5, K 64, seed 0',)
    """
    return tuple(
        f"{name_family(model)} at beta {beta:g}, K {n_latents}, seed {seed}"
        for model, beta, n_latents, seed in rows[list(POINT)].itertuples(index=False)
    )


def mean_over_seeds(rows: pd.DataFrame, quantity: str) -> pd.DataFrame:
    """Average a quantity over seeds at each K and beta.

    Parameters
    ----------
    rows : DataFrame
        Of one family, as `select` returns them.
    quantity : str
        A column. With ``_low`` and ``_high`` beside it, these are the interval of a single seed.

    Returns
    -------
    DataFrame
        Columns n_latents, beta, n_seeds, estimate (of `Estimate`); in order of K and beta. With
        several seeds the interval is Student's over seeds: it speaks of another training on the
        same stimuli. With one it is the table's: it speaks of other stimuli for the same model.

    Examples
    --------
    >>> row = {"model": "poisson", "beta": 0.5, "n_latents": 64, "spikes": 4.0}
    >>> rows = pd.DataFrame([row | {"seed": 0}, row | {"seed": 1, "spikes": 6.0}])
    >>> f"{mean_over_seeds(rows, 'spikes')['estimate'][0]:.1f}"
    '5.0 [-7.7, 17.7]'
    """
    levels = []
    for (n_latents, beta), group in rows.groupby(["n_latents", "beta"]):
        values = group[quantity].to_numpy(dtype=float)
        if len(values) == 1 and f"{quantity}_low" in group:
            ends = group[[f"{quantity}_low", f"{quantity}_high"]].to_numpy(dtype=float)[0]
            estimate = Estimate(float(values[0]), float(ends[0]), float(ends[1]))
        else:
            estimate = mean_with_interval(values)
        levels.append((int(n_latents), float(beta), len(values), estimate))
    return pd.DataFrame(levels, columns=["n_latents", "beta", "n_seeds", "estimate"])


def mean_with_interval(values: np.ndarray) -> Estimate[float]:
    """Return a mean with Student's interval; with one value its ends are NaN.

    Examples
    --------
    >>> f"{mean_with_interval(np.array([1.0, 2.0, 3.0])):.2f}"
    '2.00 [-0.48, 4.48]'
    """
    n, mean = len(values), float(np.mean(values))
    if n == 1:
        return Estimate(mean, np.nan, np.nan)
    margin = student.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n)
    return Estimate(mean, float(mean - margin), float(mean + margin))
