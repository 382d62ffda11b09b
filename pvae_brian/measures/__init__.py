"""Measures of spike counts and spike times: functions of plain data, a module for each idea."""

from pvae_brian.measures.goodness import FitTest, poisson_fit
from pvae_brian.measures.isi import IsiStatistics, compute_isi_statistics
from pvae_brian.measures.rates import mean_counts, mean_firing_rate
from pvae_brian.measures.sparsity import (
    Sparsity,
    compute_sparsity,
    lifetime_sparsity,
    lifetime_sparsity_shares,
    population_sparsity,
)
from pvae_brian.measures.summary import Measures, compute_measures
from pvae_brian.measures.variability import fano_factor, residual_fano, residual_fano_band

__all__ = [
    "FitTest",
    "IsiStatistics",
    "Measures",
    "Sparsity",
    "compute_isi_statistics",
    "compute_measures",
    "compute_sparsity",
    "fano_factor",
    "lifetime_sparsity",
    "lifetime_sparsity_shares",
    "mean_counts",
    "mean_firing_rate",
    "poisson_fit",
    "population_sparsity",
    "residual_fano",
    "residual_fano_band",
]
