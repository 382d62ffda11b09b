"""Every example in a docstring runs, each in the module it stands in."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
from brian2 import prefs

import pvae_brian

MODULES = ["pvae_brian"] + [
    module.name for module in pkgutil.walk_packages(pvae_brian.__path__, "pvae_brian.")
]


# Not pytest's own --doctest-modules: importing brian2.tests, as Brian2 does, replaces its
# collector by one that fails on packages.
@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Cython would compile each group of a network for seconds.
    monkeypatch.setitem(prefs, "codegen.target", "numpy")
    result = doctest.testmod(
        importlib.import_module(name),
        optionflags=doctest.NORMALIZE_WHITESPACE,
    )
    assert result.failed == 0
