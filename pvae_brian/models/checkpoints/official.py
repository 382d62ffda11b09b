"""Checkpoints of the authors' code: a JSON config beside (or above) a torch file.

Formats: github.com/hadivafaii/PoissonVAE and github.com/hadivafaii/IterativeVAE.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError, one_line
from pvae_brian.models.checkpoints.official_models import build_gaussian, build_poisson
from pvae_brian.models.gaussian_vae import GaussianVAE
from pvae_brian.models.poisson_vae import PoissonVAE

# A builder for the config of each kind that is read; where several lie together, the first.
_BUILDERS: dict[str, Callable[..., tuple[PoissonVAE | GaussianVAE, dict[str, Any]]]] = {
    "ConfigPoisVAE.json": build_poisson,
    "ConfigGausVAE.json": build_gaussian,
}
_OTHER_KINDS = {"ConfigLapVAE.json": "a Laplace VAE", "ConfigCatVAE.json": "a categorical VAE"}


def find_checkpoint(folder: Path, epoch: int | None = None) -> Path:
    """Return the ``.pt`` file of a folder: that of ``epoch``, or of the highest one.

    The authors' tree keeps a model's config one folder above its training runs; a folder with
    a single run in it serves too.

    Raises
    ------
    CheckpointError
        If there is none, if the epoch is missing, or if the choice is not clear: several training
        runs, or several files whose names have no epoch.
    """
    files = sorted(folder.glob("*.pt"))
    if not files:
        runs = sorted({file.parent for file in folder.glob("*/*.pt")})
        if len(runs) > 1:
            names = ", ".join(run.name for run in runs[:6])
            raise CheckpointError(
                f"{folder} holds {len(runs)} training runs ({names}); name one of them"
            )
        if not runs:
            raise CheckpointError(f"{folder} holds no .pt file; name a checkpoint or its folder")
        files = sorted(runs[0].glob("*.pt"))
    if epoch is not None:
        chosen = [file for file in files if _epoch(file) == epoch]
        if not chosen:
            epochs = sorted({_epoch(file) for file in files})
            raise CheckpointError(f"{folder} holds no epoch {epoch}; it holds epochs {epochs}")
        return chosen[-1]
    # Of one epoch the latest: names end with the date.
    newest = max(files, key=lambda file: (_epoch(file), file.name))
    if _epoch(newest) < 0 and len(files) > 1:
        names = ", ".join(file.name for file in files[:6])
        raise CheckpointError(f"{folder} holds {len(files)} .pt files ({names}); name one of them")
    return newest


def _epoch(file: Path) -> int:
    match = re.search(r"-(\d+)_\(", file.name)
    return int(match.group(1)) if match else -1


def find_config(path: Path) -> Path:
    """Return the config that belongs to a ``.pt`` file: beside it, else one folder up.

    Raises
    ------
    CheckpointError
        If there is none, or if it is of a kind of model that is not read.
    """
    for folder in (path.parent, path.parent / ".."):
        for name in _BUILDERS:
            if (folder / name).is_file():
                return folder / name
        for name, kind in _OTHER_KINDS.items():
            if (folder / name).is_file():
                raise CheckpointError(
                    f"{path} is {kind} ({name}), not a Poisson or Gaussian VAE: its latents are "
                    "neither spike counts nor a control of them; take another checkpoint"
                )
    raise CheckpointError(
        f"no ConfigPoisVAE.json beside {path} or one folder up, nor a ConfigGausVAE.json; copy it "
        "from the folder of the run, for the torch file alone does not say how rates are clamped"
    )


def read_official(
    path: Path, data: Any, *, ema: bool = False
) -> tuple[PoissonVAE | GaussianVAE, dict[str, Any]]:
    """Build the model of an official checkpoint.

    Parameters
    ----------
    path : Path
        The ``.pt`` file, for its config lies beside it or one folder up.
    data : dict
        What `load_data` read from it.
    ema : bool
        Take the moving average of the weights instead of the last ones.

    Returns
    -------
    model : PoissonVAE or GaussianVAE
    details : dict
        Epoch, config, and for a P-VAE the generation of the code that wrote it.

    Raises
    ------
    CheckpointError
        If it is another kind of model, or if weights or config are missing or do not fit.
    """
    file = find_config(path)
    config = _read_config(path, file)
    weights = data.get("model_ema" if ema else "model")
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()
    ):
        missing = "moving average of the weights (model_ema)" if ema else "weights (model)"
        raise CheckpointError(f"{path} holds no {missing}; take another checkpoint")
    try:
        model, facts = _BUILDERS[file.name](config, weights, path)
    except CheckpointError:
        raise
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"the weights in {path} do not fit its {file.name}: {one_line(error)}; "
            "are both files from the same run?"
        ) from error
    details = {"format": "official", "epoch": _epoch(path)} | facts
    return model, details | {"official_config": config}


def _read_config(path: Path, file: Path) -> dict[str, Any]:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{file} cannot be read ({one_line(error)}); copy it again from the run"
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{file} must hold settings by name, got a {type(config).__name__}; "
            "copy it again from the run"
        )
    if "inf_type" in config:
        raise CheckpointError(
            f"{path} is an iterative P-VAE (its config has inf_type): its encoder is recurrent, "
            "which is not supported yet; take an amortised P-VAE"
        )
    return config
