"""The report in a real browser: nothing leaves it, all of it can be read, seen or not."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from pvae_brian.report.page import write_report
from pvae_brian.report.page.svg import COLOURS, embed_figure, report_style

from .browser import contrast, launched, needs_chromium, opened, text_contrasts, too_wide
from .report_example import example_charts, example_page, hostile_page

pytestmark = [needs_chromium, pytest.mark.slow]

PAGES = ["example", "hostile"]


@pytest.fixture(scope="module")
def browser():
    with launched() as browser:
        yield browser


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    pages = {"example": example_page(), "hostile": hostile_page()}
    return {name: write_report(page, folder / f"{name}.html")[0] for name, page in pages.items()}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_complaint_and_no_request_but_for_the_page(browser, files, name, scheme):
    with opened(browser, files[name], scheme=scheme) as visit:
        visit.page.wait_for_load_state("networkidle")
        assert visit.messages == []
        outside = [url for url in visit.requests if not url.startswith("data:")]
        assert outside == [files[name].as_uri()]


def test_a_page_that_asks_for_more_is_found_out(browser, files, tmp_path):
    """The check above can fail: a script and an image from elsewhere are seen, and blocked."""
    html = files["example"].read_text(encoding="utf-8")
    path = tmp_path / "changed.html"
    extra = '<script>alert(1)</script><img alt="" src="http://localhost:9/x.png">'
    path.write_text(html.replace("</main>", f"{extra}</main>"), encoding="utf-8")
    with opened(browser, path) as visit:
        assert len(visit.messages) == 2
        assert all("Content Security Policy" in message for message in visit.messages)
        assert "http://localhost:9/x.png" in visit.requests


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [320, 390, 720, 1280])
def test_nothing_stands_out_of_the_window(browser, files, name, width):
    with opened(browser, files[name], width=width) as visit:
        assert too_wide(visit) == []


def test_what_is_too_wide_can_be_scrolled_with_the_keyboard(browser, files):
    with opened(browser, files["example"], width=390) as visit:
        boxes = visit.run(
            """() => [...document.querySelectorAll(".scroll")].map(box => [
                box.scrollWidth > box.clientWidth, box.tabIndex, box.getAttribute("role"),
                document.getElementById(box.getAttribute("aria-labelledby"))?.textContent ?? ""
            ])"""
        )
        scrolling = [box for box in boxes if box[0]]
        assert len(scrolling) >= 2
        for _, tab_index, role, label in scrolling:
            assert (tab_index, role) == (0, "region")
            assert label
        wide = visit.page.locator("figure.wide .scroll")
        wide.focus()
        visit.page.keyboard.press("ArrowRight")
        visit.page.wait_for_function("document.querySelector('figure.wide .scroll').scrollLeft > 0")


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_all_text_has_enough_contrast(browser, files, name, width, scheme):
    with opened(browser, files[name], width=width, scheme=scheme) as visit:
        found = text_contrasts(visit)
        assert len(found) > 200
        assert [pair for pair in found if pair[0] < 4.5] == []
        background = visit.run("getComputedStyle(document.body).backgroundColor")
        light, dark = COLOURS["paper"]
        assert contrast(background, light if scheme == "light" else dark) == 1


def test_text_in_charts_is_large_enough_on_a_phone(browser, files):
    """Ten pixels for most of it; a narrower phone scrolls instead."""
    for width in (320, 390):
        with opened(browser, files["example"], width=width) as visit:
            sizes = visit.run(
                """() => [...document.querySelectorAll("svg.chart text")].map(text => {
                    const scale = text.closest("svg").getScreenCTM().a;
                    return parseFloat(getComputedStyle(text).fontSize) * scale;
                })"""
            )
            assert len(sizes) > 40
            assert np.median(sizes) >= 10
            assert max(sizes) > 11


@pytest.mark.parametrize("name", PAGES)
def test_ids_are_unique_and_references_lead_somewhere(browser, files, name):
    with opened(browser, files[name]) as visit:
        ids = visit.run("[...document.querySelectorAll('[id]')].map(element => element.id)")
        assert len(ids) == len(set(ids))
        assert set(_references(visit)) <= set(ids)


def _references(visit):
    html = visit.run("document.documentElement.outerHTML.replace(/<script[^]*<.script>/g, '')")
    yield from re.findall(r'href="#([^"]+)"', html)
    yield from re.findall(r"url\([\"']?(?:&quot;)?#([^)\"'&]+)", html)
    for names in re.findall(r'aria-(?:labelledby|describedby)="([^"]+)"', html):
        yield from names.split()


@pytest.mark.parametrize("width", [390, 1280])
def test_those_who_hear_the_page_get_all_of_it(browser, files, width):
    """What the browser tells a screen reader: names and descriptions of charts, rows and cells."""
    page = example_page()
    with opened(browser, files["example"], width=width) as visit:
        session = visit.page.context.new_cdp_session(visit.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    told = [
        tuple(node.get(key, {}).get("value", "") for key in ("role", "name", "description"))
        for node in nodes
        if not node.get("ignored")
    ]
    # They come level by level, not in the order of the page.
    charts = {node[1:] for node in told if node[0] == "image"}
    assert charts == {(chart.title, chart.alt) for chart in page.charts}
    headers = [name for role, name, _ in told if role == "rowheader"]
    assert all(quantity.name in headers for quantity in page.quantities)
    assert all(assumption.statement in headers for assumption in page.assumptions)
    columns = {name for role, name, _ in told if role == "columnheader"}
    assert {"Quantity", "Value", "95 % interval", "Grade", "spike (ATP)"} <= columns
    cells = {name for role, name, _ in told if role in ("cell", "gridcell")}
    assert {"49.21 spikes", "[48.91, 49.52]", "Garwood"} <= {
        name.replace("\xa0", " ") for name in cells
    }
    regions = [name for role, name, _ in told if role == "region"]
    assert "Cost by budget" in regions
    assert [role for role, _, _ in told].count("main") == 1
    headings = {name for role, name, _ in told if role == "heading"}
    assert {page.title, "Before you trust these numbers", page.charts[0].title} <= headings


@pytest.mark.parametrize("name", PAGES)
def test_print_is_light_fits_and_cuts_nothing(browser, files, name):
    # A4 between margins of 16 mm is 178 mm wide.
    with opened(browser, files[name], width=672, scheme="dark", media="print") as visit:
        assert too_wide(visit) == []
        boxes = visit.run(
            """() => [...document.querySelectorAll(".scroll")].map(
                box => box.scrollWidth - box.clientWidth)"""
        )
        assert max(boxes) <= 1
        assert visit.run("getComputedStyle(document.body).color") == "rgb(26, 29, 33)"
        assert visit.run("getComputedStyle(document.querySelector('nav')).display") == "none"
        broken = visit.run(
            """() => [...document.querySelectorAll("figure, tr")].filter(
                part => getComputedStyle(part).breakInside !== "avoid").length"""
        )
        assert broken == 0
    with opened(browser, files[name], scheme="dark") as visit:
        pdf = visit.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF-")
    n_pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 3 <= n_pages <= (10 if name == "example" else 60)


# Figures


def page_of(svg: str, colours: dict[str, str], width: int) -> str:
    variables = "".join(f"--{name}:{colour};" for name, colour in colours.items())
    return (
        f"<!doctype html><style>:root{{{variables}--font:'DejaVu Sans'}}"
        f"body{{margin:0;background:{colours['paper']}}}"
        f"svg{{display:block;width:{width}px;height:auto}}</style>{svg}"
    )


def picture(browser, html: str, path) -> np.ndarray:
    path.write_text(html, encoding="utf-8")
    with opened(browser, path, width=700) as visit:
        png = visit.page.locator("svg").screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


@pytest.mark.parametrize("index", range(5))
def test_an_embedded_figure_looks_as_matplotlib_drew_it(browser, tmp_path, index):
    """Pixel by pixel against matplotlib's own SVG in the same browser."""
    chart = example_charts()[index]
    svg = embed_figure(chart.figure, prefix="a", title="", description="")
    own = io.StringIO()
    with report_style():
        chart.figure.savefig(own, format="svg", dpi=288)
    light = {name: pair[0] for name, pair in COLOURS.items()}
    expected = picture(
        browser, page_of(own.getvalue().partition("?>")[2], light, 600), tmp_path / "own.html"
    )
    found = picture(browser, page_of(svg, light, 600), tmp_path / "embedded.html")
    assert found.shape == expected.shape
    assert expected.std() > 10
    # Digits that were left out move an edge by a hundredth of a pixel, and a letter by a quarter.
    differs = np.abs(found - expected).max(axis=2)
    assert (differs > 40).mean() < 2e-3
    assert (differs > 80).mean() < 1e-4


def test_a_figure_follows_the_scheme(browser, tmp_path):
    """Where the light one is paper the dark one is; its darkest pixels become the lightest."""
    chart = example_charts()[0]
    svg = embed_figure(chart.figure, prefix="a", title="", description="")
    light, dark = (
        picture(
            browser,
            page_of(svg, {name: pair[i] for name, pair in COLOURS.items()}, 600),
            tmp_path / f"{i}.html",
        ).mean(axis=2)
        for i in (0, 1)
    )
    assert np.median(light) > 250
    assert np.median(dark) < 30
    assert dark[light < 60].min() > 150
