"""What the models have in common: their architecture, and layers with random weights."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from pvae_brian._checks import check_positive_integer, check_seed
from pvae_brian.models.layers import Decoder, Encoder, LinearMap, ResidualDense

_ACTIVATIONS = {
    "silu": nn.SiLU,
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
    "none": nn.Identity,
}
_KINDS = ("linear", "mlp")


@dataclass(frozen=True)
class Architecture:
    """Encoder and decoder of a model, whatever its latents are.

    Attributes
    ----------
    n_inputs, n_latents : int
        Pixels of an image, and latent neurons.
    encoder, decoder : {'linear', 'mlp'}
        A linear map, or one with a residual dense layer of ReLU units.
    encoder_bias, decoder_bias : bool
        Biases of the linear maps.
    encoder_norm, decoder_norm : bool
        Normalise the encoder's rows, or the decoder's columns, to length 1 at every use.
    encoder_expansion, decoder_expansion : int
        Hidden units per input of the residual layers.
    activation : {'silu', 'relu', 'gelu', 'elu', 'leaky_relu', 'softplus', 'none'}
        Of an MLP decoder.
    """

    n_inputs: int
    n_latents: int
    encoder: str = "linear"
    decoder: str = "linear"
    encoder_bias: bool = True
    decoder_bias: bool = False
    encoder_norm: bool = False
    decoder_norm: bool = False
    encoder_expansion: int = 2
    decoder_expansion: int = 8
    activation: str = "silu"

    def __post_init__(self) -> None:
        # Plain Python values, so that a saved config is data that any reader takes.
        for name in ("n_inputs", "n_latents", "encoder_expansion", "decoder_expansion"):
            self._set(name, check_positive_integer(getattr(self, name), name))
        self._check_choice("encoder", _KINDS)
        self._check_choice("decoder", _KINDS)
        self._check_choice("activation", tuple(_ACTIVATIONS))
        for name in ("encoder_bias", "decoder_bias", "encoder_norm", "decoder_norm"):
            self._check_flag(name)

    def _check_choice(self, name: str, allowed: tuple[str, ...]) -> None:
        if getattr(self, name) not in allowed:
            raise ValueError(f"{name} must be one of {allowed}, got {getattr(self, name)!r}")

    def _check_flag(self, name: str) -> None:
        if getattr(self, name) not in (True, False):
            raise ValueError(f"{name} must be True or False, got {getattr(self, name)!r}")
        self._set(name, bool(getattr(self, name)))

    def _set(self, name: str, value: object) -> None:
        object.__setattr__(self, name, value)


def build_layers(
    config: Architecture, n_outputs: int, *, seed: int
) -> tuple[Encoder, Decoder, torch.Generator]:
    """Build an encoder and a decoder with random weights.

    Weights of a linear encoder, of the last map of an MLP encoder and of a linear decoder are
    normal with standard deviation 0.05, and their biases zero; layers of an MLP start as torch has
    them.

    Parameters
    ----------
    config : Architecture
        What to build.
    n_outputs : int
        Outputs of the encoder.
    seed : int
        Of all random numbers.

    Returns
    -------
    encoder : Encoder
    decoder : Decoder
    generator : torch.Generator
        To draw what a model needs besides.
    """
    seed = check_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    # torch initialises layers from its global state; the user's state stays as it was. Only the
    # CPU's is kept here, so only that is seeded: torch.manual_seed would seed a GPU as well.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        encoder = Encoder(
            ResidualDense(config.n_inputs, config.encoder_expansion)
            if config.encoder == "mlp"
            else nn.Identity(),
            LinearMap(
                config.n_inputs,
                n_outputs,
                bias=config.encoder_bias,
                norm_dim=1 if config.encoder_norm else None,
            ),
        )
        decoder = Decoder(
            LinearMap(
                config.n_latents,
                config.n_inputs,
                bias=config.decoder_bias,
                norm_dim=0 if config.decoder_norm else None,
            ),
            _dense_decoder_body(config) if config.decoder == "mlp" else nn.Identity(),
        )
    nn.init.normal_(encoder.head.weight, std=0.05, generator=generator)
    if encoder.head.bias is not None:
        nn.init.zeros_(encoder.head.bias)
    if decoder.is_linear:
        nn.init.normal_(decoder.head.weight, std=0.05, generator=generator)
        if decoder.head.bias is not None:
            nn.init.zeros_(decoder.head.bias)
    return encoder, decoder, generator


def _dense_decoder_body(config: Architecture) -> nn.Module:
    activation = _ACTIVATIONS[config.activation]
    return nn.Sequential(
        activation(),
        ResidualDense(config.n_inputs, config.decoder_expansion),
        activation(),
        nn.Linear(config.n_inputs, config.n_inputs),
    )
