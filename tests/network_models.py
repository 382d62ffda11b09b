"""Small encoders that several tests of networks use, with random weights."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from pvae_brian import Encoder, PoissonVAE, PoissonVAEConfig
from pvae_brian.data import shipped_model
from pvae_brian.loading import load_encoder

# Of layers and clamps: each is one that models have.
CHOICES = {
    "linear": {},
    "without bias": {"encoder_bias": False},
    "normalized": {"encoder_norm": True, "decoder_norm": True, "decoder_bias": True},
    "excitatory": {"excitatory_only": True},
    "clamped": {"rate_clamp": 1.0, "rate_offset": 1e-3},
    "excitatory and clamped": {"excitatory_only": True, "rate_clamp": 5.3},
    "mlp": {"encoder": "mlp"},
    "mlp decoder": {"decoder": "mlp"},
}


def small_encoder(seed: int, *, n_inputs: int = 9, n_latents: int = 4, **choices) -> Encoder:
    """An encoder of a model whose weights, biases and log rates are all random."""
    config = PoissonVAEConfig(n_inputs=n_inputs, n_latents=n_latents, **choices)
    model = PoissonVAE.from_config(config, seed=seed).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.5, generator=generator)
    return Encoder(model.eval(), (n_inputs,), {"format": "test"})


def affine_encoder(weight, bias, log_rate, decoder=None) -> Encoder:
    """An encoder of known numbers: the log gain is weight @ x + bias."""
    weight, bias = np.asarray(weight, dtype=float), np.asarray(bias, dtype=float)
    return Encoder.from_module(
        _linear(weight, bias),
        np.asarray(log_rate, dtype=float),
        image_shape=(weight.shape[1],),
        decoder=None if decoder is None else _linear(np.asarray(decoder, dtype=float), None),
    )


def _linear(weight: np.ndarray, bias: np.ndarray | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None).double()
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(weight))
        if bias is not None:
            layer.bias.copy_(torch.as_tensor(bias))
    return layer


def shipped_encoder() -> Encoder:
    return load_encoder(shipped_model())
