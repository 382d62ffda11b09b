"""Error against energy: which models no other one beats."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pvae_brian.sweep.answers.names import name_family
from pvae_brian.sweep.answers.rows import CONTROL, POISSON, SPIKING, check_table, select
from pvae_brian.sweep.answers.verdict import Verdict

# Of all these less is better.
PLANE = ("energy", "error")
SPACE = ("energy", "error", "kl_nats")
# What a comparison with controls must say.
HANDICAP = (
    "a control's decoder was trained on its own latents, not on spike counts, and the unit of its "
    "latents is free"
)


@dataclass(frozen=True, eq=False)
class Front:
    """Models of which none is better in one respect without being worse in another.

    Attributes
    ----------
    family : str
        As in the column ``model``, or 'all'.
    axes : tuple of str
        Columns; less is better in each.
    points : DataFrame
        Rows of the table that are on the front, in order of the first axis.
    n_points : int
        Models that were compared.
    """

    family: str
    axes: tuple[str, ...]
    points: pd.DataFrame
    n_points: int


@dataclass(frozen=True)
class Dominance:
    """Whether each control is beaten by a P-VAE.

    A control's decoder was trained on its own latents, not on spike counts, and the unit of its
    latents is free: another one changes its spikes, and its error with them.

    Attributes
    ----------
    n_dominated, n_controls : int
        Controls for which some P-VAE has no more energy and no more error, and less of one.
    verdict : Verdict
        'yes' if all are.
    """

    n_dominated: int
    n_controls: int
    verdict: Verdict


def is_on_front(costs: np.ndarray) -> np.ndarray:
    """Tell which points no other one dominates.

    One point dominates another if it is not above it in any column, and below it in one. Equal
    points do not dominate each other.

    Parameters
    ----------
    costs : ndarray, shape (n_points, n_axes)
        Less is better.

    Returns
    -------
    ndarray of bool, shape (n_points,)

    Examples
    --------
    >>> is_on_front(np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 3.0], [2.0, 2.0]]))
    array([ True,  True, False,  True])
    """
    return ~is_dominated(costs, costs)


def is_dominated(costs: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Tell which points of ``costs`` some point of ``by`` dominates.

    Parameters
    ----------
    costs, by : ndarray, shape (n_points, n_axes)
        Less is better; they may differ in the number of points.

    Returns
    -------
    ndarray of bool, shape (n_points,)

    Examples
    --------
    >>> is_dominated(np.array([[1.0, 3.0], [2.0, 3.0]]), by=np.array([[1.0, 3.0]]))
    array([False,  True])
    """
    not_above = (by[None] <= costs[:, None]).all(axis=2)
    below = (by[None] < costs[:, None]).any(axis=2)
    return np.any(not_above & below, axis=1)


def compute_fronts(table: pd.DataFrame, axes: tuple[str, ...] = PLANE) -> tuple[Front, ...]:
    """Return the Pareto fronts of each family, and of all that spike together.

    Parameters
    ----------
    table : DataFrame
        Of a study. Rows that lack one of the axes are left out.
    axes : tuple of str
        Columns of which less is better: `PLANE` for the rate-distortion plane of energy and
        error, `SPACE` for energy, error and KL.

    Returns
    -------
    tuple of Front
        For 'poisson', 'gaussian-relu' and 'all'.

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"model": "poisson", "n_latents": 64, "seed": 0}
    >>> points = [{"beta": 1.0, "energy": 1.0, "error": 5.0}]
    >>> points.append({"beta": 2.0, "energy": 2.0, "error": 5.0})
    >>> compute_fronts(pd.DataFrame([row | point for point in points]))[0].points["beta"].tolist()
    [1.0]
    """
    check_table(table, axes)
    rows = {family: select(table, family, *axes) for family in SPIKING}
    rows["all"] = pd.concat([rows[family] for family in SPIKING])
    return tuple(_front(family, of_family, axes) for family, of_family in rows.items())


def compute_dominance(table: pd.DataFrame, axes: tuple[str, ...] = PLANE) -> Dominance:
    """Count the controls that a P-VAE beats in energy and error.

    Parameters
    ----------
    table : DataFrame
        Of a study.
    axes : tuple of str
        Columns of which less is better.

    Returns
    -------
    Dominance

    Raises
    ------
    ValueError
        If the table lacks columns, or has a point twice.

    Examples
    --------
    >>> row = {"beta": 1.0, "n_latents": 64, "seed": 0, "energy": 1.0}
    >>> points = [{"model": "poisson", "error": 4.0}, {"model": "gaussian-relu", "error": 5.0}]
    >>> compute_dominance(pd.DataFrame([row | point for point in points])).n_dominated
    1
    """
    check_table(table, axes)
    models, controls = (
        select(table, family, *axes)[list(axes)].to_numpy(dtype=float)
        for family in (POISSON, CONTROL)
    )
    n = len(controls)
    beaten = int(is_dominated(controls, by=models).sum())
    if not n or not len(models):
        absent = CONTROL if not n else POISSON
        return Dominance(
            beaten, n, Verdict(None, f"the table has no {name_family(absent)} with spikes")
        )
    return Dominance(
        beaten, n, Verdict(beaten == n, f"{beaten} of {n} controls are beaten; {HANDICAP}")
    )


def _front(family: str, rows: pd.DataFrame, axes: tuple[str, ...]) -> Front:
    on_front = rows[is_on_front(rows[list(axes)].to_numpy(dtype=float))]
    points = on_front.sort_values(list(axes)).reset_index(drop=True)
    return Front(family, tuple(axes), points, len(rows))
