"""Type checkers know the public names as users have them: installed, with what they return."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pvae_brian

PACKAGE = Path(pvae_brian.__file__).parent

# As a user would write it; what a function returns must be known, and not be Any.
PROGRAM = """
from typing import assert_type

import numpy as np
import torch
from brian2 import second

import pvae_brian as pb
from pvae_brian.data import shipped_model, shipped_patches

encoder = pb.load_encoder(shipped_model())
assert_type(encoder, pb.Encoder | pb.GaussianEncoder)
assert_type(encoder.n_latents, int)
images = shipped_patches()
assert_type(images, np.ndarray)
rates = encoder.posterior_rates(images)
assert_type(rates, np.ndarray)
assert_type(pb.Encoder.from_module(torch.nn.Flatten(), [0.0], image_shape=(1,)), pb.Encoder)

record = pb.simulate(rates, window=1 * second, seed=1, neuron=pb.Refractory(absolute=0.1 * second))
assert_type(record, pb.SpikeRecord)
assert_type(record.counts, np.ndarray)
assert_type(record.spikes, pb.SpikeTimes)
assert_type(record.psth(0.1 * second), pb.Psth)
assert_type(pb.SpikeRecord.load("record.npz"), pb.SpikeRecord)

comparison = pb.compare(encoder, images, record)
assert_type(comparison, pb.Comparison)
assert_type(comparison.prior.ratio, pb.Estimate[float])
assert_type(comparison.prior.ratio_per_neuron.value, np.ndarray)

cost = pb.metabolic_cost(record, budget="howarth-2012")
assert_type(cost, pb.MetabolicCost)
assert_type(cost.total_per_stimulus.value, float)
assert_type(pb.compare_costs(comparison, cost), pb.CostComparison)
assert_type(pb.analyse(encoder, images, record), pb.Analysis)

neurons = pb.convert(encoder, images, window=1 * second)
assert_type(neurons, pb.LatentNeurons)
assert_type(neurons.counts, np.ndarray)

model = pb.PoissonVAE.from_config(pb.PoissonVAEConfig(n_inputs=16, n_latents=8))
assert_type(model, pb.PoissonVAE)
assert_type(pb.train(model, images), pb.TrainingRecord)
assert_type(pb.sweep.run("study", preset="quick"), pb.sweep.Sweep)
"""

# Each line has one mistake.
MISTAKES = """
import pvae_brian as pb

pb.simulate([[1.0]], n_steps="100")
pb.simulate([[1.0]], steps=100)
pb.simulate([[1.0]]).count
pb.no_such_name
pb.load_encoder("model.pt").posterior_rates()
"""


def check(program: str, folder: Path) -> subprocess.CompletedProcess:
    """Run mypy on a program beside an installed copy of the package, and of nothing else."""
    (folder / "program.py").write_text(program)
    return subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull),
            # Brian2 has no types: with those that it could have, ours would still be right.
            *("--disable-error-code", "import-untyped", "--cache-dir", folder / "cache"),
            "program.py",
        ],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder / "installed")},
    )


@pytest.fixture
def installed(tmp_path) -> Path:
    """Put the package where mypy takes it for an installed one, which needs the file py.typed."""
    shutil.copytree(
        PACKAGE,
        tmp_path / "installed" / "pvae_brian",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return tmp_path


@pytest.mark.slow
def test_users_see_the_types_of_all_public_functions(installed):
    result = check(PROGRAM, installed)
    assert result.returncode == 0, result.stdout + result.stderr
    # With the same cache, for mypy takes its time with torch.
    result = check(MISTAKES, installed)
    found = {int(line.split(":")[1]) for line in result.stdout.splitlines() if ": error:" in line}
    assert found == set(range(4, 9)), result.stdout + result.stderr


def test_without_its_marker_the_package_has_no_types(installed):
    (installed / "installed" / "pvae_brian" / "py.typed").unlink()
    result = check("import pvae_brian as pb\nreveal_type(pb.simulate)\n", installed)
    assert 'Revealed type is "Any"' in result.stdout, result.stdout + result.stderr
