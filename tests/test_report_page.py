"""Pages: every number on them is the number in the JSON, and no text can break them."""

from __future__ import annotations

import dataclasses
import importlib.resources
import json
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import get_named_colors_mapping, to_hex, to_rgb
from matplotlib.figure import Figure
from skimage.color import deltaE_ciede2000, xyz2lab
from skimage.color.colorconv import xyz_from_rgb

from pvae_brian.report.page import (
    Assumption,
    Chart,
    Page,
    Table,
    page_json,
    render_html,
    write_report,
)
from pvae_brian.report.page import files as files_module
from pvae_brian.report.page import svg as svg_module
from pvae_brian.report.page.quantity import (
    Quantity,
    format_interval,
    format_interval_html,
    format_number,
    format_number_html,
    format_value,
    format_value_html,
)
from pvae_brian.report.page.svg import COLOURS, clean_text, embed_figure, report_style

from .browser import contrast
from .report_example import HOSTILE, example_page, hostile_page

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


# Numbers


@pytest.mark.parametrize(
    ("x", "shown"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1.000"),
        (49.2134, "49.21"),
        (-7.13, "-7.130"),
        (9.9999, "10.00"),
        (0.0001, "0.0001000"),
        (0.00009999, "1.00e-04"),
        (12345.6, "12346"),
        (99999.0, "1.00e+05"),
        (1e5, "1.00e+05"),
        (1.2345e9, "1.23e+09"),
        (-4.8e-11, "-4.80e-11"),
        (5e-324, "4.94e-324"),
        (NAN, "not defined"),
        (INF, "infinity"),
        (-INF, "-infinity"),
    ],
)
def test_numbers_as_written(x, shown):
    assert format_number(x) == shown
    assert format_value(quantity(x)) == shown


def test_exact_whole_numbers_have_no_digits_after_the_point():
    exact = quantity(512, 512, 512, interval="exact")
    assert (format_value(exact), format_interval(exact)) == ("512", "exact")
    assert format_value(quantity(99999, 99999, 99999, interval="")) == "99999"
    # Ends that meet are not enough: the bootstrap of stimuli that are all alike has such too.
    alike = quantity(1.0, 1.0, 1.0)
    assert (format_value(alike), format_interval(alike)) == ("1.000", "[1.000, 1.000]")


@pytest.mark.parametrize(
    ("low", "high", "shown"),
    [
        (48.9051, 49.5217, "[48.91, 49.52]"),
        (NAN, NAN, "not known"),
        (NAN, 3.0, "[not known, 3.000]"),
        (12.1, INF, "[12.10, infinity]"),
        (-INF, INF, "[-infinity, infinity]"),
        (2.4612e11, 2.4636e11, "[2.461e+11, 2.464e+11]"),
        (0.912301, 0.912309, "[0.91230, 0.91231]"),
    ],
)
def test_intervals_as_written(low, high, shown):
    assert format_interval(quantity(1.5, low, high)) == shown


@given(any_number)
def test_what_is_written_can_be_read(x):
    found = read(format_number(x))
    if math.isfinite(x):
        # Half of the last of four digits, or of three; numbers below 1e-307 have fewer.
        tolerance = 5.001e-4 if 1e-4 <= abs(x) < 9.9995e4 else 5.001e-3
        assert found == pytest.approx(x, rel=tolerance, abs=1e-323)
        assert format_number(found) == format_number(x)
    else:
        assert repr(found) == repr(x)


@given(finite, finite)
def test_order_is_kept(x, y):
    low, high = sorted((x, y))
    assert read(format_number(low)) <= read(format_number(high))


@given(any_number, any_number, any_number)
def test_the_ends_of_an_interval_do_not_look_alike_unless_they_nearly_are(value, low, high):
    shown = format_interval(quantity(value, low, high))
    if shown.startswith("["):
        ends = shown[1:-1].split(", ")
        if ends[0] == ends[1] and math.isfinite(low):
            assert low == pytest.approx(high, rel=2e-6)


