"""A page of numbers, texts and figures, as HTML and JSON. It knows nothing of spikes."""

from pvae_brian.report.page.data import page_json
from pvae_brian.report.page.files import write_report
from pvae_brian.report.page.html import render_html
from pvae_brian.report.page.parts import Assumption, Chart, Page, Table
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.page.style import report_style

__all__ = [
    "Assumption",
    "Chart",
    "Page",
    "Quantity",
    "Table",
    "page_json",
    "render_html",
    "report_style",
    "write_report",
]
