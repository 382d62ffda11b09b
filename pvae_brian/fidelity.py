"""Fidelity of a simulation: are the counts what the neuron model promises?"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.stats import norm, poisson

from pvae_brian.intervals import CONFIDENCE, Estimate, bootstrap, count_interval, share_interval
from pvae_brian.measures.goodness import FitTest, poisson_fit
from pvae_brian.measures.variability import residual_fano
from pvae_brian.neurons import CountPrediction
from pvae_brian.spikes import SpikeRecord

# Half the width of a 95 % interval, in standard errors.
_NORMAL = float(norm.ppf((1 + CONFIDENCE) / 2))


@dataclass(frozen=True)
class Fidelity:
    """Errors of the simulation, whatever the model.

    Held against `SpikeRecord.prediction`: the posterior rates for Poisson neurons, renewal theory
    for refractory ones; against the posterior rates where a neuron model predicts nothing.

    Attributes
    ----------
    measured : Estimate
        Mean spikes per stimulus, with an interval for these stimuli (Garwood's for Poisson
        counts).
    predicted : float
        Mean over stimuli of the predicted spikes.
    expected : Estimate
        The same number, with an interval for stimuli drawn like these (bootstrap).
    z : float
        Their difference in standard errors: standard normal if the simulation is right.
    outside : Estimate
        Share of neurons whose total lies outside the central 95 % of its law, about 0.05 if the
        simulation is right; with the interval of Clopper and Pearson over neurons.
    fano : Estimate
        Squared deviations from the predicted means over these.
    predicted_fano : float
        What it should be: predicted variance over predicted mean, 1 for Poisson counts.
    fit : FitTest
        Chi-square test of all counts against Poisson laws of the posterior rates.
    """

    measured: Estimate[float]
    predicted: float
    expected: Estimate[float]
    z: float
    outside: Estimate[float]
    fano: Estimate[float]
    predicted_fano: float
    fit: FitTest


def compute_fidelity(record: SpikeRecord) -> Fidelity:
    """Hold the counts of a record against the law of its neurons.

    Parameters
    ----------
    record : SpikeRecord
        Of any neuron model.

    Returns
    -------
    Fidelity

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> abs(compute_fidelity(simulate([[3.0, 5.0]], seed=1)).z) < 6
    True
    """
    counts = record.counts
    law = _law(record)
    total, expected = int(counts.sum()), float(law.mean.sum())
    low, high = count_interval(total, None if law.is_poisson else law.variance.sum())
    per_neuron = counts.sum(axis=0)
    lowest, highest = _central_band(law)
    return Fidelity(
        measured=Estimate(total, float(low), float(high)).scaled(1 / len(counts)),
        predicted=expected / len(counts),
        expected=bootstrap(lambda mean: mean, law.mean.sum(axis=1), seed=record.seed),
        z=fidelity_z(record),
        outside=share_interval((per_neuron < lowest) | (per_neuron > highest)),
        fano=residual_fano(counts, law, axis=None),
        predicted_fano=float(law.variance.sum() / expected) if expected else np.nan,
        fit=poisson_fit(counts, record.rates),
    )


def fidelity_z(record: SpikeRecord) -> float:
    """Return `Fidelity.z` alone, which takes no time."""
    law = _law(record)
    difference = int(record.counts.sum()) - float(law.mean.sum())
    return _z_score(difference, float(law.variance.sum()))


def _law(record: SpikeRecord) -> CountPrediction:
    return record.prediction or CountPrediction(mean=record.rates, variance=record.rates)


def _central_band(law: CountPrediction) -> tuple[np.ndarray, np.ndarray]:
    """Bounds of the central 95 % of each neuron's total; normal if it is not Poisson."""
    expected = law.mean.sum(axis=0)
    if law.is_poisson:
        tail = (1 - CONFIDENCE) / 2
        return poisson.ppf(tail, expected), poisson.ppf(1 - tail, expected)
    margin = _NORMAL * np.sqrt(law.variance.sum(axis=0))
    return expected - margin, expected + margin


def _z_score(difference: float, variance: float) -> float:
    if variance == 0:
        return math.copysign(math.inf, difference) if difference else 0.0
    return difference / math.sqrt(variance)
