"""The columns of one point: measured with the functions that measure any record."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pvae_brian.decoding import compute_reconstruction
from pvae_brian.decoding.reconstruction import squared_error
from pvae_brian.encoder import Encoder
from pvae_brian.fidelity import fidelity_z
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.measures import compute_sparsity
from pvae_brian.metabolism import EnergyBudget, is_shipped
from pvae_brian.models import evaluate
from pvae_brian.spikes import SpikeRecord
from pvae_brian.sweep.quantities import COLUMNS

# A latent with less KL than this, mean over stimuli, says nothing of them.
ACTIVE_NATS = 0.01
_BITS_PER_NAT = 1 / math.log(2)


def measure_model(
    encoder: Encoder | GaussianEncoder, images: np.ndarray, *, beta: float, seed: int
) -> dict[str, float | Estimate[float]]:
    """Measure what needs no spikes, by the names of `COLUMNS`.

    Parameters
    ----------
    encoder : Encoder or GaussianEncoder
        Of a trained model.
    images : ndarray, shape (n_stimuli, ...)
        Held out.
    beta : float
        Weight of the KL term.
    seed : int
        Of resampling, and of sampled errors.

    Returns
    -------
    dict
        Numbers and estimates.
    """
    images = images.reshape(len(images), -1).astype(np.float64)
    kl = encoder.kl_per_latent(images)
    model_error = float(evaluate(encoder.model, images, seed=seed).reconstruction)
    nats = bootstrap(lambda mean: mean, kl.sum(axis=1), seed=seed)
    has_rates = encoder.family != "gaussian"
    if isinstance(encoder, GaussianEncoder) and not has_rates:
        mean = encoder.loc(images)
    else:
        mean = encoder.posterior_rates(images)
    return {
        "kl_nats": nats,
        "active_latents": float((kl.mean(axis=0) > ACTIVE_NATS).mean()),
        "latent_zeros": float(encoder.latent_zeros(images).mean()),
        "expected_spikes": float(mean.sum(axis=1).mean()) if has_rates else math.nan,
        "prior_rate_cost": float(encoder.prior_rates.sum()) if has_rates else math.nan,
        "model_error": model_error,
        "map_error": float(squared_error(images, encoder.decode(mean)).mean()),
        "free_energy": model_error + beta * nats.value,
        "n_stimuli": len(images),
    }


def measure_spikes(
    encoder: Encoder | GaussianEncoder,
    images: np.ndarray,
    record: SpikeRecord,
    budget: EnergyBudget,
) -> dict[str, float | Estimate[float]]:
    """Measure what needs spikes, by the names of `COLUMNS`.

    As `analyse` does, without what the table does not hold: no neurons one by one, and no
    simulation at the prior rates.

    Parameters
    ----------
    encoder : Encoder or GaussianEncoder
        Whose rates were simulated.
    images : ndarray, shape (n_stimuli, ...)
        The stimuli.
    record : SpikeRecord
        Of ``simulate(encoder.posterior_rates(images), ...)``.
    budget : EnergyBudget
        One that ships takes each pixel of an image for a synapse, as `analyse` does.

    Returns
    -------
    dict
        Numbers and estimates.
    """
    images = images.reshape(len(images), -1).astype(np.float64)
    spikes = record.counts.sum(axis=1)
    kl = encoder.kl_per_latent(images).sum(axis=1)
    measured = bootstrap(lambda mean: mean, spikes, seed=record.seed)
    sparsity = compute_sparsity(record)
    code = compute_reconstruction(encoder, images, record)
    if budget.fan_out is not None and is_shipped(budget):
        budget = budget.with_fan_out(encoder.n_inputs)
    return {
        "spikes": measured,
        "spikes_over_prior": measured.over(encoder.prior_rates.sum()),
        "fidelity_z": fidelity_z(record),
        "fraction_zeros": sparsity.fraction_zeros,
        "lifetime_sparsity": sparsity.lifetime,
        "population_sparsity": sparsity.population,
        "bits_per_spike": bootstrap(
            lambda nats, spikes: nats * _BITS_PER_NAT / spikes, kl, spikes, seed=record.seed
        ),
        "error": code.error,
        "r2": code.r2,
        "energy": measured.scaled(budget.cost_per_spike),
    }


def as_row(measured: dict[str, float | Estimate[float]]) -> dict[str, float | int | bool]:
    """Return plain values by the names of the table's columns, NaN where nothing was measured."""
    row: dict[str, float | int | bool] = {}
    for column in COLUMNS:
        value = measured.get(column.name, math.nan)
        if column.has_interval:
            known = value if isinstance(value, Estimate) else Estimate(value, value, value)
            ends: tuple[Any, ...] = (known.value, known.low, known.high)
        else:
            ends = (value,)
        row |= {name: column.kind(end) for name, end in zip(column.names(), ends, strict=True)}
    return row
