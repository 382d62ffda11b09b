"""Runs of modules of `torch.export.save`, with their log rates."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pvae_brian.runs import describe_provenance, load_run, save_run

from .exported_files import EXPORTED, save
from .images import noise
from .run_files import assert_is_run, make_small, npy_bytes, sha256, simulated
from .test_cli import run_process

pytestmark = EXPORTED


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_small(tmp_path_factory.mktemp("small"))


def test_with_log_rates_of_its_own(linear, tmp_path):
    checkpoint = Path(shutil.copy(linear, tmp_path / "encoder.pt2"))
    images, log_rate = noise((5, 6)), [0.1, -1.0, 2 / 3]
    options = {"log_rate": log_rate, "rate_clamp": 3.0}
    encoder, record = simulated(checkpoint, images, options)
    folder = save_run(tmp_path / "run", checkpoint, images, record, **options)
    checkpoint.unlink()
    run = load_run(folder)
    assert_is_run(run, encoder, images, record)
    assert sorted(os.listdir(folder / "model")) == ["encoder.pt2", "log_rate.npy"]
    assert np.load(folder / "model" / "log_rate.npy").tolist() == log_rate
    provenance = run.provenance
    assert provenance.model_sha256 == sha256(folder / "model" / "encoder.pt2")
    assert provenance.log_rate_sha256 == sha256(folder / "model" / "log_rate.npy")
    # As tensors too.
    tensor = torch.nn.Parameter(torch.tensor(log_rate, dtype=torch.float64))
    save_run(folder, linear, images, record, rate_clamp=3.0, log_rate=tensor, force=True)


class WithPrior(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.log_rate = torch.nn.Parameter(torch.tensor([0.1, -1.0]))
        self.map = torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.map(x)


def test_with_log_rates_in_the_file(tmp_path):
    checkpoint = save(WithPrior().eval(), torch.randn(5, 4), tmp_path / "encoder.pt2")
    images = noise((5, 4))
    encoder, record = simulated(checkpoint, images)
    folder = save_run(tmp_path / "run", checkpoint, images, record)
    assert_is_run(load_run(folder), encoder, images, record)
    assert os.listdir(folder / "model") == [checkpoint.name]
    assert load_run(folder).provenance.log_rate_sha256 is None


def test_a_missing_or_changed_log_rate(linear, tmp_path):
    images, options = noise((5, 6)), {"log_rate": np.zeros(3)}
    _, record = simulated(linear, images, options)
    folder = save_run(tmp_path / "run", linear, images, record, **options)
    np.save(folder / "model" / "log_rate.npy", np.ones(3))
    with pytest.raises(ValueError, match=r"log_rate\.npy is not the file that was saved"):
        load_run(folder)
    (folder / "model" / "log_rate.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"lacks its model/log_rate\.npy"):
        load_run(folder)


def test_provenance_without_a_run(linear, small):
    provenance = describe_provenance(small[2], model_path=linear, log_rate=[1, 2, 3])
    assert provenance.model_digests == {linear.name: sha256(linear)}
    told = hashlib.sha256(npy_bytes(np.array([1.0, 2.0, 3.0]))).hexdigest()
    assert provenance.log_rate_sha256 == told
    with pytest.raises(FileNotFoundError, match="no checkpoint at"):
        describe_provenance(small[2], model_path=linear.with_name("none.pt2"))


def test_log_rates_of_the_command_line_come_along(linear, tmp_path):
    np.save(tmp_path / "x.npy", noise((5, 6)))
    np.save(tmp_path / "rates.npy", np.array([0.5, -1.0, 0.0], dtype=np.float32))
    arguments = ("simulate", linear, "--images", "x.npy", "--log-rate", "rates.npy")
    run_process(*arguments, "--save-run", "run", cwd=tmp_path)
    os.remove(tmp_path / "rates.npy")
    run = load_run(tmp_path / "run")
    assert run.encoder.prior_rates == pytest.approx(np.exp([0.5, -1.0, 0.0]))
