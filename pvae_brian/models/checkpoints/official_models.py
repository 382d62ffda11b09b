"""From the configs and weights of the authors' code to models of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pvae_brian.models.building import Architecture
from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.gaussian_vae import GaussianVAE, GaussianVAEConfig
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig

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
_PRIOR = {"log_rate", "loc", "log_scale"}
_TRAINING_ONLY = {"temp", "n_exp"}


def build_poisson(
    config: dict[str, Any], weights: dict[str, Tensor], path: Path
) -> tuple[PoissonVAE, dict[str, Any]]:
    """Build a P-VAE; return it, and the generation of the code that wrote it.

    Raises
    ------
    CheckpointError
        If the config is of no known generation, or names layers that are not read.
    ValueError, RuntimeError, TypeError, IndexError
        If weights and config do not fit.
    """
    generation, rate_clamp = _generation(config, path)
    ours = PoissonVAEConfig(
        **_layers(config, weights, path),
        excitatory_only=config.get("exc_only", False),
        rate_clamp=rate_clamp,
        rate_offset=torch.finfo(torch.float32).eps,
    )
    _check_sizes(config, ours)
    model = PoissonVAE.from_config(ours)
    model.load_state_dict(_rename(weights))
    return model, {"generation": generation}


def build_gaussian(
    config: dict[str, Any], weights: dict[str, Tensor], path: Path
) -> tuple[GaussianVAE, dict[str, Any]]:
    """Build a Gaussian VAE; return it, with nothing more to say of it. Raises as `build_poisson`.

    Its prior, ``loc`` and ``log_scale``, is taken as it is in the file, trained or not.
    """
    ours = GaussianVAEConfig(
        # The encoder gives a mean and a log scale for each latent.
        **_layers(config, weights, path, outputs_per_latent=2),
        latent_activation=_latent_activation(config, path),
    )
    _check_sizes(config, ours)
    model = GaussianVAE.from_config(ours)
    model.load_state_dict(_rename(weights))
    # Only now, for weights of another model may have one of their own.
    _check_temperature(weights, path)
    return model, {}


def _layers(
    config: dict[str, Any], weights: dict[str, Tensor], path: Path, *, outputs_per_latent: int = 1
) -> dict[str, Any]:
    """What any `Architecture` has."""
    return {
        "encoder": _kind(config, "enc_type", path),
        "decoder": _kind(config, "dec_type", path),
        "activation": _activation(config, path),
        **_sizes(weights, outputs_per_latent),
        "encoder_bias": "fc_enc.bias" in weights,
        "decoder_bias": "fc_dec.bias" in weights,
        "encoder_norm": config.get("enc_norm", False),
        "decoder_norm": config.get("dec_norm", False),
    }


def _generation(config: dict[str, Any], path: Path) -> tuple[str, float | None]:
    """Which code wrote it, and the clamp that this code puts on the log rate."""
    has_indicator, has_hard = "indicator_approx" in config, "hard_fwd" in config
    if has_indicator:
        return ("January 2026", None) if has_hard else ("since February 2026", 5.0)
    if has_hard and "rmax_q" in config:
        return "until December 2025", 5.3
    raise CheckpointError(
        f"the ConfigPoisVAE.json of {path} is of no known generation: it has neither "
        f"indicator_approx nor rmax_q with hard_fwd, but {sorted(config)}"
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


def _latent_activation(config: dict[str, Any], path: Path) -> str:
    name = config.get("latent_act")
    if name not in (None, "relu"):
        raise CheckpointError(
            f"{path} has latent_act {name!r}; of Gaussian VAEs only those with 'relu' on their "
            "latents, or none, are read"
        )
    return name or "none"


def _check_temperature(weights: dict[str, Tensor], path: Path) -> None:
    """Raise if the authors' code would multiply every scale, the prior's too, by some number."""
    temperature = weights.get("temp")
    if temperature is not None and not (temperature == 1).all():
        raise CheckpointError(
            f"{path} was trained at temp {float(temperature.reshape(-1)[0]):g}, by which the "
            "authors' code multiplies the scales of its latents; only Gaussian VAEs of temp 1, "
            "their default, are read"
        )


def _check_sizes(config: dict[str, Any], ours: Architecture) -> None:
    """Raise if what the weights say of themselves is not what the config says of them."""
    for key, found in (
        ("n_latents", ours.n_latents),
        ("enc_bias", ours.encoder_bias),
        ("dec_bias", ours.decoder_bias),
    ):
        if key in config and config[key] != found:
            raise ValueError(f"it says {key} {config[key]!r}, the weights have {found}")


def _sizes(weights: dict[str, Tensor], outputs_per_latent: int) -> dict[str, int]:
    weight = weights.get("fc_enc.weight")
    if weight is None or weight.ndim != 2 or not weight.numel():
        raise ValueError("there is no matrix fc_enc.weight among them")
    n_outputs, n_inputs = weight.shape
    sizes = {"n_inputs": n_inputs, "n_latents": n_outputs // outputs_per_latent}
    for key, name in (("enc", "encoder_expansion"), ("dec.1", "decoder_expansion")):
        if f"{key}.fc1.weight" in weights:
            sizes[name] = weights[f"{key}.fc1.weight"].shape[0] // n_inputs
    return sizes


def _rename(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for key, value in weights.items():
        if key in _TRAINING_ONLY:
            continue
        if key in _PRIOR:
            renamed[key] = value.reshape(-1)
            continue
        for theirs in sorted(_NAMES, key=len, reverse=True):
            if key.startswith(f"{theirs}."):
                renamed[_NAMES[theirs] + key[len(theirs) :]] = value
                break
        else:
            raise ValueError(f"{key} is no parameter of such a model")
    return renamed
