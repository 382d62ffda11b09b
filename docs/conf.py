"""How Sphinx builds these pages: ``python -m sphinx -W --keep-going -b html docs OUT``."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

from numpydoc.xref import DEFAULT_LINKS

import pvae_brian

_HERE = Path(__file__).parent
sys.path.insert(0, str(_HERE / "_ext"))

project = "pvae_brian"
author = "The pvae_brian developers"
copyright = author
release = version = pvae_brian.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "numpydoc",
    "mathml",
    "cli_help",
    "outside_links",
]

# Markdown as GitHub shows it too.
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

html_theme = "furo"
html_title = "pvae_brian"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_copy_source = False
# Quotes stay as typed, for many stand around code.
smartquotes = False

# Single backticks in a docstring: a link if these pages have such a name, else code.
default_role = "py:obj"
toc_object_entries_show_parents = "hide"
# Signatures as written, types as in the docstring, a long one with a parameter per line.
autodoc_preserve_defaults = True
autodoc_typehints = "none"
python_maximum_signature_line_length = 80
# The methods come from autodoc, with all of their docstrings.
numpydoc_show_class_members = False

# Names in the types of parameters are links, wherever the class is documented. numpydoc's own links
# lead to other sites, whose lists of names are not fetched.
_PAGES = "\n".join(page.read_text(encoding="utf-8") for page in _HERE.glob("api/*.md"))
_NAMES = re.findall(r"^\.\. auto(?:class|exception):: (?:[\w.]+\.)?(\w+)", _PAGES, re.M)
for _module in re.findall(r"^\.\. automodule:: (\S+)", _PAGES, re.M):
    _NAMES += [name for name in importlib.import_module(_module).__all__ if name[0].isupper()]
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"
numpydoc_xref_aliases = {name: name for name in DEFAULT_LINKS} | {n: f".{n}" for n in _NAMES}
