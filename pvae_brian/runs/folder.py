"""`save_run` and `load_run`: a simulation, its model and its images as one folder."""

from __future__ import annotations

import dataclasses
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from pvae_brian._files import new_folder, write_whole
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.loading import load_encoder
from pvae_brian.runs.description import (
    IMAGES,
    LOG_RATE,
    MODEL,
    RECORD,
    read_description,
    write_description,
)
from pvae_brian.runs.files import as_images, check_digest, digest_file, model_files
from pvae_brian.runs.place import check_run_writable
from pvae_brian.runs.provenance import Provenance, describe_provenance
from pvae_brian.spikes import SpikeRecord

# As `compare` allows: rates worked out elsewhere differ by rounding in single precision.
_ROUNDING = 1e-4


@dataclass(frozen=True, eq=False)
class Run:
    """A simulation with all that a report of it needs.

    Attributes
    ----------
    encoder : Encoder
        Of the copy of the checkpoint in the folder.
    images : ndarray, shape (n_stimuli, ...)
        The stimuli as they were given, of the type that they had.
    record : SpikeRecord
        What was simulated at the posterior rates of these images.
    provenance : Provenance
        How it was made.
    """

    encoder: Encoder | GaussianEncoder
    images: np.ndarray
    record: SpikeRecord
    provenance: Provenance


def save_run(
    path: str | os.PathLike[str],
    checkpoint: str | os.PathLike[str],
    images: ArrayLike,
    record: SpikeRecord,
    *,
    command: str | None = None,
    images_file: str | os.PathLike[str] | None = None,
    epoch: int | None = None,
    ema: bool = False,
    rate_clamp: float | str | None = "as trained",
    log_rate: ArrayLike | None = None,
    force: bool = False,
) -> Path:
    """Save a simulation with its images and a copy of its checkpoint, whole or not at all.

    The folder needs nothing outside of it: it can be moved, renamed, or sent to a colleague. It
    holds ``run.json`` (provenance and checksums), ``record.npz``, ``images.npy``, and in ``model/``
    those files of the checkpoint that are read.

    Parameters
    ----------
    path : path-like
        The folder to make.
    checkpoint : path-like
        As for `load_encoder`.
    images : array_like
        The stimuli, as for `Encoder.posterior_rates`.
    record : SpikeRecord
        Of ``simulate(encoder.posterior_rates(images), ...)``.
    command : str, optional
        What the user typed.
    images_file : path-like, optional
        The file that the images were in; only its name is kept.
    epoch, ema, rate_clamp, log_rate
        What `load_encoder` was asked for besides.
    force : bool
        Replace an existing run. The old one is removed when the new one is complete. A folder
        with other files in it is never replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    FileExistsError
        If something is there and ``force`` is not given, or does not help.
    FileNotFoundError, NotADirectoryError, PermissionError, OSError
        If the checkpoint is missing, or if the folder cannot be written, or the disk is full.
    CheckpointError
        If it is no checkpoint.
    ValueError
        If the record was not simulated at the rates of this encoder for these images, or could
        not be read back.

    Examples
    --------
    >>> from pvae_brian import load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> images = shipped_patches()[:20]
    >>> record = simulate(load_encoder(shipped_model()).posterior_rates(images), seed=7)
    >>> folder = save_run("run", shipped_model(), images, record)
    >>> sorted(file.name for file in folder.iterdir())
    ['images.npy', 'model', 'record.npz', 'run.json']
    """
    images = as_images(images)
    with new_folder(lambda: check_run_writable(path, force=force)) as folder:
        encoder = load_encoder(
            checkpoint, epoch=epoch, log_rate=log_rate, ema=ema, rate_clamp=rate_clamp
        )
        # As the encoder took them.
        taken = None if log_rate is None else _log_rate(encoder)
        weights = _copy_model(encoder, folder, taken)
        provenance = describe_provenance(
            record,
            model_path=weights,
            images=images,
            images_file=images_file,
            command=command,
            log_rate=taken,
            ema=ema,
            rate_clamp=rate_clamp,
        )
        # Held against the copy, for another program may have written to the original meanwhile.
        _check_rates(
            _load_copy(folder, provenance),
            images,
            record,
            f"name the checkpoint that it was simulated with, not {checkpoint}, and its options",
        )
        with write_whole(folder / IMAGES) as file:
            np.save(file, images, allow_pickle=False)
        record.save(folder / RECORD)
        provenance = dataclasses.replace(provenance, epoch=None if epoch is None else int(epoch))
        write_description(folder, provenance, digest_file(folder / RECORD))
    return Path(os.path.expanduser(path))


