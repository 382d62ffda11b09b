"""Marks that several test modules use."""

import shutil

import pytest

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None and shutil.which("clang++") is None,
    reason="no C++ compiler on this machine",
)

# Devices of `simulate`.
COMPILED = pytest.param("cpp_standalone", marks=needs_compiler)
TARGETS = ["numpy", pytest.param("cython", marks=needs_compiler), COMPILED]
