"""A page as what JSON can hold: every number and text of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

from pvae_brian.intervals import CONFIDENCE
from pvae_brian.report.page.parts import Page
from pvae_brian.report.page.quantity import (
    Quantity,
    format_interval,
    format_number,
    format_value,
)
from pvae_brian.report.page.svg import clean_text

FORMAT = "pvae_brian report"
VERSION = 1


def page_json(page: Page) -> dict[str, Any]:
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


def _quantity_json(quantity: Quantity) -> dict[str, Any]:
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


def _plain(value: object) -> Any:
    """Return the value as JSON holds it, or raise."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        number = float(value)
        return number if math.isfinite(number) else {"value": None, "text": format_number(number)}
    if isinstance(value, Mapping):
        return {clean_text(str(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    raise TypeError(
        f"a report holds numbers, texts, and lists and dicts of them, got {type(value).__name__} "
        f"{value!r}; pass it as text, with str(...)"
    )
