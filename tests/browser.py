"""A real browser for tests of pages: Debian's Chromium without a window, driven by Playwright."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium")

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

_ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclasses.dataclass
class Visit:
    """A page that is open, and what it said and asked for since it was opened."""

    page: object
    messages: list[str] = dataclasses.field(default_factory=list)
    requests: list[str] = dataclasses.field(default_factory=list)

    def run(self, script: str) -> object:
        return self.page.evaluate(script)


@contextlib.contextmanager
def launched() -> Iterator[object]:
    """A browser with an empty profile that is thrown away."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="no playwright in this Python")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def opened(
    browser, path: Path, *, width: int = 1280, scheme: str = "light", media: str = "screen"
) -> Iterator[Visit]:
    """Open a file in a window of its own."""
    context = browser.new_context(
        viewport={"width": width, "height": 844}, color_scheme=scheme, reduced_motion="reduce"
    )
    try:
        page = context.new_page()
        page.emulate_media(media=media, color_scheme=scheme)
        visit = Visit(page)
        page.on("console", lambda message: visit.messages.append(message.text))
        page.on("pageerror", lambda error: visit.messages.append(str(error)))
        page.on("request", lambda request: visit.requests.append(request.url))
        page.goto(path.as_uri())
        yield visit
    finally:
        context.close()


def too_wide(visit: Visit) -> list[str]:
    """What stands out of the window to the right or left, but for what is in a box to scroll in."""
    return visit.run(
        """() => {
          const width = document.documentElement.clientWidth, found = [];
          if (document.documentElement.scrollWidth > width) found.push("the page");
          for (const element of document.querySelectorAll("main *")) {
            if (element.closest("svg") || element.closest("thead")) continue;
            let parent = element.parentElement, scrolls = false;
            for (; parent; parent = parent.parentElement)
              scrolls ||= ["auto", "scroll"].includes(getComputedStyle(parent).overflowX);
            const box = element.getBoundingClientRect();
            if (!scrolls && (box.right > width + 0.5 || box.left < -0.5))
              found.push(element.outerHTML.slice(0, 80));
          }
          return found;
        }"""
    )


def text_contrasts(visit: Visit) -> list[tuple[float, str]]:
    """Contrast of every piece of text with what is behind it, as WCAG 2.2 defines it."""
    found = visit.run(
        """() => {
          const found = [];
          const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
          while (walk.nextNode()) {
            const text = walk.currentNode.textContent.trim();
            const element = walk.currentNode.parentElement;
            if (!text || ["SCRIPT", "STYLE", "title", "desc"].includes(element.tagName)) continue;
            const style = getComputedStyle(element);
            let behind = element;
            while (behind && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)")
              behind = behind.parentElement;
            const colour = element.closest("svg") ? style.fill : style.color;
            found.push([colour, getComputedStyle(behind).backgroundColor, style.opacity, text]);
          }
          return found;
        }"""
    )
    assert all(opacity == "1" for _, _, opacity, _ in found)
    return [(contrast(ink, paper), text) for ink, paper, _, text in found]


def contrast(ink: str, paper: str) -> float:
    """Contrast of two opaque colours, each as the browser writes it or in hexadecimal digits."""
    lighter, darker = sorted((_luminance(ink), _luminance(paper)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    if colour.startswith("#"):
        channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    else:
        match = re.fullmatch(r"rgb\((\d+), (\d+), (\d+)\)", colour)
        assert match, f"not an opaque colour: {colour}"
        channels = [int(channel) for channel in match.groups()]
    linear = [
        c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4
        for c in channels
    ]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
