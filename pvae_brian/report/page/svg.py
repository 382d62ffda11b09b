"""Matplotlib figures inside a page: text stays text, and colours follow the page's scheme."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET

from markupsafe import Markup
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from pvae_brian.report.page.style import COLOURS, LIGHT, REPORT_STYLE, report_style

__all__ = ["COLOURS", "REPORT_STYLE", "clean_text", "embed_figure", "report_style"]

_VARIABLES = {colour: f"var(--{name})" for name, colour in LIGHT.items()}
_BLACK = "#000000"
_HREF = "{http://www.w3.org/1999/xlink}href"
_SVG = "{http://www.w3.org/2000/svg}"
# What no XML document may hold, and lone halves of characters.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LOCAL_URL = re.compile(r"url\(#([^)]+)\)")
_DECIMAL = re.compile(r"-?\d+\.\d+")
_MOVES = re.compile(r"(?:translate|rotate)\([^)]*\)")
# These apply to a group as a whole, not to each mark in it.
_NOT_INHERITED = {"opacity", "clip-path"}


def embed_figure(figure: Figure, *, prefix: str, title: str, description: str) -> Markup:
    """Turn a figure into SVG to stand in an HTML page.

    Parameters
    ----------
    figure : Figure
        Made within `report_style`. Its layout is settled with this.
    prefix : str
        Begins every id within; another one for each figure of a page.
    title : str
        Name of the image for those who do not see it.
    description : str
        What they need to know of it, with its numbers.

    Returns
    -------
    Markup
        The same for the same figure, whenever it is made. Its colours are the variables
        ``--ink``, ``--series-1`` and so on of the page, its font ``--font``; its width in pixels,
        with text as large as in the figure, is ``--natural``.

    Raises
    ------
    ValueError
        If the figure has a background, or if the prefix cannot begin an id.

    Examples
    --------
    >>> with report_style():
    ...     figure = Figure()
    ...     line = figure.subplots().axhline(0, color="faint")
    >>> svg = embed_figure(figure, prefix="a", title="A line", description="At 0.")
    >>> "<title id=\\"a-title\\">A line</title>" in svg, "stroke: var(--faint)" in svg
    (True, True)
    """
    if not re.fullmatch(r"[A-Za-z][\w-]*", prefix, flags=re.ASCII):
        raise ValueError(
            f"prefix must be a letter and then letters, digits, - and _, got {prefix!r}; "
            "try 'chart-1'"
        )
    if to_hex(figure.get_facecolor(), keep_alpha=True)[-2:] != "00":
        raise ValueError(
            "a figure must have no background, to be read on light and dark pages, and this one "
            f"has {to_hex(figure.get_facecolor())}; make it within report_style()"
        )
    root = _as_svg(figure)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("metadata", "style"):
                parent.remove(child)
    for element in root.iter():
        _follow_the_page(element)
    for element in root.iter():
        _round(element)
        _share_style(element)
    _rename_ids(root, prefix)
    return Markup(ET.tostring(_with_title(root, prefix, title, description), encoding="unicode"))


def clean_text(text: str) -> str:
    """Put a mark in place of what no page may hold: control characters, halves of characters.

    Names of files have such.

    Examples
    --------
    >>> clean_text("a\\x00b")
    'a\ufffdb'
    """
    return _NOT_XML.sub("\ufffd", text)


def _as_svg(figure: Figure) -> ET.Element:
    file = io.StringIO()
    with report_style():
        figure.savefig(file, format="svg", dpi=REPORT_STYLE["savefig.dpi"], metadata={"Date": None})
    # A constrained layout moves a little each time it is made; the first one stays.
    figure.set_layout_engine("none")
    root = ET.fromstring(clean_text(file.getvalue()))
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        # Indentation.
        element.text, element.tail = (
            text and text.strip("\n ") for text in (element.text, element.tail)
        )
        # Of links only those within the figure, and images that are in it: the page is alone.
        target = element.attrib.pop(_HREF, "")
        if target.startswith(("#", "data:image/png;base64,")):
            element.set("href", target.replace("\n", ""))
    return root


def _follow_the_page(element: ET.Element) -> None:
    style = _declarations(element)
    for name in ("fill", "stroke", "stop-color"):
        if name in element.attrib:
            style.setdefault(name, element.attrib.pop(name))
        if style.get(name) in _VARIABLES:
            style[name] = _VARIABLES[style[name]]
    # Lines and text in black are meant to be seen; a black area may be a value of a colour map.
    if style.get("stroke") == _BLACK:
        style["stroke"] = "var(--ink)"
    if any(child.tag == "text" for child in element):
        style.setdefault("fill", "var(--ink)")
    if element.tag == "tspan":
        # A formula: its signs stand where this font, or one of the same widths, needs them.
        style["font-family"] = "'DejaVu Sans', Verdana, var(--font)"
    elif "font-family" in style:
        style["font-family"] = "var(--font)"
    elif "font" in style:
        # Before matplotlib 3.9 size and family are in one.
        style["font"] = style["font"].partition("px")[0] + "px var(--font)"
    if element.tag == "image":
        style["image-rendering"] = "pixelated"
    _set_declarations(element, style)


def _round(element: ET.Element) -> None:
    """Leave out digits below a hundredth of a point."""
    if element.tag == "image":
        return
    for name, part in (("d", _DECIMAL), ("x", _DECIMAL), ("y", _DECIMAL), ("transform", _MOVES)):
        if name in element.attrib:
            text = part.sub(lambda match: _DECIMAL.sub(_hundredths, match[0]), element.attrib[name])
            element.set(name, text)


def _share_style(group: ET.Element) -> None:
    """Say once what all marks of a group have in common; a raster has thousands."""
    if group.tag != "g" or len(group) < 2 or "style" in group.attrib:
        return
    styles = {mark.get("style") for mark in group}
    style = styles.pop()
    if styles or style is None or not _NOT_INHERITED.isdisjoint(_declarations(group[0])):
        return
    group.set("style", style)
    for mark in group:
        del mark.attrib["style"]


def _hundredths(match: re.Match[str]) -> str:
    text = f"{float(match[0]):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _rename_ids(root: ET.Element, prefix: str) -> None:
    """Number the ids that something refers to, and drop the others."""
    used: dict[str, str] = {}
    for element in root.iter():
        references = [old for value in element.attrib.values() for old in _LOCAL_URL.findall(value)]
        if (href := element.get("href", "")).startswith("#"):
            references.append(href[1:])
        for old in references:
            used.setdefault(old, f"{prefix}-{len(used) + 1}")
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id" and value not in used:
                del element.attrib[name]
            elif name == "id":
                element.set(name, used[value])
            elif name == "href" and value.startswith("#"):
                element.set(name, "#" + used[value[1:]])
            else:
                element.set(name, _LOCAL_URL.sub(lambda match: f"url(#{used[match[1]]})", value))


def _with_title(root: ET.Element, prefix: str, title: str, description: str) -> ET.Element:
    view_box = root.attrib["viewBox"]
    width = float(view_box.split()[2])
    svg = ET.Element(
        "svg",
        {
            "class": "chart",
            "role": "img",
            "aria-labelledby": f"{prefix}-title",
            "aria-describedby": f"{prefix}-description",
            "viewBox": view_box,
            # As in the style sheet that matplotlib puts in, which would apply to the whole page.
            "style": f"--natural: {width:g}; stroke-linejoin: round; stroke-linecap: butt",
        },
    )
    for tag, text in (("title", title), ("desc", description)):
        name = "title" if tag == "title" else "description"
        ET.SubElement(svg, tag, {"id": f"{prefix}-{name}"}).text = clean_text(text)
    svg.extend(root)
    return svg


def _declarations(element: ET.Element) -> dict[str, str]:
    pairs = (pair.partition(":") for pair in element.get("style", "").split(";"))
    return {name.strip(): value.strip() for name, _, value in pairs if name.strip()}


def _set_declarations(element: ET.Element, style: dict[str, str]) -> None:
    if style:
        element.set("style", "; ".join(f"{name}: {value}" for name, value in style.items()))
