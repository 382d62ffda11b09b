"""Checkpoints of the authors' code: a JSON config beside (or above) a torch file.

Formats: github.com/hadivafaii/PoissonVAE and github.com/hadivafaii/IterativeVAE.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError, one_line
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig

_CONFIG = "ConfigPoisVAE.json"
_OTHER_KINDS = {
    "ConfigGausVAE.json": "a Gaussian VAE",
    "ConfigLapVAE.json": "a Laplace VAE",
    "ConfigCatVAE.json": "a categorical VAE",
}
_KINDS = {"lin": "linear", "mlp": "mlp"}
_ACTIVATIONS = {
    "swish": "silu",
    "silu": "silu",
    "relu": "relu",
    "gelu": "gelu",
    "elu": "elu",
    "leaky_relu": "leaky_relu",
    "softplus": "softplus",
}

# The authors' names of the parameters, and ours.
_NAMES = {
    "fc_enc": "encoder.head",
    "enc": "encoder.body",
    "fc_dec": "decoder.head",
    "dec.1": "decoder.body.1",
    "dec.3": "decoder.body.3",
}
_TRAINING_ONLY = {"temp", "n_exp"}


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


def read_official(path: Path, data: Any, *, ema: bool = False) -> tuple[PoissonVAE, dict[str, Any]]:
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
    model : PoissonVAE
    details : dict
        Generation of the code that wrote it, epoch, and its config.

    Raises
    ------
    CheckpointError
        If it is another kind of model, or if weights or config are missing or do not fit.
    """
    config = read_config(path)
    weights = data.get("model_ema" if ema else "model")
    if not isinstance(weights, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in weights.items()
    ):
        missing = "moving average of the weights (model_ema)" if ema else "weights (model)"
        raise CheckpointError(f"{path} holds no {missing}; take another checkpoint")
    generation, rate_clamp = _generation(config, path)
    kinds = {
        "encoder": _kind(config, "enc_type", path),
        "decoder": _kind(config, "dec_type", path),
        "activation": _activation(config, path),
    }
    try:
        ours = PoissonVAEConfig(
            **_sizes(weights),
            **kinds,
            encoder_bias="fc_enc.bias" in weights,
            decoder_bias="fc_dec.bias" in weights,
            encoder_norm=config.get("enc_norm", False),
            decoder_norm=config.get("dec_norm", False),
            excitatory_only=config.get("exc_only", False),
            rate_clamp=rate_clamp,
            rate_offset=torch.finfo(torch.float32).eps,
        )
        _check_sizes(config, ours)
        model = PoissonVAE.from_config(ours)
        model.load_state_dict(_rename(weights))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise CheckpointError(
            f"the weights in {path} do not fit its {_CONFIG}: {one_line(error)}; "
            "are both files from the same run?"
        ) from error
    details = {"format": "official", "generation": generation, "epoch": _epoch(path)}
    return model, details | {"official_config": config}


def read_config(path: Path) -> dict[str, Any]:
    """Read the config that belongs to a ``.pt`` file.

    Raises
    ------
    CheckpointError
        If there is none, if it is damaged, or if it is of another kind of model.
    """
    for folder in (path.parent, path.parent / ".."):
        if (folder / _CONFIG).is_file():
            break
        for name, kind in _OTHER_KINDS.items():
            if (folder / name).is_file():
                raise CheckpointError(
                    f"{path} is {kind} ({name}), not a Poisson VAE: its latents are no spike "
                    "counts; take a checkpoint with a ConfigPoisVAE.json"
                )
    else:
        raise CheckpointError(
            f"no {_CONFIG} beside {path} or one folder up; copy it from the folder of the run, "
            "for the torch file alone does not say how rates are clamped"
        )
    try:
        config = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{folder / _CONFIG} cannot be read ({one_line(error)}); copy it again from the run"
        ) from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{folder / _CONFIG} must hold settings by name, got a {type(config).__name__}; "
            "copy it again from the run"
        )
    if "inf_type" in config:
        raise CheckpointError(
            f"{path} is an iterative P-VAE (its config has inf_type): its encoder is recurrent, "
            "which is not supported yet; take an amortised P-VAE"
        )
    return config


def _generation(config: dict[str, Any], path: Path) -> tuple[str, float | None]:
    """Which code wrote it, and the clamp that this code puts on the log rate."""
    has_indicator, has_hard = "indicator_approx" in config, "hard_fwd" in config
    if has_indicator:
        return ("January 2026", None) if has_hard else ("since February 2026", 5.0)
    if has_hard and "rmax_q" in config:
        return "until December 2025", 5.3
    raise CheckpointError(
        f"the {_CONFIG} of {path} is of no known generation: it has neither indicator_approx nor "
        f"rmax_q with hard_fwd, but {sorted(config)}"
    )


def _kind(config: dict[str, Any], key: str, path: Path) -> str:
    kind = config.get(key)
    if not isinstance(kind, str) or kind not in _KINDS:
        raise CheckpointError(
            f"{path} has {key} {kind!r}; only 'lin' and 'mlp' are read from a file. For another "
            "encoder use Encoder.from_module with the live module, or torch.export to a .pt2"
        )
    return _KINDS[kind]


def _activation(config: dict[str, Any], path: Path) -> str:
    """Of an MLP decoder; the authors' configs name one for linear decoders too."""
    name = config.get("activation_fn", "swish")
    if config["dec_type"] != "mlp":
        return "silu"
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise CheckpointError(
            f"{path} has activation_fn {name!r}; only {sorted(_ACTIVATIONS)} are read from a file"
        )
    return _ACTIVATIONS[name]


def _check_sizes(config: dict[str, Any], ours: PoissonVAEConfig) -> None:
    """Raise if what the weights say of themselves is not what the config says of them."""
    for key, found in (
        ("n_latents", ours.n_latents),
        ("enc_bias", ours.encoder_bias),
        ("dec_bias", ours.decoder_bias),
    ):
        if key in config and config[key] != found:
            raise ValueError(f"it says {key} {config[key]!r}, the weights have {found}")


def _sizes(weights: dict[str, Tensor]) -> dict[str, int]:
    weight = weights.get("fc_enc.weight")
    if weight is None or weight.ndim != 2 or not weight.numel():
        raise ValueError("there is no matrix fc_enc.weight among them")
    n_latents, n_inputs = weight.shape
    sizes = {"n_inputs": n_inputs, "n_latents": n_latents}
    for key, name in (("enc", "encoder_expansion"), ("dec.1", "decoder_expansion")):
        if f"{key}.fc1.weight" in weights:
            sizes[name] = weights[f"{key}.fc1.weight"].shape[0] // n_inputs
    return sizes


def _rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in weights.items():
        if key in _TRAINING_ONLY:
            continue
        if key == "log_rate":
            renamed[key] = value.reshape(-1)
            continue
        for theirs in sorted(_NAMES, key=len, reverse=True):
            if key.startswith(f"{theirs}."):
                renamed[_NAMES[theirs] + key[len(theirs) :]] = value
                break
        else:
            raise ValueError(f"{key} is no parameter of such a model")
    return renamed
