"""What a page is made of: charts, assumptions, tables, and all of it together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from pvae_brian.metabolism import GRADES
from pvae_brian.report.page.quantity import Quantity


@dataclass(frozen=True)
class Chart:
    """A figure with the words that go with it.

    Attributes
    ----------
    key : str
        Its name in the JSON; unique in a page.
    title : str
        Heading.
    caption : str
        What to see in it, in one or two sentences.
    alt : str
        What a person who cannot see it needs to know, with its numbers.
    figure : Figure
        Made within `report_style`.
    """

    key: str
    title: str
    caption: str
    alt: str
    figure: Figure


@dataclass(frozen=True)
class Assumption:
    """What the numbers rest on.

    Attributes
    ----------
    statement : str
        What is assumed.
    grade : str
        'A', 'B' or 'C', as of an `EnergyBudget`; empty where there is no source to be near to.
    source : str
        Where it is from; addresses in it become links.
    value : str
        The number, if it is one, with its unit.

    Raises
    ------
    ValueError
        If there is no such grade.
    """

    statement: str
    grade: str
    source: str
    value: str = ""

    def __post_init__(self) -> None:
        if self.grade and self.grade not in GRADES:
            raise ValueError(
                f"grade must be one of {', '.join(GRADES)} or empty, got {self.grade!r} for "
                f"{self.statement!r}"
            )


@dataclass(frozen=True)
class Table:
    """A further table.

    Attributes
    ----------
    title, caption : str
        Heading, and what to see in it; the caption may be empty.
    columns : tuple of str
        Heads of the columns, with units.
    rows : tuple of tuples of str, int or float
        One cell for each column. The first names its row.

    Raises
    ------
    ValueError
        If a row is longer or shorter than the head.
    """

    title: str
    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(
                    f"each row must have one cell for each of {len(self.columns)} columns, got "
                    f"{len(row)} in table {self.title!r}: {row!r}"
                )

    def is_numeric(self, column: int) -> bool:
        """Whether a column holds nothing but numbers."""
        return all(not isinstance(row[column], str) for row in self.rows)


@dataclass(frozen=True)
class Page:
    """All that a report says.

    Attributes
    ----------
    title : str
        Of the page.
    headline : str
        What was found, in one sentence.
    warnings : tuple of str
        What a reader must know before trusting it.
    quantities : tuple of Quantity
        In order; listed by section, and sections in the order in which they first occur.
    charts : tuple of Chart
        In order.
    assumptions : tuple of Assumption
        In order.
    reproduction : dict
        How it was made: numbers, texts, lists and dicts of them. Its 'command' is shown first.
    tables : tuple of Table
        In order.
    data : dict
        Further numbers for the JSON alone, such as those of each neuron: dicts and lists of them.

    Raises
    ------
    ValueError
        If two quantities or two charts have the same key.
    """

    title: str
    headline: str
    warnings: tuple[str, ...]
    quantities: tuple[Quantity, ...]
    charts: tuple[Chart, ...]
    assumptions: tuple[Assumption, ...]
    reproduction: dict[str, Any]
    tables: tuple[Table, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for what, parts in (("quantities", self.quantities), ("charts", self.charts)):
            key, times = Counter(part.key for part in parts).most_common(1)[0] if parts else ("", 1)
            if times > 1:
                raise ValueError(
                    f"keys of {what} must be unique, got {key!r} {times} times; rename all but one"
                )
