"""Marks that several test modules use."""

import importlib.util
import shutil

import pytest

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="no C++ compiler on this machine",
)

# The gate runs tests that need no torch on all versions of Python: see .ci/without-torch.txt.
needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)

# Devices of `simulate`.
COMPILED = pytest.param("cpp_standalone", marks=needs_compiler)
TARGETS = ["numpy", pytest.param("cython", marks=needs_compiler), COMPILED]
