"""Tables and plots of what was measured against what was predicted."""

from pvae_brian.report.overview import check_format, plot_overview
from pvae_brian.report.plots import plot_image, plot_measured_against_predicted, plot_raster
from pvae_brian.report.table import format_table, summary_rows

__all__ = [
    "check_format",
    "format_table",
    "plot_image",
    "plot_measured_against_predicted",
    "plot_overview",
    "plot_raster",
    "summary_rows",
]