@given(any_number, st.sampled_from(["J", "W", "J per stimulus", "W/neuron"]))
def test_prefixes_do_not_change_the_number(x, unit):
    parser = parsed(f"<td>{format_value_html(quantity(x, unit=unit))}</td>")
    words = parser.text.replace("\xa0", " ")
    if not math.isfinite(x):
        assert repr(read(words.removesuffix(unit))) == repr(x)
        assert parser.numbers == []
        return
    assert parser.numbers == [x]
    shown, _, shown_unit = re.fullmatch(r"(.*?) (\S?)((?:J|W).*)", words).groups()
    prefix = words[len(shown) + 1 : -len(unit)]
    assert shown_unit == unit
    assert read(shown) * 10.0 ** PREFIXES[prefix] == pytest.approx(x, rel=5.001e-3, abs=1e-323)
    if 1e-18 <= abs(x) < 9.9995e11:
        assert 1 <= abs(read(shown)) < 1000


@pytest.mark.parametrize("unit", ["Hz", "spikes", "nats", "Joules", "ATP", "", "%"])
def test_other_units_have_no_prefix(unit):
    shown = parsed(format_value_html(quantity(4.8e-11, unit=unit))).text
    minus = "\N{MINUS SIGN}"
    assert shown.replace("\xa0", " ") == f"4.80 {TIMES} 10^{minus}11 {unit}".strip()


def test_an_interval_is_in_the_unit_of_its_value():
    cost = quantity(9.98e-10, 9.7e-10, 1.02e-9, "J")
    assert parsed(format_value_html(cost)).text == "0.9980\xa0nJ"
    assert parsed(format_interval_html(cost)).text == "[0.9700, 1.020]"


@given(any_number)
def test_html_and_text_say_the_same(x):
    shown = parsed(format_number_html(x)).text.replace("\xa0", " ")
    assert repr(read(shown)) == repr(read(format_number(x)))


# Pages


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
    for quantity in example.quantities:
        stored = data["quantities"][quantity.key]
        for field in dataclasses.fields(Quantity):
            if field.name != "key":
                value = getattr(quantity, field.name)
                is_number = isinstance(value, str) or math.isfinite(value)
                assert stored[field.name] == (value if is_number else None)
        assert stored["text"] == f"{format_value(quantity)} {format_interval(quantity)}"
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


# Figures


def drawn(**style) -> Figure:
    with report_style():
        figure = Figure()
        ax = figure.subplots()
        for name in ("C0", "C1", "C2", "C3"):
            ax.plot([0, 1], [0, 1], color=name)
        ax.axvspan(0, 1, color="band")
        ax.axhline(0.5, color="faint")
        ax.axvline(0.5, color="k", clip_on=True)
        ax.text(0.5, 0.5, "in ink", color="ink")
        ax.text(0.2, 0.5, "in black", color="black")
        ax.imshow(np.eye(2), aspect="auto", extent=(0, 1, 0, 1))
        ax.set_title("a title & <more>")
        ax.set_xlabel("$10^{-3}$")
    return figure


def embedded(figure: Figure, prefix="a") -> ET.Element:
    return ET.fromstring(embed_figure(figure, prefix=prefix, title="Title", description="Words"))


def test_colours_become_those_of_the_page():
    text = embed_figure(drawn(), prefix="a", title="", description="")
    for name, (light, _) in COLOURS.items():
        assert light not in text
        assert (f"var(--{name})" in text) == (name != "paper")
    assert "#000000" not in text
    # Nothing is drawn behind the figure.
    assert "#ffffff" not in text


def test_text_stays_text_in_the_font_of_the_page():
    root = embedded(drawn())
    texts = ["".join(text.itertext()) for text in root.iter("text")]
    assert {"a title & <more>", "in ink", "in black"} <= set(texts)
    for group in root.iter("g"):
        for text in group.findall("text"):
            style = f"{group.get('style', '')}; {text.get('style', '')}"
            assert re.findall(r"fill: ([^;]+)", style)[-1] == "var(--ink)"
            # Signs of a formula stand where matplotlib's font needs them.
            formula = " ".join(sign.get("style") for sign in text)
            assert "var(--font)" in (formula or style)
            assert ("DejaVu" in formula) == bool(formula)
            assert "DejaVu" not in style


