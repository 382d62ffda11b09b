"""A page as HTML that needs no other file."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Mapping
from numbers import Integral
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pvae_brian.intervals import CONFIDENCE
from pvae_brian.metabolism import GRADES
from pvae_brian.report.page.data import page_json
from pvae_brian.report.page.parts import Page
from pvae_brian.report.page.quantity import (
    Quantity,
    format_interval_html,
    format_number,
    format_number_html,
    format_value_html,
)
from pvae_brian.report.page.svg import COLOURS, clean_text, embed_figure

# In inches; a wider figure has a row of its own, and a box to scroll in on a phone.
_WIDEST = 6.0
_URL = re.compile(r"(https?://[^\s<>\"']*[^\s<>\"'.,;:!?)])")


def render_html(page: Page, json_name: str | None = None) -> str:
    """Return the whole page as HTML that needs no network, no script and no other file.

    Parameters
    ----------
    page : Page
        What to show.
    json_name : str, optional
        Name of the JSON file beside it, to link to.

    Returns
    -------
    str
        The same for the same page, whenever it is made. `page_json` is in its element
        ``report-data``.
    """
    sections: dict[str, list[Quantity]] = {}
    for quantity in page.quantities:
        sections.setdefault(quantity.section, []).append(quantity)
    html = (
        _templates()
        .get_template("report.html.j2")
        .render(
            page=page,
            parts=[
                ("quantities", "Results", sections),
                ("charts", "Charts", page.charts),
                ("tables", "Tables", page.tables),
                ("assumptions", "Assumptions", page.assumptions),
                ("reproduction", "How to reproduce it", page.reproduction),
            ],
            json_name=json_name,
            # Whatever a text holds, it cannot end the element.
            data=htmlsafe_json_dumps(page_json(page), allow_nan=False),
            colours=COLOURS,
            confidence=f"{100 * CONFIDENCE:g} %",
            grades=GRADES,
            widest=_WIDEST,
        )
    )
    return clean_text(html)


@functools.cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("pvae_brian.report.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        value=format_value_html,
        interval=format_interval_html,
        how=_how,
        cell=_cell,
        entry=_entry,
        links=_with_links,
        words=lambda name: str(name).replace("_", " "),
        file_url=lambda name: "./" + quote(os.fsencode(name)),
        svg=lambda chart, prefix: embed_figure(
            chart.figure, prefix=prefix, title=chart.title, description=chart.alt
        ),
    )
    return environment


def _how(quantity: Quantity) -> str:
    """How the interval was made; the column before says already that a number is exact."""
    if quantity.is_exact:
        return quantity.interval.removeprefix("exact").lstrip(":, ")
    return quantity.interval


def _cell(cell: str | float) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, Integral):
        return Markup('<data value="{0}">{0}</data>').format(int(cell))
    return format_number_html(float(cell))


def _entry(value: object) -> Markup:
    if isinstance(value, list | tuple):
        return Markup(", ").join(_entry(each) for each in value)
    if isinstance(value, Mapping):
        return Markup("; ").join(
            Markup("{}: {}").format(name, _entry(each)) for name, each in value.items()
        )
    if value is None or isinstance(value, bool):
        return Markup({None: "none", True: "yes", False: "no"}[value])
    if isinstance(value, float) and not math.isfinite(value):
        return Markup(format_number(value))
    return _with_links(str(value))


def _with_links(text: str) -> Markup:
    """Make links of web addresses, and of nothing else that looks like one."""
    link = Markup('<a href="{0}" rel="noreferrer">{0}</a>')
    pieces = enumerate(_URL.split(text))
    return Markup("").join(link.format(piece) if i % 2 else piece for i, piece in pieces)
