"""All measures of a record at once: rates, variability, intervals and sparsity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pvae_brian.intervals import Estimate
from pvae_brian.measures.isi import IsiStatistics, compute_isi_statistics
from pvae_brian.measures.rates import mean_firing_rate
from pvae_brian.measures.sparsity import Sparsity, compute_sparsity
from pvae_brian.measures.variability import fano_factor, residual_fano
from pvae_brian.spikes import SpikeRecord


@dataclass(frozen=True, eq=False)
class Measures:
    """What the spikes of a record are like.

    Attributes
    ----------
    rate : Estimate
        Mean firing rate over stimuli and neurons in Hz.
    rate_per_neuron : Estimate of ndarrays, shape (n_latents,)
        The same for each neuron; see `mean_firing_rate` for the intervals.
    fano_per_neuron : ndarray, shape (n_latents,)
        Fano factor across stimuli; NaN for a neuron that never fired.
    residual_fano_per_neuron : Estimate of ndarrays, shape (n_latents,), or None
        Fano factor about the predicted means; None for a neuron model that predicts nothing.
    isi : IsiStatistics or None
        Of the interspike intervals; None if only counts were recorded.
    sparsity : Sparsity
        Of the counts.
    """

    rate: Estimate[float]
    rate_per_neuron: Estimate[np.ndarray]
    fano_per_neuron: np.ndarray
    residual_fano_per_neuron: Estimate[np.ndarray] | None
    isi: IsiStatistics | None
    sparsity: Sparsity


def compute_measures(record: SpikeRecord) -> Measures:
    """Measure rates, variability, interspike intervals and sparsity of a record.

    Parameters
    ----------
    record : SpikeRecord
        Of any neuron model, with spike times or counts only.

    Returns
    -------
    Measures

    Raises
    ------
    ValueError
        If the record has no stimuli or no latents.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> measures = compute_measures(simulate([[0.0, 20.0]] * 50, record="times", seed=1))
    >>> measures.rate_per_neuron.value.round().tolist()
    [0.0, 20.0]
    >>> bool(0.8 < measures.isi.cv.value < 1.2)
    True
    """
    law = record.prediction
    return Measures(
        rate=mean_firing_rate(record, axis=None),
        rate_per_neuron=mean_firing_rate(record),
        fano_per_neuron=fano_factor(record.counts),
        residual_fano_per_neuron=None if law is None else residual_fano(record.counts, law),
        isi=None if record.times is None else compute_isi_statistics(record),
        sparsity=compute_sparsity(record),
    )
