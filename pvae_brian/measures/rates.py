"""Mean counts, and mean firing rates in spikes per second."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from pvae_brian.intervals import Estimate, bootstrap, count_interval
from pvae_brian.measures._checks import check_counts
from pvae_brian.spikes import SpikeRecord


def mean_counts(record: SpikeRecord) -> Estimate[np.ndarray]:
    """Average the counts of each neuron, with intervals for stimuli drawn like these.

    Resampled stimuli say too little of a neuron that hardly fired: of a silent one, that it never
    would. So an interval is the bootstrap's, widened where it must be to what the neuron's counts
    alone leave open, for it cannot be narrower than that (Garwood's for Poisson counts, else by
    the variance that theory predicts).

    Parameters
    ----------
    record : SpikeRecord
        Of any neuron model; counts suffice.

    Returns
    -------
    Estimate
        Spikes per window: ndarrays of shape (n_latents,). With one stimulus the ends are NaN.

    Raises
    ------
    ValueError
        If the record has no stimuli or no latents.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> silent = mean_counts(simulate([[0.0]] * 100))
    >>> f"{silent.value[0]:.2f} [{silent.low[0]:.2f}, {silent.high[0]:.2f}]"
    '0.00 [0.00, 0.04]'
    """
    counts = check_counts(record.counts)
    resampled = bootstrap(lambda mean: mean, counts, seed=record.seed)
    law = record.prediction
    variance = None if law is None or law.is_poisson else law.variance.sum(axis=0)
    ends = count_interval(counts.sum(axis=0), variance)
    low, high = (end / len(counts) for end in ends)
    return Estimate(
        resampled.value, np.minimum(resampled.low, low), np.maximum(resampled.high, high)
    )


def mean_firing_rate(record: SpikeRecord, axis: Literal[0] | None = 0) -> Estimate[Any]:
    r"""Average the firing rates of a record over stimuli, or over stimuli and neurons.

    .. math:: \bar r_i = \frac{1}{S T} \sum_{s=1}^{S} z_{si}

    with the spikes :math:`z_{si}` of neuron i in the window T when stimulus s of S was shown.

    Parameters
    ----------
    record : SpikeRecord
        Of any neuron model; counts suffice.
    axis : {0, None}
        Over what the mean is taken: stimuli, or stimuli and neurons.

    Returns
    -------
    Estimate
        In Hz: ndarrays of shape (n_latents,), or numbers for ``axis=None``. The interval is one
        for these stimuli: Garwood's, which is exact, for Poisson counts, else a normal one by the
        variance that theory predicts. For a neuron model that has no theory it is bootstrapped,
        for stimuli drawn like these.

    Raises
    ------
    ValueError
        If the record has no stimuli or no latents.

    See Also
    --------
    SpikeRecord.psth : Firing rates in the course of the window.

    Examples
    --------
    >>> from brian2 import second
    >>> from pvae_brian import simulate
    >>> rate = mean_firing_rate(simulate([[0.0, 300.0]] * 20, window=10*second, seed=1))
    >>> print(f"{rate.value[1]:.0f} Hz; silent: below {rate.high[0]:.3f} Hz")
    30 Hz; silent: below 0.018 Hz
    """
    counts = check_counts(record.counts)
    law = record.prediction
    if law is None:
        counts = counts if axis == 0 else counts.mean(axis=1)
        return bootstrap(lambda mean: mean, counts, seed=record.seed).scaled(1 / record.window_s)
    totals = counts.sum(axis=axis)
    low, high = count_interval(totals, None if law.is_poisson else law.variance.sum(axis=axis))
    n_windows = counts.size // totals.size
    return Estimate(totals, low, high).scaled(1 / (n_windows * record.window_s))
