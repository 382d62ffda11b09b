"""Measures of spike counts and spike times: functions of plain data, a module for each idea."""

from pvae_brian.measures.goodness import FitTest, poisson_fit
from pvae_brian.measures.sparsity import (
    lifetime_sparsity,
    lifetime_sparsity_shares,
    population_sparsity,
)

__all__ = [
    "FitTest",
    "lifetime_sparsity",
    "lifetime_sparsity_shares",
    "poisson_fit",
    "population_sparsity",
]