def test_a_figure_has_a_name_and_a_description_and_no_size_of_its_own():
    root = embedded(drawn(), prefix="chart-7")
    assert root.get("role") == "img"
    assert root.find("title").text == "Title"
    assert root.find("desc").text == "Words"
    assert root.get("aria-labelledby") == root.find("title").get("id") == "chart-7-title"
    assert root.get("aria-describedby") == root.find("desc").get("id")
    assert root.get("viewBox") == "0 0 374.4 259.2"
    assert root.get("width") is None
    assert root.get("height") is None
    assert root.find(".//metadata") is None
    # It would apply to the whole page; the element itself says what was in it.
    assert root.find(".//style") is None
    assert root.get("style").endswith("stroke-linejoin: round; stroke-linecap: butt")


def test_ids_begin_with_the_prefix_and_references_follow():
    root = embedded(drawn(), prefix="b")
    ids = {element.get("id") for element in root.iter() if element.get("id")}
    assert all(name.startswith("b-") for name in ids)
    text = ET.tostring(root, encoding="unicode")
    targets = set(re.findall(r"url\(#([^)]+)\)", text)) | set(re.findall(r'href="#([^"]+)"', text))
    assert len(targets) >= 3
    assert targets <= ids


def test_style_is_said_once_for_many_marks():
    with report_style():
        figure = Figure()
        figure.subplots().plot(range(9), "o")
    (group,) = (group for group in embedded(figure).iter("g") if len(group.findall("use")) == 9)
    assert "fill: var(--series-1)" in group.get("style")
    assert not any("style" in mark.attrib for mark in group)


def test_the_opacity_of_marks_is_not_that_of_their_group():
    """Where marks overlap, the one is another picture than the other."""
    group = ET.fromstring('<g><use style="opacity: 0.5" /><use style="opacity: 0.5" /></g>')
    before = ET.tostring(group)
    svg_module._share_style(group)
    assert ET.tostring(group) == before


def test_images_are_inside_as_they_were_and_keep_their_pixels():
    root = embedded(drawn())
    (image,) = root.iter("image")
    assert (image.get("width"), image.get("height")) == ("2", "2")
    assert image.get("href").startswith("data:image/png;base64,")
    assert "image-rendering: pixelated" in image.get("style")


def test_embedding_twice_gives_the_same():
    figure = drawn()
    once, again = (embed_figure(figure, prefix="a", title="", description="") for _ in range(2))
    another = embed_figure(drawn(), prefix="a", title="", description="")
    assert once == again == another


def test_links_of_a_figure_do_not_leave_it():
    with report_style():
        figure = Figure()
        figure.subplots().scatter([0, 1], [0, 1]).set_urls(["javascript:alert(1)", "http://a.org"])
    assert "alert" not in embed_figure(figure, prefix="a", title="", description="")


def test_the_style_is_gone_afterwards():
    before, names = dict(matplotlib.rcParams), dict(get_named_colors_mapping())
    with report_style():
        assert to_hex("ink") == COLOURS["ink"][0]
        assert to_hex("C3") == COLOURS["series-4"][0]
        with report_style():
            pass
        assert to_hex("band") == COLOURS["band"][0]
    assert dict(matplotlib.rcParams) == before
    assert dict(get_named_colors_mapping()) == names
    with pytest.raises(ValueError, match="ink"):
        to_hex("ink")


def test_settings_of_the_user_do_not_show():
    with matplotlib.rc_context({"axes.grid": True, "font.size": 30, "lines.linewidth": 9}):
        changed = embed_figure(drawn(), prefix="a", title="", description="")
    assert changed == embed_figure(drawn(), prefix="a", title="", description="")


def test_a_figure_with_a_background_is_refused():
    with matplotlib.rc_context({"figure.facecolor": "white"}):
        figure = Figure()
    with pytest.raises(ValueError, match="within report_style"):
        embed_figure(figure, prefix="a", title="", description="")