def load_run(path: str | os.PathLike[str]) -> Run:
    """Load a run. Nothing in it is executed, and no name in it leads out of its folder.

    Every file is held against its checksum, the record against its provenance, and its rates
    against those of the encoder for the images.

    Parameters
    ----------
    path : path-like
        A folder that `save_run` wrote, wherever it is now.

    Returns
    -------
    Run

    Raises
    ------
    FileNotFoundError
        If there is no run, or one of its files is missing.
    PermissionError
        If it may not be read.
    ValueError
        If a file is damaged, foreign, hostile, or of a newer version.

    Examples
    --------
    >>> from pvae_brian import load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> images = shipped_patches()[:20]
    >>> record = simulate(load_encoder(shipped_model()).posterior_rates(images), seed=7)
    >>> run = load_run(save_run("saved", shipped_model(), images, record))
    >>> run.images.dtype, run.record.seed, run.provenance.model_file
    (dtype('float32'), 7, 'model.pt')
    """
    folder = Path(os.path.expanduser(path))
    description = read_description(folder)
    for name, digest in description.files.items():
        check_digest(folder, name, digest)
    provenance = description.provenance
    record = SpikeRecord.load(folder / RECORD)
    try:
        provenance.check_record(record)
    except ValueError as error:
        raise ValueError(
            f"the provenance in {folder} is of another record ({error}); copy the folder of the "
            "run again, or save the run anew"
        ) from error
    images = _read_array(folder / IMAGES)
    encoder = _load_copy(folder, provenance)
    try:
        _check_rates(encoder, images, record, "save the run anew")
    except ValueError as error:
        raise ValueError(f"{folder} holds files of different runs: {error}") from error
    return Run(encoder, images, record, provenance)


def _log_rate(encoder: Encoder | GaussianEncoder) -> np.ndarray:
    # Only a Poisson VAE is exported without one.
    assert isinstance(encoder, Encoder)
    return encoder.model.log_rate.detach().numpy()


def _copy_model(
    encoder: Encoder | GaussianEncoder, folder: Path, log_rate: np.ndarray | None
) -> Path:
    """Copy the files of a checkpoint; return the one with the weights."""
    (folder / MODEL).mkdir()
    copies = []
    for original in model_files(encoder.details):
        copies.append(folder / MODEL / original.name)
        with open(original, "rb") as source, write_whole(copies[-1]) as file:
            shutil.copyfileobj(source, file)
    if log_rate is not None:
        with write_whole(folder / LOG_RATE) as file:
            np.save(file, log_rate, allow_pickle=False)
    return copies[0]


def _load_copy(folder: Path, provenance: Provenance) -> Encoder | GaussianEncoder:
    log_rate = None
    if provenance.log_rate_sha256 is not None:
        log_rate = _read_array(folder / LOG_RATE)
    # That of a run names its model.
    encoder = load_encoder(
        folder / MODEL / str(provenance.model_file),
        ema=provenance.ema,
        rate_clamp=provenance.rate_clamp,
        log_rate=log_rate,
    )
    # A config may also lie one folder up, where no checksum holds it.
    read = {file.relative_to(folder / MODEL).as_posix() for file in model_files(encoder.details)}
    if read != provenance.model_digests.keys():
        raise ValueError(
            f"the checkpoint in {folder / MODEL} must consist of {sorted(provenance.model_digests)}"
            f", as run.json says, but {sorted(read)} were read; save the run anew"
        )
    return encoder


def _read_array(path: Path) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
        if not isinstance(array, np.ndarray):
            raise ValueError("it holds several arrays")
        return array
    except PermissionError:
        raise
    # A header may say anything, and ask for more memory than there is.
    except Exception as error:
        raise ValueError(
            f"{path} is not a readable .npy file of numbers ({error}); save the run anew"
        ) from error


def _check_rates(
    encoder: Encoder | GaussianEncoder, images: np.ndarray, record: SpikeRecord, remedy: str
) -> None:
    rates = encoder.posterior_rates(images)
    if record.rates.shape != rates.shape or not np.allclose(
        record.rates, rates, rtol=_ROUNDING, atol=0
    ):
        raise ValueError(
            f"the record must be simulated at the posterior rates of these images: its rates, of "
            f"shape {record.rates.shape}, differ from these, of shape {rates.shape}; {remedy}"
        )
