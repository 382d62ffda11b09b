"""Variability of spike counts: Fano factors, across stimuli and about a prediction."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm

from pvae_brian.intervals import CONFIDENCE, Estimate
from pvae_brian.measures._checks import check_counts
from pvae_brian.neurons import CountPrediction

# Half the width of a 95 % interval, in standard errors.
_NORMAL = float(norm.ppf((1 + CONFIDENCE) / 2))


def fano_factor(counts: ArrayLike) -> np.ndarray:
    r"""Divide the variance of each neuron's counts by their mean.

    .. math:: F = \frac{\langle z^2\rangle - \langle z\rangle^2}{\langle z\rangle}

    over trials of one stimulus, or over stimuli. Over stimuli it also holds what the stimuli do
    to the rate: for Poisson counts of rates :math:`\lambda_s` it is near
    :math:`1 + \mathrm{Var}[\lambda] / \langle\lambda\rangle`. See `residual_fano` for the rest.

    Parameters
    ----------
    counts : array_like, shape (n_stimuli, n_latents)
        Spikes per window.

    Returns
    -------
    ndarray, shape (n_latents,)
        With the variance of the population (``ddof=0``), as `elephant.statistics.fanofactor`
        takes it; NaN for a neuron that never fired.

    Raises
    ------
    ValueError
        If there are not two axes, or no stimuli or no latents.

    References
    ----------
    Fano (1947), Ionization yield of radiations II, Physical Review 72:26.

    Examples
    --------
    >>> fano_factor([[1, 0, 4], [3, 0, 4]])
    array([0.5, nan, 0. ])
    """
    counts = check_counts(counts)
    mean = counts.mean(axis=0)
    return counts.var(axis=0) / np.where(mean > 0, mean, np.nan)


def residual_fano(
    counts: ArrayLike, law: CountPrediction, axis: Literal[0] | None = 0
) -> Estimate[Any]:
    r"""Divide the variance of counts about their predicted means by these.

    .. math:: F_i = \frac{\sum_s (z_{si} - \mu_{si})^2}{\sum_s \mu_{si}}

    What stimuli do to the rate does not enter: it is 1 for Poisson counts of any rates, and
    :math:`\sum_s \sigma^2_{si} / \sum_s \mu_{si}` for counts of variance :math:`\sigma^2_{si}`.

    Parameters
    ----------
    counts : array_like, shape (n_stimuli, n_latents)
        Spikes per window.
    law : CountPrediction
        Their predicted means and variances, such as `SpikeRecord.prediction`.
    axis : {0, None}
        Whether the sums run over stimuli, or over stimuli and neurons.

    Returns
    -------
    Estimate
        Ndarrays of shape (n_latents,), or numbers for ``axis=None``; NaN where no spikes are
        predicted. The interval is normal, not below 0.

    Raises
    ------
    ValueError
        If counts have not two axes, are empty, or have another shape than the prediction.

    Notes
    -----
    The standard error is that of the law. A law's mean and variance do not settle it, so its fourth
    cumulant is taken to be that of the binomial, Poisson or negative binomial law which has them
    (Katz's family):

    .. math::

        \mathrm{Var}[(z - \mu)^2] = 2\sigma^4 + \kappa_4, \quad
        \kappa_4 = \sigma^2 \bigl(1 - 6 F (1 - F)\bigr), \quad F = \sigma^2 / \mu.

    This is exact for Poisson neurons, :math:`\mu + 2\mu^2`, and for Bernoulli neurons. For
    refractory ones it is within 1 % up to a period of a hundredth of the window; with longer
    periods the interval may be 8 % too narrow at a fifth of the window, and is too wide for a
    neuron that fires like a clock.

    References
    ----------
    Katz (1965), Unified treatment of a broad class of discrete probability distributions, in
    Patil, Classical and Contagious Discrete Distributions.

    Examples
    --------
    >>> import numpy as np
    >>> from pvae_brian import simulate
    >>> record = simulate(np.tile([0.5, 8.0], (1000, 1)), seed=1)
    >>> fano = residual_fano(record.counts, record.prediction)
    >>> bool((abs(fano.value - 1) < 3 * (fano.high - fano.value)).all())
    True
    """
    counts = check_counts(counts)
    if counts.shape != law.mean.shape:
        raise ValueError(
            f"counts and their prediction must have one shape, got {counts.shape} and "
            f"{law.mean.shape}; take record.prediction of the record that holds the counts"
        )
    expected = _expected(law, axis)
    fano = ((counts - law.mean) ** 2).sum(axis=axis) / expected
    low, high = _around(fano, law, axis)
    return Estimate(fano, low, high)


def residual_fano_band(law: CountPrediction) -> tuple[np.ndarray, np.ndarray]:
    r"""Bound the residual Fano factor that an exact simulation would show, for each neuron.

    The band is as wide as the interval of `residual_fano`, about what should be found:
    :math:`\sum_s \sigma^2_s / \sum_s \mu_s`.

    Parameters
    ----------
    law : CountPrediction
        Predicted means and variances of shape (n_stimuli, n_latents).

    Returns
    -------
    low, high : ndarray, shape (n_latents,)
        The central 95 %, not below 0; NaN where no spikes are predicted. Rough for a neuron that
        is expected to fire only a few times in all, whose law is skewed.

    Raises
    ------
    ValueError
        If the prediction has not two axes, or is of no stimuli or no latents.

    Examples
    --------
    >>> import numpy as np
    >>> from pvae_brian.neurons import Poisson
    >>> low, high = residual_fano_band(Poisson().predict(np.full((1000, 1), 4.0), 1.0, 100))
    >>> f"{low[0]:.3f} {high[0]:.3f}"
    '0.907 1.093'
    """
    check_counts(law.mean)
    return _around(law.variance.sum(axis=0) / _expected(law, 0), law, 0)


def _expected(law: CountPrediction, axis: int | None) -> np.ndarray:
    """Predicted spikes in all, NaN where there are none."""
    expected = law.mean.sum(axis=axis)
    return np.where(expected > 0, expected, np.nan)[()]


def _around(
    fano: np.ndarray, law: CountPrediction, axis: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the normal interval about a residual Fano factor."""
    mean, variance = law.mean, law.variance
    # Where nothing is predicted nothing varies, whatever the ratio.
    ratio = np.divide(variance, mean, out=np.zeros(mean.shape), where=mean > 0)
    of_squares = (variance * (2 * variance + 1 - 6 * ratio * (1 - ratio))).sum(axis=axis)
    # No law of whole numbers has less than 0; rounding may.
    margin = _NORMAL * np.sqrt(np.maximum(of_squares, 0.0)) / _expected(law, axis)
    return np.maximum(fano - margin, 0.0), fano + margin
