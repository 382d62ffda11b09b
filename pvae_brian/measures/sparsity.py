"""Measures of sparsity of spike counts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.measures._checks import check_counts
from pvae_brian.spikes import SpikeRecord


@dataclass(frozen=True)
class Sparsity:
    """Sparsity of the measured counts. Bootstrapped over stimuli.

    Attributes
    ----------
    fraction_zeros : Estimate
        Share of silent latents.
    lifetime : Estimate
        Mean over neurons of the sparsity over stimuli.
    population : Estimate
        Mean over stimuli of the sparsity over neurons.
    """

    fraction_zeros: Estimate[float]
    lifetime: Estimate[float]
    population: Estimate[float]


def compute_sparsity(record: SpikeRecord) -> Sparsity:
    """Measure the sparsity of a record's counts.

    Parameters
    ----------
    record : SpikeRecord
        Of any neuron model; counts suffice.

    Returns
    -------
    Sparsity
        See `lifetime_sparsity` and `population_sparsity`.

    Raises
    ------
    ValueError
        If the record has no stimuli or no latents.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> sparsity = compute_sparsity(simulate([[0.0, 9.0], [9.0, 0.0]], seed=1))
    >>> sparsity.fraction_zeros.value, sparsity.lifetime.value, sparsity.population.value
    (0.5, 1.0, 1.0)
    """
    counts = check_counts(record.counts)
    shares = np.stack(
        [
            (counts == 0).mean(axis=1),
            lifetime_sparsity_shares(counts),
            population_sparsity(counts),
        ],
        axis=1,
    )
    # One bootstrap for the three, which takes a third of the time.
    means = bootstrap(lambda mean: mean, shares, seed=record.seed)
    ends = np.stack([means.value, means.low, means.high])
    return Sparsity(*(Estimate(*map(float, of_one)) for of_one in ends.T))


def lifetime_sparsity(counts: ArrayLike) -> np.ndarray:
    r"""Sparsity of each neuron over m stimuli.

    .. math:: S = \frac{1 - \langle z\rangle^2 / \langle z^2\rangle}{1 - 1/m}

    0 where all responses are alike, 1 where there is a single one. All-silent responses count as
    1, and so does a single stimulus (m = 1), for which the index is not defined.

    Parameters
    ----------
    counts : array_like, shape (n_stimuli, n_latents)

    Returns
    -------
    ndarray, shape (n_latents,)

    References
    ----------
    Vinje and Gallant (2000), Science 287:1273, after Rolls and Tovee (1995), J Neurophysiol 73:713.

    Examples
    --------
    >>> lifetime_sparsity([[1, 3, 0], [1, 0, 0]]).tolist()
    [0.0, 1.0, 1.0]
    """
    counts = np.asarray(counts, dtype=float)
    m = len(counts)
    mean, mean_square = counts.mean(axis=0), (counts**2).mean(axis=0)
    if m < 2:
        return np.ones(mean.shape)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = (1 - mean**2 / mean_square) / (1 - 1 / m)
    # Rounding may step over the ends.
    return np.where(mean_square > 0, index.clip(0, 1), 1.0)


def lifetime_sparsity_shares(counts: ArrayLike) -> np.ndarray:
    r"""Share of each stimulus in the lifetime sparsity, mean over neurons.

    As :math:`\langle z\rangle / \langle z^2\rangle` is the g that minimises
    :math:`\langle(1 - gz)^2\rangle`, the sparsity is a mean over stimuli,

    .. math:: S = \frac{1}{m} \sum_s \frac{(1 - g z_s)^2}{1 - 1/m},

    in which an error of g is of second order. So shares can be resampled like any measurement,
    where the index of a resample, with its stimuli drawn twice, is too low.

    Parameters
    ----------
    counts : array_like, shape (n_stimuli, n_latents)

    Returns
    -------
    ndarray, shape (n_stimuli,)
        Their mean is the mean of `lifetime_sparsity`.
    """
    counts = np.asarray(counts, dtype=float)
    m = len(counts)
    if m < 2:
        return np.ones(m)
    mean, mean_square = counts.mean(axis=0), (counts**2).mean(axis=0)
    has_fired = mean_square > 0
    gain = np.divide(mean, mean_square, out=np.zeros_like(mean), where=has_fired)
    shares = (1 - gain * counts) ** 2 / (1 - 1 / m)
    return np.where(has_fired, shares, 1.0).mean(axis=1)


def population_sparsity(counts: ArrayLike) -> np.ndarray:
    """Sparsity of each stimulus over neurons.

    Parameters
    ----------
    counts : array_like, shape (n_stimuli, n_latents)

    Returns
    -------
    ndarray, shape (n_stimuli,)
    """
    return lifetime_sparsity(np.asarray(counts).T)
