r"""Formulas as MathML, converted while the pages are built.

Sphinx's own choices are MathJax, which each reader's browser fetches from another site, and
pictures, which need LaTeX to build. Browsers draw MathML themselves, docutils converts to it
without help, and a formula that it cannot convert is a warning with its place, so that
``sphinx -W`` fails. It knows no ``\begin{align}``; neither does GitHub outside of ``$$``. Write
``\begin{aligned}`` within ``$$``, and sized brackets as a pair: ``\Bigl(`` and ``\Bigr)``.
"""

from __future__ import annotations

import re

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.writers.html5 import HTML5Translator

_LOGGER = logging.getLogger(__name__)

# TeX puts a thin space after the name of a function, unless a bracket follows. docutils leaves it
# to the browser, and Chromium puts none.
_APPLIED = re.compile(r"<mo>&ApplyFunction;</mo>(?!\s*<mo[^>]*>[(\[{|])")
_THIN_SPACE = '<mspace width="0.1667em"></mspace>'


def visit_math(translator: HTML5Translator, node: nodes.math) -> None:
    translator.body.append(_as_mathml(node, as_block=False))
    raise nodes.SkipNode


def visit_math_block(translator: HTML5Translator, node: nodes.math_block) -> None:
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    translator.body.append(_as_mathml(node, as_block=True))
    translator.body.append("</div>\n")
    raise nodes.SkipNode


def _as_mathml(node: nodes.math | nodes.math_block, *, as_block: bool) -> str:
    try:
        converted = tex2mathml(node.astext(), as_block=as_block)
    except MathError as error:
        _LOGGER.warning("formula %r: %s", node.astext(), error, location=node)
        return ""
    return _APPLIED.sub(rf"\g<0>{_THIN_SPACE}", converted)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
