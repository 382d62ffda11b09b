"""Runs to save and load, and what must be the same about them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np

from pvae_brian import SpikeRecord, load_encoder, simulate
from pvae_brian import save_checkpoint as save_own
from pvae_brian.runs import Run

from .checkpoint_files import OFFICIAL, small_model
from .images import noise
from .test_spikes import assert_same

NAMES = ["images.npy", "model", "record.npz", "run.json"]
# None of them names a file in a folder.
BAD_NAMES = ["../outside.pt", "/etc/passwd", "a/b", "a\\b", "", ".", "..", "x\0", "\ud800", 3, None]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def npy_bytes(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def simulated(checkpoint, images, options=None, **keywords):
    encoder = load_encoder(checkpoint, **(options or {}))
    record = simulate(encoder.posterior_rates(images), **{"n_steps": 10, "seed": 7, **keywords})
    return encoder, record


def assert_is_run(run: Run, encoder, images, record):
    """Assert that a run is of the same bits."""
    assert_same(run.record, record)
    assert run.images.dtype == images.dtype
    assert run.images.tobytes() == images.tobytes()
    assert not isinstance(run.images, np.memmap)
    assert run.encoder.image_shape == encoder.image_shape
    for name in ("posterior_rates", "kl_per_latent"):
        ours, theirs = getattr(run.encoder, name)(images), getattr(encoder, name)(images)
        assert np.array_equal(ours, theirs)
    details, expected = dict(run.encoder.details), dict(encoder.details)
    assert Path(details.pop("file")).name == Path(expected.pop("file")).name
    assert details == expected
    assert run.encoder.has_decoder == encoder.has_decoder
    if encoder.has_decoder:
        counts = record.counts
        assert np.array_equal(run.encoder.decode(counts), encoder.decode(counts))


def official_images(name):
    with np.load(OFFICIAL / name / "expected.npz") as expected:
        return expected["x"][:8]


def make_small(folder: Path) -> tuple[Path, np.ndarray, SpikeRecord]:
    """A small checkpoint, images and record: a run of them is quick to load."""
    file = folder / "small.pt"
    save_own(small_model(), file)
    images = noise((5, 3, 3)).astype(np.float32)
    return file, images, simulated(file, images, record="times")[1]
