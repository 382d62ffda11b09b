"""Tables, plots and pages of what was measured against what was predicted."""

from pvae_brian.report.build import build_page
from pvae_brian.report.overview import check_format, plot_overview
from pvae_brian.report.page import Page, page_json, render_html, write_report
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.plots import (
    plot_energy_by_budget,
    plot_error_against_energy,
    plot_fano_against_rate,
    plot_features,
    plot_image,
    plot_kl_against_spikes,
    plot_measured_against_predicted,
    plot_r2_over_time,
    plot_raster,
    plot_reconstructions,
)
from pvae_brian.report.results import collect_quantities
from pvae_brian.report.summary import format_table, summary_rows

__all__ = [
    "Page",
    "Quantity",
    "build_page",
    "check_format",
    "collect_quantities",
    "format_table",
    "page_json",
    "plot_energy_by_budget",
    "plot_error_against_energy",
    "plot_fano_against_rate",
    "plot_features",
    "plot_image",
    "plot_kl_against_spikes",
    "plot_measured_against_predicted",
    "plot_overview",
    "plot_r2_over_time",
    "plot_raster",
    "plot_reconstructions",
    "render_html",
    "summary_rows",
    "write_report",
]
