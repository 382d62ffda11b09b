"""`compute_point`: from a point of a study to its numbers, wherever it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import torch
from brian2 import second
from threadpoolctl import threadpool_limits

from pvae_brian.data.choose import BUILT_IN, ImageSet, load_data
from pvae_brian.encoder import Encoder
from pvae_brian.engine import simulate
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.intervals import Estimate
from pvae_brian.loading import load_encoder
from pvae_brian.metabolism import find_budget
from pvae_brian.models import (
    GaussianVAE,
    PoissonVAE,
    TrainingRecord,
    build_model,
    save_checkpoint,
    train,
)
from pvae_brian.runs.files import digest_array
from pvae_brian.sweep.measuring import as_row, measure_model, measure_spikes
from pvae_brian.sweep.study import Point, Study

MODEL = "model.pt"
# Brian2's device and torch's number of threads are common to all threads of a process.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True, eq=False)
class PointResult:
    """What came of one point.

    Attributes
    ----------
    values : dict
        Plain numbers by the columns of the table: the same whenever and wherever the point is
        computed with the same versions, on processors of one kind.
    checkpoint : bytes
        The trained model, as `save_checkpoint` writes it.
    notes : dict
        How it was made: device, versions, the checksum of the data, seconds of each part.
    """

    values: dict[str, float | int | bool]
    checkpoint: bytes
    notes: dict[str, Any]


def compute_point(study: Study, point: Point, *, data_sha256: str | None = None) -> PointResult:
    """Train the model of a point, simulate it on held-out images, and measure it.

    On one core, whatever the machine has, and one point at a time in each process.

    Parameters
    ----------
    study : Study
        Its settings count; its grid does not.
    point : Point
        Which model.
    data_sha256 : str, optional
        Checksum that the data must have, of `digest_data`.

    Returns
    -------
    PointResult

    Raises
    ------
    FileNotFoundError
        If the data are a file or folder that is not there.
    ValueError
        If the data have another checksum, or a setting does not go with them.
    FloatingPointError
        If the training diverges.
    EngineError
        If the simulation fails.

    Examples
    --------
    >>> import numpy as np
    >>> np.save("some.npy", np.random.default_rng(0).normal(size=(500, 16)))
    >>> study = Study(betas=(1,), n_latents=(8,), data="some.npy", epochs=2, batch_size=100)
    >>> result = compute_point(study, Point("poisson", 1, 8, 0))
    >>> result.values["n_stimuli"], abs(result.values["fidelity_z"]) < 6
    (100, True)
    """
    with _one_at_a_time, _one_core():
        started = time.perf_counter()
        images, found = _load_once(*_data_of(study), data_sha256)
        if data_sha256 not in (None, found):
            raise ValueError(
                f"the data {study.data!r} must be the same for all points, but a worker has others "
                f"(SHA-256 {found[:12]}..., not {data_sha256[:12]}...); give it the same files and "
                "the same versions of numpy, scipy and scikit-image"
            )
        model, record = _train(study, point, images.train)
        trained = time.perf_counter()
        # Measured is what is kept: the model as it is read back from its file.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / MODEL
            save_checkpoint(model, path, training=_describe(record, study))
            checkpoint = path.read_bytes()
            encoder = load_encoder(path)
        values, simulation = _measure(study, point, encoder, images.test)
        values |= {
            "train_free_energy": record.free_energy[-1],
            "converged": record.converged,
            "plateau": bool(record.plateau),
            "epochs": record.epochs_done,
        }
        ended = time.perf_counter()
    return PointResult(
        values=as_row(values),
        checkpoint=checkpoint,
        notes=simulation
        | {
            "data_sha256": found,
            "seconds": {"training": trained - started, "simulation": ended - trained},
        },
    )


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    import brian2

    import pvae_brian

    return {
        "pvae_brian": pvae_brian.__version__,
        "brian2": brian2.__version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "torch": str(torch.__version__),
    }


def load_images(study: Study) -> ImageSet:
    """Load the images of a study.

    Raises
    ------
    FileNotFoundError
        If they are a file or folder that is not there.
    """
    return _load(*_data_of(study))


def digest_data(images: ImageSet) -> str:
    """Return the SHA-256 of training and test images."""
    digests = "".join(map(digest_array, (images.train, images.test)))
    return hashlib.sha256(digests.encode()).hexdigest()


def simulation_seed(point: Point) -> int:
    """Return the seed of a point's simulation: unlike those of other points, but for chance."""
    return int.from_bytes(hashlib.sha256(point.name.encode()).digest()[:4], "big")


def _data_of(study: Study) -> tuple[str, int, int, int]:
    return study.data, study.n_train, study.n_test, study.data_seed


def _load(data: str, n_train: int, n_test: int, seed: int) -> ImageSet:
    if data not in BUILT_IN and not Path(data).expanduser().exists():
        raise FileNotFoundError(
            f"there are no data {data!r} here; check the name. On a cluster, files of data must "
            "lie at the same place on every worker"
        )
    return load_data(data, n_train, n_test, seed=seed)


# With the checksum, for a file may change while a worker lives.
@functools.lru_cache(maxsize=1)
def _load_once(
    data: str, n_train: int, n_test: int, seed: int, data_sha256: str | None
) -> tuple[ImageSet, str]:
    images = _load(data, n_train, n_test, seed)
    return images, digest_data(images)


def _train(
    study: Study, point: Point, images: np.ndarray
) -> tuple[PoissonVAE | GaussianVAE, TrainingRecord]:
    size = {"n_inputs": int(np.prod(images.shape[1:])), "n_latents": point.n_latents}
    model = build_model(point.model, seed=point.seed, **size)
    record = train(
        model,
        images,
        beta=point.beta,
        seed=point.seed,
        epochs=study.epochs,
        batch_size=study.batch_size,
        learning_rate=study.learning_rate,
        warmup=study.warmup,
        tolerance=study.tolerance,
    )
    if record.interrupted:
        raise KeyboardInterrupt
    return model, record


def _describe(record: TrainingRecord, study: Study) -> dict[str, object]:
    """What a checkpoint keeps of its training: no time, so that the same model is the same file."""
    training = dataclasses.asdict(record)
    del training["seconds"]
    # Its name, for a folder is the affair of one machine.
    return training | {"data": study.data if study.data in BUILT_IN else Path(study.data).name}


def _measure(
    study: Study, point: Point, encoder: Encoder | GaussianEncoder, images: np.ndarray
) -> tuple[dict[str, float | Estimate[float]], dict[str, Any]]:
    seed = simulation_seed(point)
    values = measure_model(encoder, images, beta=point.beta, seed=seed)
    if encoder.family == "gaussian":
        return values, {"device": None, "versions": versions()}
    record = simulate(
        encoder.posterior_rates(images.reshape(len(images), -1)),
        window=study.window_s * second,
        n_steps=study.n_steps,
        seed=seed,
        device=study.device,
        n_workers=1,
    )
    values |= measure_spikes(encoder, images, record, find_budget(study.budget))
    return values, {"device": record.device, "versions": versions()}


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """Let neither torch nor the libraries of linear algebra use several threads.

    The order of their sums, and with it the last digits, would depend on the cores of a machine.
    """
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(n_threads)
