"""Checkpoints, each format in a module of its own; a new one is added to `read_model`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported import read_exported
from pvae_brian.models.checkpoints.files import load_data
from pvae_brian.models.checkpoints.official import find_checkpoint, find_config, read_official
from pvae_brian.models.checkpoints.own import FORMAT, read_own, save_checkpoint
from pvae_brian.models.gaussian_vae import GaussianVAE
from pvae_brian.models.poisson_vae import PoissonVAE

__all__ = ["CheckpointError", "find_config", "read_exported", "read_model", "save_checkpoint"]


def read_model(
    path: str | os.PathLike[str], *, epoch: int | None = None, ema: bool = False
) -> tuple[PoissonVAE | GaussianVAE, dict[str, Any]]:
    """Read a model of this project or of the authors' code. Nothing in it is executed.

    Parameters
    ----------
    path : path-like
        A file of this project, or an official ``.pt`` file or folder.
    epoch : int, optional
        Which epoch to take from an official folder; the highest by default.
    ema : bool
        Take the moving average of the weights of an official checkpoint.

    Returns
    -------
    model : PoissonVAE or GaussianVAE
    details : dict
        The file, its format, and what it says of its making.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    ValueError
        If ``epoch`` is given for a file.
    CheckpointError
        If the file is missing parts, damaged, foreign or hostile, or holds another kind of model.
    """
    path = Path(os.path.expanduser(path))
    if path.is_dir():
        path = find_checkpoint(path, epoch)
    elif epoch is not None and path.exists():
        raise ValueError(f"epoch {epoch} chooses a file of a folder, but {path} is no folder")
    data = load_data(path)
    if not isinstance(data, dict):
        kind = type(data).__name__
        raise CheckpointError(f"{path} holds a {kind}, not a checkpoint; check the name")
    if data.get("format") == FORMAT:
        if ema:
            raise CheckpointError(f"{path} holds no moving average of the weights; drop ema=True")
        model, details = read_own(path, data)
    elif "model" in data:
        model, details = read_official(path, data, ema=ema)
    else:
        raise CheckpointError(
            f"{path} is a torch file of another kind: it holds {sorted(map(str, data))[:6]}; "
            "expected a checkpoint of pvae_brian or of the authors' code"
        )
    if not all(value.isfinite().all() for value in model.state_dict().values()):
        raise CheckpointError(
            f"{path} holds weights that are NaN or infinite, so its training diverged; take an "
            "earlier epoch, or train again"
        )
    return model.eval(), {"file": str(path)} | details
