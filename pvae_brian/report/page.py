"""A report as one HTML page that needs no other file, and as JSON with the same numbers."""

from __future__ import annotations

import functools
import json
import math
import os
import re
from collections.abc import Mapping
from numbers import Integral, Real
from pathlib import Path
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from pvae_brian._files import check_writable, write_whole
from pvae_brian.intervals import CONFIDENCE
from pvae_brian.report.parts import GRADES, Assumption, Chart, Page, Table
from pvae_brian.report.quantity import (
    Quantity,
    format_interval,
    format_interval_html,
    format_number,
    format_number_html,
    format_value,
    format_value_html,
)
from pvae_brian.report.svg import COLOURS, clean_text, embed_figure

__all__ = ["Assumption", "Chart", "Page", "Table", "page_json", "render_html", "write_report"]

FORMAT = "pvae_brian report"
VERSION = 1

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


def page_json(page: Page) -> dict:
    """Return every number and text of a page as what JSON can hold.

    NaN and infinities are None; the formatted ``text`` beside them says which of them they are.

    Examples
    --------
    >>> spikes = Quantity("spikes", "Counts", "spikes", 2.0, 1.5, 2.5, "", "Garwood")
    >>> data = page_json(Page("Title", "Headline.", (), (spikes,), (), (), {"seed": 1}))
    >>> data["quantities"]["spikes"]["text"], data["reproduction"]
    ('2.000 [1.500, 2.500]', {'seed': 1})
    """
    return _plain(
        {
            "format": FORMAT,
            "version": VERSION,
            "title": page.title,
            "headline": page.headline,
            "warnings": page.warnings,
            "confidence": CONFIDENCE,
            "quantities": {quantity.key: _quantity_json(quantity) for quantity in page.quantities},
            "tables": [
                {
                    "title": table.title,
                    "caption": table.caption,
                    "columns": table.columns,
                    "rows": table.rows,
                }
                for table in page.tables
            ],
            "assumptions": [vars(assumption) for assumption in page.assumptions],
            "charts": {
                chart.key: {"title": chart.title, "caption": chart.caption, "alt": chart.alt}
                for chart in page.charts
            },
            "data": page.data,
            "reproduction": page.reproduction,
        }
    )


def write_report(
    page: Page,
    path: str | os.PathLike,
    *,
    json_path: str | os.PathLike | None = None,
    force: bool = False,
) -> tuple[Path, Path]:
    """Write a page and its JSON, each whole or not at all.

    Parameters
    ----------
    page : Page
        What to show.
    path : path-like
        Of the HTML.
    json_path : path-like, optional
        Of the JSON; by default beside the HTML, with the ending ``.json``.
    force : bool
        Whether to replace files that exist.

    Returns
    -------
    path, json_path : Path

    Raises
    ------
    FileExistsError
        If one of them exists and ``force`` is not given.
    OSError
        If one of them cannot be written; then the other is not written either.
    ValueError
        If they are the same file.
    """
    path = Path(path)
    json_path = path.with_suffix(".json") if json_path is None else Path(json_path)
    if path.resolve() == json_path.resolve():
        raise ValueError(
            f"the page and its JSON must be two files, got {path} for both; end the page in .html"
        )
    for each in (path, json_path):
        check_writable(each, force=force)
    is_beside = path.resolve().parent == json_path.resolve().parent
    html = render_html(page, json_path.name if is_beside else None)
    text = json.dumps(page_json(page), indent=2, ensure_ascii=False, allow_nan=False)
    # Both are on disk before the first takes its place.
    with write_whole(path, force=force) as page_file, write_whole(json_path, force=force) as file:
        page_file.write(html.encode("utf-8"))
        file.write(f"{text}\n".encode())
        page_file.flush()
    return path, json_path


@functools.cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("pvae_brian.report"),
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


def _quantity_json(quantity: Quantity) -> dict:
    return {
        "name": quantity.name,
        "section": quantity.section,
        **{
            name: x if math.isfinite(x) else None
            for name, x in (
                ("value", quantity.value),
                ("low", quantity.low),
                ("high", quantity.high),
            )
        },
        "unit": quantity.unit,
        "interval": quantity.interval,
        "remark": quantity.remark,
        "text": f"{format_value(quantity)} {format_interval(quantity)}",
    }


def _plain(value: object) -> object:
    """Return the value as JSON holds it, or raise."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        if math.isfinite(value):
            return float(value)
        return {"value": None, "text": format_number(value)}
    if isinstance(value, Mapping):
        return {clean_text(str(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    raise TypeError(
        f"a report holds numbers, texts, and lists and dicts of them, got {type(value).__name__} "
        f"{value!r}; pass it as text, with str(...)"
    )
