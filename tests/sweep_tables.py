"""Tidy tables of a beta x K study that no model made: all its columns, with plausible numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

COORDINATES = ("model", "beta", "n_latents", "seed")
# In the order of the table; those with an interval have a `_low` and a `_high` beside them.
WITH_INTERVAL = (
    "spikes",
    "spikes_over_prior",
    "fraction_zeros",
    "lifetime_sparsity",
    "population_sparsity",
    "kl_nats",
    "bits_per_spike",
    "error",
    "r2",
    "energy",
)
QUANTITIES = (
    "spikes",
    "expected_spikes",
    "prior_rate_cost",
    "spikes_over_prior",
    "fidelity_z",
    "fraction_zeros",
    "latent_zeros",
    "lifetime_sparsity",
    "population_sparsity",
    "active_latents",
    "kl_nats",
    "bits_per_spike",
    "error",
    "r2",
    "model_error",
    "map_error",
    "free_energy",
    "train_free_energy",
    "energy",
    "converged",
    "plateau",
    "epochs",
    "n_stimuli",
)
# What a plain Gaussian VAE has no value of: it has no spikes.
NEEDS_SPIKES = (
    "spikes",
    "expected_spikes",
    "prior_rate_cost",
    "spikes_over_prior",
    "fidelity_z",
    "fraction_zeros",
    "lifetime_sparsity",
    "population_sparsity",
    "bits_per_spike",
    "error",
    "r2",
    "energy",
)
# Squared error per stimulus of a code that says nothing: the variance of the images.
_VARIANCE = 250.0
# Half an interval, in parts of the value.
_MARGIN = 0.01


def example_table(
    betas=(0.1, 0.5, 1.0, 2.0, 4.0),
    n_latents=(32, 64, 128),
    seeds=(0,),
    models=("poisson", "gaussian-relu", "gaussian"),
    *,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
    without=(),
    not_converged=(),
    columns: dict | None = None,
) -> pd.DataFrame:
    """Make the table of a finished study: one row per point, in the order of its coordinates.

    The P-VAE's spikes fall and its sparsity rises at each beta; the control's zeros hardly move.

    Parameters
    ----------
    betas, n_latents, seeds, models : sequences
        The grid.
    noise : float
        Standard deviation of the logarithm of what differs from seed to seed.
    rng : numpy.random.Generator, optional
        Draws the noise; needed with noise.
    without : sequence of tuple
        Points (model, beta, n_latents, seed) that are missing.
    not_converged : sequence of tuple
        Points whose training did not converge.
    columns : dict, optional
        Values of columns to write over, an array or a function of the table; their intervals
        become as wide as in the rest of the table.
    """
    rows = []
    for point in itertools.product(models, betas, n_latents, seeds):
        if point not in without:
            jitter = np.exp(noise * rng.standard_normal()) if noise else 1.0
            values = _values(*point[:3], jitter)
            if point in not_converged:
                values["converged"] = False
                # A prior that lags behind its posterior.
                values["prior_rate_cost"] /= 2
                values["spikes_over_prior"] *= 2
            rows.append(dict(zip(COORDINATES, point, strict=True)) | values)
    table = pd.DataFrame(rows, columns=[*COORDINATES, *QUANTITIES])
    for name, values in (columns or {}).items():
        table[name] = values(table) if callable(values) else values
    return with_intervals(table)


def with_intervals(table: pd.DataFrame, margin: float = _MARGIN) -> pd.DataFrame:
    """Set the intervals of a table anew: a share of each value to both sides."""
    ordered = {}
    for name in table.columns:
        if name.endswith(("_low", "_high")):
            continue
        ordered[name] = table[name]
        if name in WITH_INTERVAL:
            half = margin * table[name].abs()
            ordered |= {f"{name}_low": table[name] - half, f"{name}_high": table[name] + half}
    return pd.DataFrame(ordered)


def _values(model: str, beta: float, n_latents: int, jitter: float) -> dict:
    """Numbers of one point; ``jitter`` multiplies its mean rate."""
    # What is left unexplained falls with K and rises with beta.
    error = _VARIANCE * (1 - 0.8 * np.exp(-0.5 * beta) * (1 - np.exp(-n_latents / 40)))
    kl = 60 * np.exp(-0.9 * beta) * (1 - np.exp(-n_latents / 40)) * jitter
    if model == "poisson":
        rate = 0.25 * np.exp(-0.8 * beta) * np.sqrt(64 / n_latents) * jitter
        latent_zeros = np.exp(-rate)
    else:
        rate = (0.9 + 0.02 * beta) * np.sqrt(64 / n_latents) * jitter
        latent_zeros = 0.5 - 0.02 * np.exp(-beta) if model == "gaussian-relu" else 0.0
    spikes = n_latents * rate
    values = {
        "spikes": spikes,
        "expected_spikes": 0.999 * spikes,
        "prior_rate_cost": 0.98 * spikes if model == "poisson" else 0.4 * n_latents,
        "fidelity_z": 0.3,
        "fraction_zeros": np.exp(-rate),
        "latent_zeros": latent_zeros,
        "lifetime_sparsity": 1 - 0.6 * (1 - np.exp(-rate)),
        "population_sparsity": 1 - 0.7 * (1 - np.exp(-rate)),
        "active_latents": float(np.exp(-0.2 * beta)),
        "kl_nats": kl,
        "bits_per_spike": kl / np.log(2) / spikes,
        "error": error,
        "r2": 1 - error / _VARIANCE,
        "model_error": 0.998 * error,
        "map_error": 0.8 * error,
        "free_energy": 0.998 * error + beta * kl,
        "train_free_energy": 0.99 * error + beta * kl,
        "energy": 7.5e8 * spikes,
        "converged": True,
        "plateau": True,
        "epochs": 40,
        "n_stimuli": 2000,
    }
    values["spikes_over_prior"] = spikes / values["prior_rate_cost"]
    if model == "gaussian":
        values |= dict.fromkeys(NEEDS_SPIKES, np.nan)
    return values