@pytest.mark.parametrize("prefix", ["", "1", "a b", "é", 'a"'])
def test_a_prefix_that_cannot_begin_an_id_is_refused(prefix):
    with pytest.raises(ValueError, match="chart-1"):
        embed_figure(drawn(), prefix=prefix, title="", description="")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_data_can_be_told_from_paper_and_band(scheme):
    of = {name: pair[scheme == "dark"] for name, pair in COLOURS.items()}
    for name in of:
        if name.startswith("series") or name == "faint":
            assert contrast(of[name], of["paper"]) >= 3, name
    for name in ("ink", "faint"):
        assert contrast(of[name], of["band"]) >= 4.5, name


# Colours as dichromats see them, in linear RGB.
# Machado, Oliveira and Fernandes (2009), IEEE Trans. Vis. Comput. Graph. 15:1291.
DICHROMATS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("who", DICHROMATS)
def test_series_can_be_told_apart_by_all(who, scheme):
    """Ten of CIEDE2000's units apart; the colours of Okabe and Ito come to twelve."""
    series = [pair[scheme == "dark"] for name, pair in COLOURS.items() if "series" in name]
    rgb = np.array([to_rgb(colour) for colour in series])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(DICHROMATS[who]), 0, 1)
    lab = xyz2lab(seen @ xyz_from_rgb.T)
    apart = deltaE_ciede2000(lab[:, None], lab[None])
    assert apart[np.triu_indices(len(series), 1)].min() > 10


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


# Files


def test_both_files_are_written(example, tmp_path):
    html_path, json_path = write_report(example, tmp_path / "report.html")
    assert sorted(tmp_path.iterdir()) == [html_path, json_path]
    assert json_path == tmp_path / "report.json"
    html = html_path.read_bytes().decode("utf-8")
    assert html == render_html(example, "report.json")
    assert json.loads(json_path.read_bytes()) == page_json(example)


def test_a_json_elsewhere_is_not_linked(tmp_path):
    (tmp_path / "there").mkdir()
    write_report(minimal_page(), tmp_path / "a.html", json_path=tmp_path / "there" / "a.json")
    assert "./a.json" not in (tmp_path / "a.html").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "there" / "a.json").read_bytes())["title"] == "Title"


@pytest.mark.parametrize("existing", ["a.html", "a.json"])
def test_neither_is_written_where_one_exists(tmp_path, monkeypatch, existing):
    (tmp_path / existing).write_text("old")
    with monkeypatch.context() as patch:
        # It is found out before the work.
        patch.setattr(files_module, "render_html", lambda *_: pytest.fail("rendered"))
        with pytest.raises(FileExistsError, match=existing):
            write_report(minimal_page(), tmp_path / "a.html")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(existing, "old")]
    write_report(minimal_page(), tmp_path / "a.html", force=True)
    assert len(list(tmp_path.iterdir())) == 2
    assert (tmp_path / existing).read_text() != "old"


def test_neither_is_written_where_one_cannot_be(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_report(minimal_page(), tmp_path / "a.html", json_path=tmp_path / "no" / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_the_page_and_its_json_are_two_files(tmp_path):
    with pytest.raises(ValueError, match="two files"):
        write_report(minimal_page(), tmp_path / "a.json")
    assert list(tmp_path.iterdir()) == []


def test_an_error_half_way_leaves_the_old_files(tmp_path, monkeypatch):
    for name in ("a.html", "a.json"):
        (tmp_path / name).write_text("old")
    monkeypatch.setattr(files_module, "render_html", lambda *_: "half a character \ud800")
    with pytest.raises(UnicodeEncodeError):
        write_report(minimal_page(), tmp_path / "a.html", force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json"]
    assert all(path.read_text() == "old" for path in tmp_path.iterdir())


def test_templates_are_in_the_package():
    folder = importlib.resources.files("pvae_brian.report.page") / "templates"
    names = {path.name for path in folder.iterdir()}
    assert {"report.html.j2", "report.css"} <= names
