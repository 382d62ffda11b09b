"""This project's own checkpoints: one weights-only torch file."""

from __future__ import annotations

import dataclasses
import os
from typing import Any

import torch

import pvae_brian
from pvae_brian._files import write_whole
from pvae_brian.models.checkpoints.errors import CheckpointError, one_line
from pvae_brian.models.gaussian_vae import GaussianVAE, GaussianVAEConfig
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig

FORMAT = "pvae_brian checkpoint"
_FORMAT_VERSION = 1
_FAMILIES = ("gaussian", "gaussian-relu", "poisson")


def save_checkpoint(
    model: PoissonVAE | GaussianVAE,
    path: str | os.PathLike[str],
    *,
    training: dict[str, Any] | None = None,
    force: bool = False,
) -> None:
    """Save a model with its config, training record and versions, whole or not at all.

    Parameters
    ----------
    model : PoissonVAE or GaussianVAE
        A model that `PoissonVAE.from_config` or `GaussianVAE.from_config` made.
    path : path-like
        Where to write.
    training : dict, optional
        Numbers, strings and containers of them to keep beside the weights, such as
        ``dataclasses.asdict(record)``.
    force : bool
        Replace an existing file.

    Raises
    ------
    ValueError
        If the model was built of modules of the user's own, or if ``training`` holds more than
        plain values.
    FileExistsError
        If the file exists and ``force`` is not given.
    OSError
        If there is no space or no permission.
    """
    if model.config is None:
        raise ValueError(
            "only models made by PoissonVAE.from_config or GaussianVAE.from_config can be saved; "
            "save one of your own modules with torch.export.save"
        )
    if not _is_plain(training or {}):
        raise ValueError(
            "training must hold plain Python numbers, strings and containers of them, for nothing "
            "else can be read back safely; turn numpy arrays into lists with .tolist()"
        )
    data = {
        "format": FORMAT,
        "format_version": _FORMAT_VERSION,
        "family": model.family,
        "config": dataclasses.asdict(model.config),
        "state": {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()},
        "training": training or {},
        "versions": {"pvae_brian": pvae_brian.__version__, "torch": str(torch.__version__)},
    }
    with write_whole(path, force=force) as file:
        torch.save(data, file)


def read_own(
    path: os.PathLike[str], data: dict[str, Any]
) -> tuple[PoissonVAE | GaussianVAE, dict[str, Any]]:
    """Build the model of an own checkpoint from what `load_data` read of it.

    Returns
    -------
    model : PoissonVAE or GaussianVAE
    details : dict
        Format, training record and versions.

    Raises
    ------
    CheckpointError
        If it is of a newer format, or damaged.
    """
    version = data.get("format_version")
    if isinstance(version, int) and version > _FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has format version {version}, this pvae_brian reads {_FORMAT_VERSION}; "
            "install a newer pvae_brian"
        )
    try:
        if version != _FORMAT_VERSION:
            raise ValueError(f"its format version is {version!r}")
        training = data.get("training", {})
        if not isinstance(training, dict):
            raise ValueError(f"its training record is a {type(training).__name__}")
        # Older files do not say, and hold P-VAEs.
        family = data.get("family", "poisson")
        if family not in _FAMILIES:
            raise ValueError(f"its family is {family!r:.80}, none of {list(_FAMILIES)}")
        model = _build(family, data["config"])
        if model.family != family:
            raise ValueError(f"its family is {family!r}, but its config is of {model.family!r}")
        state = data["state"]
        # In the precision of the file.
        prior = "log_rate" if family == "poisson" else "log_scale"
        model.to(state[prior].dtype).load_state_dict(state)
    except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
        raise CheckpointError(
            f"{path} is damaged: {one_line(error)}; train or copy it again"
        ) from error
    details = {"format": "pvae_brian", "training": training}
    return model, details | {"versions": data.get("versions", {})}


def _build(family: str, config: dict[str, Any]) -> PoissonVAE | GaussianVAE:
    if family == "poisson":
        return PoissonVAE.from_config(PoissonVAEConfig(**config))
    return GaussianVAE.from_config(GaussianVAEConfig(**config))


def _is_plain(value: Any) -> bool:
    if type(value) is dict:
        return all(_is_plain(key) and _is_plain(item) for key, item in value.items())
    if type(value) in (list, tuple):
        return all(_is_plain(item) for item in value)
    return value is None or type(value) in (bool, int, float, str)
