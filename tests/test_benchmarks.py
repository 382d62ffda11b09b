"""The benchmarks run; their speed is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


@pytest.mark.slow
def test_the_benchmarks_run(tmp_path):
    result = subprocess.run(
        [
            sys.executable,
            BENCHMARKS / "run.py",
            *("--quick", "--no-scaling", "--only", "poisson", "sampler", "numpy-times", "nest"),
            *("--nest-python", "no-such-python", "--json", tmp_path / "report.json"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr
    assert "ours, numpy, times" in result.stdout
    # What is missing is skipped with a word.
    assert "no-such-python" in result.stdout + result.stderr
    methods = json.loads((tmp_path / "report.json").read_text())["methods"]
    assert {"poisson", "sampler", "numpy-times"} <= methods.keys()
