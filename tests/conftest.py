"""What several test modules share: a cache of compiled programs, and exported modules.

torch loads in the fixtures, so that tests of rates, neurons and spikes run where it is missing.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says more of the machine than of the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")


@pytest.fixture(scope="session", autouse=True)
def program_cache(tmp_path_factory):
    """Compile programs once for all tests, also those in other processes, and not for the user."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        # One level up is common to all workers.
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PVAE_BRIAN_CACHE", str(folder / "programs"))
        yield folder / "programs"


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Export each module once, since that is what takes long."""
    from .exported_files import make, save

    folder = tmp_path_factory.mktemp("exported")

    def get(name: str, *, core: bool = False):
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
    import torch

    from .exported_files import save

    torch.manual_seed(1)
    module = torch.nn.Sequential(torch.nn.BatchNorm1d(6), torch.nn.Linear(6, 3)).eval()
    path = tmp_path_factory.mktemp("normalized") / "encoder.pt2"
    return save(module, torch.randn(5, 6), path, core=True)
