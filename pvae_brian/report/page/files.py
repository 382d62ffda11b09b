"""A page and its JSON as two files."""

from __future__ import annotations

import json
import os
from pathlib import Path

from pvae_brian._files import check_writable, write_whole
from pvae_brian.report.page.data import page_json
from pvae_brian.report.page.html import render_html
from pvae_brian.report.page.parts import Page


def write_report(
    page: Page,
    path: str | os.PathLike[str],
    *,
    json_path: str | os.PathLike[str] | None = None,
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
