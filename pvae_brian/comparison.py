"""Measured against predicted: the simulated spikes, and what the model's KL term foretold."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import kl_div

from pvae_brian.encoder import Encoder
from pvae_brian.engine import simulate
from pvae_brian.fidelity import Fidelity, compute_fidelity
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.intervals import Estimate, bootstrap, count_interval
from pvae_brian.measures.rates import mean_counts
from pvae_brian.spikes import SpikeRecord

_BITS_PER_NAT = 1 / math.log(2)
# A record simulated elsewhere may differ from these rates by rounding in single precision.
_ROUNDING = 1e-4


@dataclass(frozen=True)
class ClampEffect:
    """What the soft clamp on the log rate does. Bootstrapped over stimuli.

    Attributes
    ----------
    clamped, unclamped : Estimate
        Predicted spikes per stimulus, with and without the clamp.
    model_kl, poisson_kl : Estimate
        Nats per stimulus: the model's own KL term, and the divergence between the Poisson laws that
        are simulated. They agree where the clamp does nothing.
    spikes_lost, kl_difference : Estimate
        Unclamped less clamped spikes, and the model's KL less that between the Poisson laws; with
        intervals of the differences, stimulus by stimulus.
    """

    clamped: Estimate[float]
    unclamped: Estimate[float]
    model_kl: Estimate[float]
    poisson_kl: Estimate[float]
    spikes_lost: Estimate[float]
    kl_difference: Estimate[float]


@dataclass(frozen=True, eq=False)
class PriorCost:
    """The metabolic cost that the prior foretells. Intervals are bootstrapped over stimuli.

    Attributes
    ----------
    predicted : float
        Prior rate cost: the sum of the prior rates, in spikes per stimulus.
    measured : Estimate
        Mean spikes per stimulus, with an interval for stimuli drawn like these.
    ratio : Estimate
        Measured spikes over the prior rate cost.
    ratio_per_neuron : Estimate of ndarrays, shape (n_latents,)
        The same for each neuron, by `mean_counts`.
    spontaneous : Estimate
        Spikes per window of the same network at its prior rates, with an interval for these
        windows (Garwood's for Poisson counts).
    """

    predicted: float
    measured: Estimate[float]
    ratio: Estimate[float]
    ratio_per_neuron: Estimate[np.ndarray]
    spontaneous: Estimate[float]


@dataclass(frozen=True, eq=False)
class CodingCost:
    """The model's own KL term, and KL per spike. Bootstrapped over stimuli.

    Averaged over stimuli the KL is the mutual information of stimulus and counts, and the
    divergence of the mean posterior from the prior besides: it bounds the information from above.

    Attributes
    ----------
    kl_nats, kl_bits : Estimate
        Mean over stimuli.
    kl_bits_by_stimulus : ndarray, shape (n_stimuli,)
        Bits of each stimulus, exact.
    bits_per_spike : Estimate
        KL in bits over measured spikes.
    kl_nats_per_neuron : Estimate of ndarrays, shape (n_latents,)
        Nats per stimulus of each neuron.
    bits_per_spike_per_neuron : Estimate of ndarrays, shape (n_latents,)
        NaN or infinite for a neuron that never fired.
    """

    kl_nats: Estimate[float]
    kl_bits: Estimate[float]
    kl_bits_by_stimulus: np.ndarray
    bits_per_spike: Estimate[float]
    kl_nats_per_neuron: Estimate[np.ndarray]
    bits_per_spike_per_neuron: Estimate[np.ndarray]


@dataclass(frozen=True, eq=False)
class Comparison:
    """Measured against predicted, for one model on one set of stimuli.

    Attributes
    ----------
    n_stimuli, n_latents : int
        How many of each.
    neuron : str
        Name of the neuron model that was simulated, or 'sampler'.
    fidelity : Fidelity
    clamp : ClampEffect
    prior : PriorCost
    coding : CodingCost
    """

    n_stimuli: int
    n_latents: int
    neuron: str
    fidelity: Fidelity
    clamp: ClampEffect
    prior: PriorCost
    coding: CodingCost


def compare(
    encoder: Encoder | GaussianEncoder,
    images: ArrayLike,
    record: SpikeRecord,
    *,
    spontaneous: SpikeRecord | None = None,
) -> Comparison:
    """Compare what was simulated with what the model predicted.

    Parameters
    ----------
    encoder : Encoder
        The encoder.
    images : array_like
        The stimuli, as for `Encoder.posterior_rates`.
    record : SpikeRecord
        Of ``simulate(encoder.posterior_rates(images), ...)``.
    spontaneous : SpikeRecord, optional
        Of the same neurons at their prior rates. By default it is simulated here, for as many
        windows as there are stimuli, with a seed that follows from the record's, on numpy for a
        record of numpy and else on what 'auto' chooses: another device gives other counts.

    Returns
    -------
    Comparison
        With 95 % intervals.

    Raises
    ------
    ValueError
        If the record is of other rates than those of the images, or the spontaneous one is of
        other rates than the prior's.

    References
    ----------
    Vafaii and Yates (2026), arXiv:2602.13421, for the prior rate cost.

    Examples
    --------
    >>> from brian2 import second
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = pb.load_encoder(shipped_model()), shipped_patches()[:50]
    >>> record = pb.simulate(encoder.posterior_rates(images), window=1*second, seed=1)
    >>> comparison = pb.compare(encoder, images, record)
    >>> abs(comparison.fidelity.z) < 6
    True
    """
    rates = encoder.posterior_rates(images)
    _check_rates_match(record, rates, "the posterior rates of these images")
    prior_rates = encoder.prior_rates
    if spontaneous is None:
        spontaneous = simulate(
            np.tile(prior_rates, (record.n_stimuli, 1)),
            window=record.window,
            n_steps=record.n_steps,
            seed=int(np.random.SeedSequence([record.seed, 1]).generate_state(1)[0]),
            # A record may come from a machine with a compiler to one without.
            device="numpy" if record.device == "numpy" else "auto",
            neuron=record.neuron,
        )
    else:
        rates_at_rest = np.tile(prior_rates, (spontaneous.n_stimuli, 1))
        _check_rates_match(spontaneous, rates_at_rest, "the prior rates of this encoder")
    kl = encoder.kl_per_latent(images)
    unclamped = encoder.posterior_rates(images, clamped=False).sum(axis=1)
    poisson_kl = kl_div(rates, prior_rates).sum(axis=1)
    return Comparison(
        n_stimuli=record.n_stimuli,
        n_latents=record.n_latents,
        neuron=record.neuron.name,
        fidelity=compute_fidelity(record),
        clamp=ClampEffect(
            clamped=_mean(rates.sum(axis=1), record),
            unclamped=_mean(unclamped, record),
            model_kl=_mean(kl.sum(axis=1), record),
            poisson_kl=_mean(poisson_kl, record),
            spikes_lost=_mean(unclamped - rates.sum(axis=1), record),
            kl_difference=_mean(kl.sum(axis=1) - poisson_kl, record),
        ),
        prior=_prior_cost(record, prior_rates, spontaneous),
        coding=_coding_cost(record, kl),
    )


def _mean(values: np.ndarray, record: SpikeRecord) -> Estimate[Any]:
    """Mean over stimuli; the record's seed makes all resamples those of the same stimuli."""
    return bootstrap(lambda mean: mean, values, seed=record.seed)


def _prior_cost(
    record: SpikeRecord, prior_rates: np.ndarray, spontaneous: SpikeRecord
) -> PriorCost:
    spikes = record.counts.sum(axis=1)
    prior = prior_rates.sum()
    measured = _mean(spikes, record)
    at_rest, law = int(spontaneous.counts.sum()), spontaneous.prediction
    variance = None if law is None or law.is_poisson else law.variance.sum()
    low, high = count_interval(at_rest, variance)
    n_windows = spontaneous.n_stimuli
    return PriorCost(
        predicted=float(prior),
        measured=measured,
        ratio=bootstrap(lambda mean: mean / prior, spikes, seed=record.seed),
        ratio_per_neuron=mean_counts(record).over(prior_rates),
        spontaneous=Estimate(at_rest / n_windows, float(low) / n_windows, float(high) / n_windows),
    )


def _coding_cost(record: SpikeRecord, kl: np.ndarray) -> CodingCost:
    spikes = record.counts.sum(axis=1)

    def bits_per_spike(nats: np.ndarray, spikes: np.ndarray) -> np.ndarray:
        return nats * _BITS_PER_NAT / spikes

    nats = _mean(kl.sum(axis=1), record)
    return CodingCost(
        kl_nats=nats,
        kl_bits=nats.scaled(_BITS_PER_NAT),
        kl_bits_by_stimulus=kl.sum(axis=1) * _BITS_PER_NAT,
        bits_per_spike=bootstrap(bits_per_spike, kl.sum(axis=1), spikes, seed=record.seed),
        kl_nats_per_neuron=_mean(kl, record),
        bits_per_spike_per_neuron=bootstrap(bits_per_spike, kl, record.counts, seed=record.seed),
    )


def _check_rates_match(record: SpikeRecord, rates: np.ndarray, what: str) -> None:
    if record.rates.shape != rates.shape or not np.allclose(
        record.rates, rates, rtol=_ROUNDING, atol=0
    ):
        raise ValueError(
            f"the record must be simulated at {what}: its rates, of shape {record.rates.shape}, "
            f"differ from these, of shape {rates.shape}; simulate again at these"
        )
