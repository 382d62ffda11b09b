"""Links from a page to a Markdown file outside of ``docs``: the file is offered for download.

MyST does so by itself for other files, but takes Markdown for a page. GitHub follows both.
"""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

_LINK = re.compile(r"\]\(([^():#]+\.md)\)")


def point_at_files(app: Sphinx, page: str, source: list[str]) -> None:
    """Write ``path:`` before such links, which is MyST's word for a file."""
    folder = app.env.doc2path(page).parent

    def rewrite(link: re.Match) -> str:
        target = (folder / link[1]).resolve()
        is_outside = not target.is_relative_to(Path(app.srcdir).resolve())
        return f"](path:{link[1]})" if is_outside and target.is_file() else link[0]

    source[0] = _LINK.sub(rewrite, source[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", point_at_files)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
