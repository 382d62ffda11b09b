"""Pages as a browser reads them, and as a person does."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser

from hypothesis import strategies as st

from pvae_brian.report.page import Page
from pvae_brian.report.page.quantity import Quantity

NAN, INF = math.nan, math.inf
TIMES = "\N{MULTIPLICATION SIGN}"
PREFIXES = {"a": -18, "f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}

# Rounding the very largest numbers up makes them infinite.
finite = st.floats(min_value=-1.7e308, max_value=1.7e308)
any_number = finite | st.sampled_from([NAN, INF, -INF])


def quantity(value, low=NAN, high=NAN, unit="", interval="bootstrap over stimuli") -> Quantity:
    return Quantity("a.b", "section", "name", value, low, high, unit, interval)


def read(shown: str) -> float:
    """The number that a person reads: powers of ten, a minus sign, words for what is no number."""
    words = {"not defined": NAN, "not known": NAN, "infinity": INF, "-infinity": -INF}
    shown = shown.replace("\N{MINUS SIGN}", "-").strip()
    return words[shown] if shown in words else float(re.sub(rf"\s{TIMES}\s10\^?", "e", shown))


class Parsed(HTMLParser):
    """A page as a browser reads it: rows, numbers, links, and the JSON in it."""

    # Elements without an end tag.
    VOID = ("meta", "link", "br", "img")

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict]] = []
        self.rows: dict[str, dict] = {}
        self.numbers: list[float] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.row: dict | None = None

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        assert len(attributes) == len(attrs), f"attribute twice in {tag}"
        self.tags.append((tag, attributes))
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr" and "data-key" in attributes:
            self.row = {"numbers": [], "value": "", "interval": "", "name": "", "how": ""}
            assert attributes["data-key"] not in self.rows
            self.rows[attributes["data-key"]] = self.row
        if self.row is not None and tag in ("td", "th"):
            self.cell = {"th": "name"}.get(tag) or attributes["class"].split()[-1]
        if tag == "data":
            self.numbers.append(float(attributes["value"]))
            if self.row is not None:
                self.row["numbers"].append(float(attributes["value"]))
        if tag == "sup":
            self.handle_data("^")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "tr":
            self.row = None

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        elif "style" not in self.open:
            self.texts.append(data)
            if self.row is not None and self.open[-1] != "tr":
                self.row[self.cell] += data


def parsed(html: str) -> Parsed:
    parser = Parsed()
    parser.feed(str(html))
    parser.close()
    assert parser.open == []
    return parser


def minimal_page(**changes) -> Page:
    parts = {
        "title": "Title",
        "headline": "Headline.",
        "warnings": (),
        "quantities": (quantity(1.5, 1.0, 2.0),),
        "charts": (),
        "assumptions": (),
        "reproduction": {"seed": 1},
    }
    return Page(**{**parts, **changes})
