"""Figures of a page: text stays text, and colours follow the page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import get_named_colors_mapping, to_hex
from matplotlib.figure import Figure

from pvae_brian.report.page import svg as svg_module
from pvae_brian.report.page.svg import COLOURS, embed_figure, report_style


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
    assert root.get("viewBox") == "0 0 352.8 259.2"
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
