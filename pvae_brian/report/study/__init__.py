"""Figures and the page of a beta x K study. They need the extra ``[sweep]``."""

import pvae_brian.sweep  # noqa: F401  First, for it says what is missing.
from pvae_brian.report.study.activity import plot_spikes_against_beta, plot_zeros_against_beta
from pvae_brian.report.study.features import plot_features_by_beta
from pvae_brian.report.study.files import write_figures
from pvae_brian.report.study.growth import plot_growth
from pvae_brian.report.study.page import build_study_page
from pvae_brian.report.study.prediction import plot_kl_over_models, plot_spikes_against_prior
from pvae_brian.report.study.results import collect_study_quantities
from pvae_brian.report.study.tradeoff import plot_tradeoff

__all__ = [
    "build_study_page",
    "collect_study_quantities",
    "plot_features_by_beta",
    "plot_growth",
    "plot_kl_over_models",
    "plot_spikes_against_beta",
    "plot_spikes_against_prior",
    "plot_tradeoff",
    "plot_zeros_against_beta",
    "write_figures",
]
