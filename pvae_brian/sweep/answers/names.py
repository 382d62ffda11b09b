"""What families, quantities and numbers are called in sentences, tables and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from pvae_brian.intervals import Estimate

FAMILIES: Mapping[str, str] = MappingProxyType(
    {"poisson": "P-VAE", "gaussian-relu": "ReLU control", "gaussian": "Gaussian VAE"}
)
QUANTITIES: Mapping[str, str] = MappingProxyType(
    {
        "spikes": "spikes per stimulus",
        "energy": "energy per stimulus",
        "prior_rate_cost": "prior rate cost",
        "fraction_zeros": "fraction of zero counts",
        "latent_zeros": "fraction of zeros among the model's own latents",
        "lifetime_sparsity": "lifetime sparsity",
        "kl_nats": "KL",
        "error": "squared error",
    }
)


def name_family(model: str) -> str:
    """Name a family; one that is not known goes by its own name.

    Examples
    --------
    >>> name_family("gaussian-relu")
    'ReLU control'
    """
    return FAMILIES.get(model, model)


def name_quantity(column: str) -> str:
    """Name a column; one that is not known goes by its own name.

    Examples
    --------
    >>> name_quantity("fraction_zeros")
    'fraction of zero counts'
    """
    return QUANTITIES.get(column, column)


def write_value(value: float, digits: int = 3) -> str:
    """Write a number with so many significant digits, zeros among them.

    Examples
    --------
    >>> write_value(1.004), write_value(128.3), write_value(7.06e9), write_value(float("nan"))
    ('1.00', '128', '7.06e+09', 'undefined')
    """
    if math.isnan(value):
        return "undefined"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    if value == 0:
        return "0"
    return f"{value:#.{digits}g}".rstrip(".")


def write_estimate(estimate: Estimate[float], digits: int = 3) -> str:
    """Write an estimate, without an interval that is not known.

    Examples
    --------
    >>> write_estimate(Estimate(0.9978, 0.997, 1.002))
    '0.998 [0.997, 1.00]'
    """
    value = write_value(estimate.value, digits)
    if math.isnan(estimate.low) or not math.isfinite(estimate.value):
        return value
    return f"{value} [{write_value(estimate.low, digits)}, {write_value(estimate.high, digits)}]"
