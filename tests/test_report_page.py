"""Pages: every number on them is the number in the JSON, and no text can break them."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from pvae_brian.report.page import (
    Assumption,
    Chart,
    Page,
    Table,
    page_json,
    render_html,
    write_report,
)
from pvae_brian.report.page.quantity import Quantity, format_interval, format_value
from pvae_brian.report.page.svg import clean_text

from .pages import PREFIXES, TIMES, any_number, minimal_page, parsed, quantity, read
from .report_example import HOSTILE, example_page, hostile_page


@pytest.fixture(scope="module")
def example() -> Page:
    return example_page()


@pytest.fixture(scope="module")
def example_html(example) -> str:
    return render_html(example, "report.json")


def test_every_number_shown_is_the_one_in_the_json(example, example_html):
    """The table, read as a person reads it, against the JSON that is inside the page."""
    html = parsed(example_html)
    data = json.loads("".join(html.scripts))
    assert data == page_json(example)
    assert list(html.rows) == list(data["quantities"]) == [q.key for q in example.quantities]
    for key, row in html.rows.items():
        stored = data["quantities"][key]
        assert row["name"] == stored["name"]
        value, _, unit = row["value"].replace(f"\xa0{TIMES}\xa010^", "e").partition("\xa0")
        ends = row["interval"].replace(f"\xa0{TIMES}\xa010^", "e").strip("[]").split(", ")
        prefix = 10.0 ** PREFIXES[unit[: len(unit) - len(stored["unit"])]] if unit else 1.0
        shown = [value] if ends in (["exact"], ["not known"]) else [value, *ends]
        expected = [stored[name] for name in ("value", "low", "high")][: len(shown)]
        for text, number in zip(shown, expected, strict=True):
            if number is None:
                assert text in stored["text"]
            else:
                assert prefix * read(text) == pytest.approx(number, rel=5.001e-3)
        # All digits are there as well.
        assert row["numbers"] == [number for number in expected if number is not None]
        if ends == ["exact"]:
            assert stored["low"] == stored["value"] == stored["high"]
            assert stored["interval"].endswith(row["how"].removesuffix(stored["remark"]))
        else:
            assert row["how"] == stored["interval"] + stored["remark"]


def test_every_number_of_the_tables_is_the_one_in_the_json(example, example_html):
    data = json.loads("".join(parsed(example_html).scripts))
    section = re.search(r'<h2 id="tables">.*?</section>', example_html, flags=re.DOTALL)[0]
    expected = [
        cell
        for table in data["tables"]
        for row in table["rows"]
        for cell in row
        if isinstance(cell, int | float)
    ]
    assert len(expected) > 40
    assert parsed(section.removesuffix("</section>")).numbers == expected
    for table in data["tables"]:
        for text in (table["title"], table["caption"], *table["columns"]):
            assert text in parsed(example_html).text


def test_json_holds_the_page_it_was_made_of(example):
    data = json.loads(json.dumps(page_json(example), allow_nan=False))
    assert (data["format"], data["version"]) == ("pvae_brian report", 1)
    assert data["title"] == example.title
    assert data["headline"] == example.headline
    assert tuple(data["warnings"]) == example.warnings
    for each in example.quantities:
        stored = data["quantities"][each.key]
        for field in dataclasses.fields(Quantity):
            if field.name != "key":
                value = getattr(each, field.name)
                is_number = isinstance(value, str) or math.isfinite(value)
                assert stored[field.name] == (value if is_number else None)
        assert stored["text"] == f"{format_value(each)} {format_interval(each)}"
    assert [tuple(a.values()) for a in data["assumptions"]] == [
        dataclasses.astuple(a) for a in example.assumptions
    ]
    assert list(data["charts"]) == [chart.key for chart in example.charts]
    assert data["charts"]["raster"]["alt"] == example.charts[1].alt
    assert data["tables"][0]["rows"][3][4] == {"value": None, "text": "not defined"}
    assert data["reproduction"]["versions"] == example.reproduction["versions"]
    assert data["reproduction"]["notes"][1:] == [None, True, {"value": None, "text": "infinity"}]


@given(st.lists(st.tuples(any_number, any_number, any_number), max_size=5))
@settings(deadline=None)
def test_json_and_page_of_any_numbers(triples):
    quantities = tuple(
        dataclasses.replace(quantity(*triple), key=f"q.{i}") for i, triple in enumerate(triples)
    )
    page = minimal_page(quantities=quantities)
    html = parsed(render_html(page))
    data = json.loads("".join(html.scripts), parse_constant=pytest.fail)
    assert data == page_json(page)
    for q in quantities:
        stored = data["quantities"][q.key]
        for name in ("value", "low", "high"):
            x = getattr(q, name)
            assert stored[name] == (x if math.isfinite(x) else None)


def test_numbers_of_numpy_are_numbers():
    page = minimal_page(
        quantities=(quantity(np.float32(1.5), np.float64(1.0), np.int64(2)),),
        tables=(Table("t", "", ("a", "b"), (("x", np.float64(0.25)), ("y", np.int64(3)))),),
        reproduction={"seed": np.uint32(7), "rate": np.float32(0.5)},
    )
    data = json.loads(json.dumps(page_json(page), allow_nan=False))
    assert [data["quantities"]["a.b"][name] for name in ("value", "low", "high")] == [1.5, 1, 2]
    assert data["tables"][0]["rows"] == [["x", 0.25], ["y", 3]]
    assert data["reproduction"] == {"seed": 7, "rate": 0.5}
    assert parsed(render_html(page)).numbers == [1.5, 1, 2, 0.25, 3]


def test_sections_that_come_twice_are_listed_once():
    quantities = tuple(
        dataclasses.replace(quantity(1.0), key=str(i), section=section)
        for i, section in enumerate(["first", "second", "first"])
    )
    html = parsed(render_html(minimal_page(quantities=quantities)))
    assert html.texts.count("first") == 1
    assert list(html.rows) == ["0", "2", "1"]


def test_an_empty_page_has_no_empty_sections():
    html = parsed(render_html(minimal_page(quantities=(), reproduction={})))
    assert [tag for tag, _ in html.tags if tag in ("h1", "h2", "table", "a", "figure")] == ["h1"]


def test_the_same_page_gives_the_same_bytes(example, example_html):
    assert render_html(example, "report.json") == example_html


# Hostile texts


def allowed(tag: str, attributes: dict) -> None:
    """Nothing that runs, and nothing that is fetched from elsewhere."""
    assert tag not in ("iframe", "object", "embed", "base", "form", "img", "video", "audio")
    for name, value in attributes.items():
        assert not name.startswith("on"), name
        if name in ("href", "src"):
            starts = {
                "a": ("#", "./", "https://", "http://"),
                "link": ("data:,",),
                "image": ("data:image/png;base64,",),
                "use": ("#",),
            }
            assert value.startswith(starts[tag]), value
        assert not re.search(r"url\((?!#)", value or "")
    if tag == "script":
        assert attributes == {"type": "application/json", "id": "report-data"}
    if tag == "meta" and attributes.get("http-equiv"):
        assert attributes["content"].startswith("default-src 'none'; style-src 'unsafe-inline'; ")


@pytest.mark.parametrize("make", [example_page, hostile_page])
def test_the_page_is_alone_and_runs_nothing(make):
    page = make()
    html = parsed(render_html(page, "report.json"))
    for tag, attributes in html.tags:
        allowed(tag, attributes)
    assert [tag for tag, _ in html.tags].count("script") == 1
    assert [tag for tag, _ in html.tags].count("style") == 1
    assert json.loads("".join(html.scripts)) == page_json(page)
    ids = [attributes["id"] for _, attributes in html.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_hostile_texts_are_shown_as_they_are():
    text = parsed(render_html(hostile_page())).text
    for hostile in HOSTILE:
        # In warnings, names, sections, units, intervals, remarks, charts, tables, assumptions.
        assert text.count(clean_text(hostile)) >= 9
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", text)


@given(st.text(), st.text(), st.text())
@settings(deadline=None)
def test_any_text_anywhere(first, second, third):
    page = minimal_page(
        title=first,
        headline=second,
        warnings=(third,),
        quantities=(Quantity(first, second, third, 1.0, 0.0, 2.0, first, second, third),),
        assumptions=(Assumption(first, "B", second, third),),
        reproduction={"command": first, second: third, "more": {first: [second, third]}},
        tables=(Table(first, second, (third, "x"), ((first, 1.0), (second, third))),),
    )
    html = parsed(render_html(page, first))
    for tag, attributes in html.tags:
        allowed(tag, attributes)
    assert json.loads("".join(html.scripts)) == page_json(page)
    for text in (first, second, third):
        assert clean_text(text).strip() in html.text


def test_only_web_addresses_become_links():
    source = "see https://doi.org/10.1/x(1)y, (http://a.org/?b=1&c=2). javascript:alert(1) b.com"
    page = minimal_page(assumptions=(Assumption("s", "A", source),))
    html = parsed(render_html(page))
    links = [attributes["href"] for tag, attributes in html.tags if tag == "a"]
    assert links[-2:] == ["https://doi.org/10.1/x(1)y", "http://a.org/?b=1&c=2"]
    assert source in html.text


def test_the_name_of_the_json_is_a_file_beside_the_page(tmp_path):
    page = minimal_page()
    name = "javascript:alert(1)?#%<b>.json"
    _, json_path = write_report(page, tmp_path / "a.html", json_path=tmp_path / name)
    html = parsed((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert json_path.name == name
    (link,) = [
        attributes["href"]
        for tag, attributes in html.tags
        if attributes.get("href", "")[:2] == "./"
    ]
    assert link == "./javascript%3Aalert%281%29%3F%23%25%3Cb%3E.json"


# Rules


def test_keys_must_be_unique():
    with pytest.raises(ValueError, match=r"quantities must be unique, got 'a\.b' 2 times"):
        minimal_page(quantities=(quantity(1.0), quantity(2.0)))
    chart = Chart("c", "", "", "", Figure())
    with pytest.raises(ValueError, match="charts must be unique, got 'c' 3 times"):
        minimal_page(charts=(chart,) * 3)


def test_grades_are_three_or_none():
    with pytest.raises(ValueError, match="A, B, C or empty, got 'D'"):
        Assumption("s", "D", "")


def test_rows_are_as_long_as_the_head():
    with pytest.raises(ValueError, match="each of 2 columns, got 1"):
        Table("t", "", ("a", "b"), (("x", 1.0), ("y",)))


def test_what_json_cannot_hold_is_refused(tmp_path):
    page = minimal_page(reproduction={"model": {"weights": np.ones(3)}})
    with pytest.raises(TypeError, match=r"got ndarray .*str"):
        write_report(page, tmp_path / "a.html")
    assert list(tmp_path.iterdir()) == []
