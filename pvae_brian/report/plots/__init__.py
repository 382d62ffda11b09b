"""Plots: data first, ``ax=None``, and the axes returned, with units on every label.

Titles are left to the caller. Colours are those of matplotlib's rc settings: the series 'C0', 'C1'
and so on, and for all else that of text, so that a plot can be read in a dark style too.
"""

from pvae_brian.report.plots.costs import plot_energy_by_budget, plot_kl_against_spikes
from pvae_brian.report.plots.counts import plot_fano_against_rate, plot_measured_against_predicted
from pvae_brian.report.plots.course import plot_error_against_energy, plot_r2_over_time
from pvae_brian.report.plots.images import plot_features, plot_image, plot_reconstructions
from pvae_brian.report.plots.spikes import plot_raster

__all__ = [
    "plot_energy_by_budget",
    "plot_error_against_energy",
    "plot_fano_against_rate",
    "plot_features",
    "plot_image",
    "plot_kl_against_spikes",
    "plot_measured_against_predicted",
    "plot_r2_over_time",
    "plot_raster",
    "plot_reconstructions",
]
