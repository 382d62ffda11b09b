"""What several test modules share: a cache of compiled programs, exported modules, a cluster.

torch and Dask load in the fixtures, so that tests of rates, neurons and spikes run without them.
"""

from __future__ import annotations

import logging
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


@pytest.fixture
def registered():
    """Forget afterwards which budgets a test registers."""
    from pvae_brian.metabolism import registry

    before = dict(registry._registered)
    yield
    registry._registered.clear()
    registry._registered.update(before)


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


@pytest.fixture(scope="module")
def scheduler():
    """Address of a cluster in this process, which begins at once."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=False,
        dashboard_address="127.0.0.1:0",
        silence_logs=logging.CRITICAL,
    ) as cluster:
        yield cluster.scheduler_address
