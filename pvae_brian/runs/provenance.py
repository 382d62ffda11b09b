"""`Provenance`: what made a record, so that a reader can make it again."""

from __future__ import annotations

import dataclasses
import datetime
import operator
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike

from pvae_brian.neurons import NeuronModel
from pvae_brian.runs.files import (
    as_images,
    digest_array,
    digest_file,
    find_model_files,
)
from pvae_brian.runs.rules import check_fields
from pvae_brian.spikes import SpikeRecord


@dataclass(frozen=True)
class Provenance:
    """How a record was made. It names no person, no machine and no folder but in `command`.

    Attributes
    ----------
    command : str or None
        What was typed, quoted for a shell; None if no command was.
    seed, device, n_steps, window_s
        As in `SpikeRecord`.
    neuron : str
        Name of the neuron model, with its parameters if it has any; times in seconds.
    record : str
        'counts', or 'times' if spike times were recorded too.
    n_stimuli, n_latents : int
        Shape of the record.
    counts_sha256 : str
        SHA-256 of what `numpy.save` writes of the counts (int32, row by row): whoever repeats the
        simulation knows by it that the counts are the same.
    versions : dict of str to str
        Those of the record, and torch's on the machine that described it.
    platform : str
        Operating system and processor of that machine, such as 'Linux x86_64'.
    created : str
        Date of the description in UTC, such as '2026-11-20'.
    model_file : str or None
        Name of the file with the weights.
    model_sha256 : str or dict of str to str or None
        SHA-256 of that file; of each by its name where a checkpoint has several.
    epoch, ema, rate_clamp
        What `load_encoder` was asked for. An epoch of None is the highest of a folder.
    log_rate_sha256 : str or None
        SHA-256 of what `numpy.save` writes of the log prior rates (float64) if `load_encoder` was
        given any.
    images_file : str or None
        Name of the file that the images were in.
    images_sha256 : str or None
        SHA-256 of what `numpy.save` writes of the images, or of the file if no array was given.
    """

    command: str | None
    seed: int
    device: str
    n_steps: int
    window_s: float
    neuron: str
    record: str
    n_stimuli: int
    n_latents: int
    counts_sha256: str
    versions: dict[str, str]
    platform: str
    created: str
    model_file: str | None
    model_sha256: str | dict[str, str] | None
    epoch: int | None
    ema: bool
    rate_clamp: float | str | None
    log_rate_sha256: str | None
    images_file: str | None
    images_sha256: str | None

    @property
    def model_digests(self) -> dict[str, str]:
        """SHA-256 of each file of the checkpoint by its name; empty if there is none."""
        if self.model_file is None:
            return {}
        if isinstance(self.model_sha256, str):
            return {self.model_file: self.model_sha256}
        return dict(self.model_sha256 or {})

    def as_dict(self) -> dict[str, object]:
        """Return all fields by name, in types that JSON has."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, fields: object) -> Provenance:
        """Return the provenance that `as_dict` described; anyone may have written ``fields``.

        Raises
        ------
        ValueError
            If a field is missing, unknown, or of a value that it cannot have.
        """
        return cls(**check_fields(fields))

    def check_record(self, record: SpikeRecord) -> None:
        """Raise ValueError if this is not the provenance of this record."""
        for name, value in _facts(record).items():
            if (told := getattr(self, name)) != value:
                raise ValueError(f"{name} is {told!r:.80}, but {value!r:.80} in the record")
        if not record.versions.items() <= self.versions.items():
            raise ValueError(f"versions are {self.versions!r:.200}, but others in the record")


def describe_provenance(
    record: SpikeRecord,
    *,
    model_path: str | os.PathLike[str] | None = None,
    images: ArrayLike | None = None,
    images_file: str | os.PathLike[str] | None = None,
    command: str | None = None,
    epoch: int | None = None,
    ema: bool = False,
    rate_clamp: float | str | None = "as trained",
    log_rate: ArrayLike | None = None,
) -> Provenance:
    """Describe how a record was made.

    Parameters
    ----------
    record : SpikeRecord
        What was simulated.
    model_path : path-like, optional
        The checkpoint whose rates it was simulated at.
    images : array_like, optional
        The stimuli.
    images_file : path-like, optional
        The file that they were in. Only its name is kept; without ``images`` it is read for its
        digest.
    command : str, optional
        What the user typed.
    epoch, ema, rate_clamp, log_rate
        What `load_encoder` was asked for besides.

    Returns
    -------
    Provenance

    Raises
    ------
    FileNotFoundError
        If there is no such checkpoint or file of images.
    CheckpointError
        If it is no checkpoint, or if there is no such epoch.
    ValueError
        If images are no numbers, or if an option cannot be what it is.

    Examples
    --------
    >>> from pvae_brian import load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> images = shipped_patches()[:2]
    >>> record = simulate(load_encoder(shipped_model()).posterior_rates(images), seed=7)
    >>> provenance = describe_provenance(record, model_path=shipped_model(), images=images)
    >>> provenance.model_file, provenance.seed, provenance.neuron
    ('model.pt', 7, 'poisson')
    """
    digests = {}
    if model_path is not None:
        digests = {
            file.name: digest_file(file) for file in find_model_files(model_path, epoch=epoch)
        }
    images_sha256 = None
    if images is not None:
        images_sha256 = digest_array(as_images(images))
    elif images_file is not None:
        images_sha256 = digest_file(images_file)
    if rate_clamp is not None and not isinstance(rate_clamp, str):
        rate_clamp = float(rate_clamp)
    return Provenance.from_dict(
        _facts(record)
        | {
            "command": command,
            "versions": record.versions | {"torch": str(torch.__version__)},
            "platform": f"{platform.system()} {platform.machine()}",
            "created": datetime.datetime.now(datetime.UTC).date().isoformat(),
            "model_file": next(iter(digests), None),
            "model_sha256": digests if len(digests) > 1 else next(iter(digests.values()), None),
            "epoch": None if epoch is None else operator.index(epoch),
            "ema": bool(ema),
            "rate_clamp": rate_clamp,
            "log_rate_sha256": None if log_rate is None else digest_array(as_log_rate(log_rate)),
            "images_file": None if images_file is None else Path(images_file).name,
            "images_sha256": images_sha256,
        }
    )


def as_log_rate(log_rate: ArrayLike) -> np.ndarray:
    """Return log prior rates as `Encoder.from_module` takes them."""
    return np.array(log_rate, dtype=np.float64).reshape(-1)


def _facts(record: SpikeRecord) -> dict[str, object]:
    """What a record says of itself."""
    return {
        "seed": operator.index(record.seed),
        "device": record.device,
        "n_steps": operator.index(record.n_steps),
        "window_s": float(record.window_s),
        "neuron": _show_neuron(record.neuron),
        "record": "counts" if record.times is None else "times",
        "n_stimuli": record.n_stimuli,
        "n_latents": record.n_latents,
        # In one order and byte order, so that it depends on the counts alone.
        "counts_sha256": digest_array(np.ascontiguousarray(record.counts, dtype="<i4")),
    }


def _show_neuron(neuron: NeuronModel) -> str:
    settings = neuron.settings()
    name = str(settings.pop("name"))
    parameters = ", ".join(f"{key}={value}" for key, value in settings.items())
    return f"{name}({parameters})" if parameters else name
