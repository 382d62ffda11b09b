"""Exported modules that several test modules read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from .exported_files import make, save


@pytest.fixture(scope="session")
def exported(tmp_path_factory) -> Callable[..., tuple[nn.Module, Tensor, Path]]:
    """Export each module once, since that is what takes long."""
    folder = tmp_path_factory.mktemp("exported")

    def get(name: str, *, core: bool = False) -> tuple[nn.Module, Tensor, Path]:
        live, images = make(name)
        path = folder / f"{name}_{core}.pt2"
        return live, images, path if path.exists() else save(live, images, path, core=core)

    return get


@pytest.fixture(scope="session")
def linear(exported) -> Path:
    return exported("linear")[2]


@pytest.fixture(scope="session")
def normalized(tmp_path_factory) -> Path:
    """A file with a batch normalization in core operators."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).eval()
    path = tmp_path_factory.mktemp("normalized") / "encoder.pt2"
    return save(module, torch.randn(5, 6), path, core=True)
