"""How Sphinx builds these pages: ``python -m sphinx -W --keep-going -b html docs OUT``.

That runs all examples; ``-D plot_gallery=0`` leaves them unrun, for a quick look.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from pathlib import Path

# Before numpy and torch load: small jobs gain nothing from more threads, which wait for each other
# on a busy machine, and numbers in the pages do not depend on how many there are.
os.environ.setdefault("OMP_NUM_THREADS", "1")

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
    "sphinx_gallery.gen_gallery",
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

# Examples are run here, and nowhere else in the tests: an error in one ends the build.
sphinx_gallery_conf = {
    "examples_dirs": str(_HERE.parent / "examples"),
    "gallery_dirs": "gallery",
    "filename_pattern": "",
    "abort_on_example_error": True,
    "within_subsection_order": "gallery.LearningOrder",
    "reset_modules": ("matplotlib", "gallery.reset"),
    # What an example prints is shown, not what its last line happens to return.
    "capture_repr": (),
    "image_srcset": ["2x"],
    # Nobody has run the notebooks that would be made of examples.
    "notebook_extensions": set(),
    "download_all_examples": False,
    "show_signature": False,
    # That page takes scripts from the network; each example says itself how long it took.
    "write_computation_times": False,
}
