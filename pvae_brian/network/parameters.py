"""The weights of an encoder and its decoder as arrays: all that a network needs of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.models.layers import Decoder, LinearMap, ResidualDense
from pvae_brian.models.layers import Encoder as EncoderLayers
from pvae_brian.models.poisson_vae import LOG_GAIN_CLAMP
from pvae_brian.seam import as_numpy

if TYPE_CHECKING:
    from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear map, y = W x + b.

    Attributes
    ----------
    weight : ndarray of float64, shape (n_out, n_in)
    bias : ndarray of float64, shape (n_out,)
        Zeros where the model has none.
    """

    weight: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, eq=False)
class Residual:
    """A residual layer of ReLU units: LayerNorm(x + W2 relu(W1 x + b1) + b2).

    Attributes
    ----------
    hidden, back : Dense
        Into the ReLU units, and back.
    gain, shift : ndarray of float64, shape (n,)
        Of the normalization.
    epsilon : float
        Added to the variance in it.
    """

    hidden: Dense
    back: Dense
    gain: np.ndarray
    shift: np.ndarray
    epsilon: float


@dataclass(frozen=True, eq=False)
class NetworkParameters:
    r"""All that a network needs of a trained P-VAE.

    .. math::
        u(x) = W\,\mathrm{body}(x) + b, \qquad
        \lambda(x) = \exp(\mathrm{softclamp}(\log r + \mathrm{clamp}(u), c)) + \epsilon,
        \qquad y = \Phi z + b_y

    Attributes
    ----------
    body : Residual or None
        Layer before the encoder's linear map; None for a linear encoder.
    encoder : Dense
        W, of shape (n_latents, n_inputs), and b.
    log_rate : ndarray of float64, shape (n_latents,)
        log r, of the prior rates in expected spikes per window.
    log_gain_clamp : float
        Soft upper clamp on the log gain.
    is_excitatory : bool
        Whether log gains are clamped at 0 from below too.
    rate_clamp : float or None
        c; None for none.
    rate_offset : float
        :math:`\epsilon`.
    decoder : Dense or None
        :math:`\Phi`, of shape (n_outputs, n_latents), whose column i is the feature of latent i;
        None where the model has no decoder.
    has_linear_decoder : bool
        Whether `decoder` is the whole of the model's decoder. Else it is only the first of its
        layers.
    """

    body: Residual | None
    encoder: Dense
    log_rate: np.ndarray
    log_gain_clamp: float
    is_excitatory: bool
    rate_clamp: float | None
    rate_offset: float
    decoder: Dense | None
    has_linear_decoder: bool

    @property
    def n_inputs(self) -> int:
        """Pixels of an image."""
        return self.encoder.weight.shape[1]

    @property
    def n_latents(self) -> int:
        """Latent neurons."""
        return self.encoder.weight.shape[0]


def read_parameters(encoder: Encoder | GaussianEncoder) -> NetworkParameters:
    """Take the weights out of an encoder.

    Parameters
    ----------
    encoder : Encoder
        With a linear encoder, or an MLP of this package or the authors' code.

    Returns
    -------
    NetworkParameters

    Raises
    ------
    TypeError
        If it is no encoder of a P-VAE.
    ValueError
        If its layers have no counterpart in a network of synapses.

    Examples
    --------
    >>> from pvae_brian import load_encoder
    >>> from pvae_brian.data import shipped_model
    >>> parameters = read_parameters(load_encoder(shipped_model()))
    >>> parameters.encoder.weight.shape, parameters.decoder.weight.shape, parameters.body
    ((256, 256), (256, 256), None)
    """
    if not isinstance(encoder, Encoder):
        raise TypeError(
            "a network is built of a P-VAE, for its neurons have an exponential nonlinearity; got "
            f"{type(encoder).__name__}; simulate(encoder.posterior_rates(images)) drives Poisson "
            "neurons at the activity of a control"
        )
    model = encoder.model
    body, head = _encoder_layers(model.encoder)
    decoder = _first_of_decoder(model.decoder)
    return NetworkParameters(
        body=body,
        encoder=head,
        log_rate=as_numpy(model.log_rate),
        log_gain_clamp=LOG_GAIN_CLAMP,
        is_excitatory=model.excitatory_only,
        rate_clamp=model.rate_clamp,
        rate_offset=model.rate_offset,
        decoder=decoder,
        has_linear_decoder=encoder.has_linear_decoder,
    )


def _encoder_layers(module: nn.Module) -> tuple[Residual | None, Dense]:
    from torch import nn

    if isinstance(module, nn.Linear):
        return None, _dense(module)
    if isinstance(module, EncoderLayers):
        if isinstance(module.body, nn.Identity):
            return None, _dense(module.head)
        if isinstance(module.body, ResidualDense):
            return _residual(module.body), _dense(module.head)
    raise ValueError(
        "a network of synapses holds linear encoders and the MLPs of this package and of the "
        f"authors' code, got an encoder of type {type(module).__name__}; for any other take "
        "convert or simulate, which drive the latent neurons at its rates"
    )


def _first_of_decoder(module: nn.Module | None) -> Dense | None:
    from torch import nn

    if isinstance(module, Decoder):
        return _dense(module.head)
    if isinstance(module, nn.Linear):
        return _dense(module)
    if module is None:
        return None
    raise ValueError(
        "the readout adds the feature of each spike, so a decoder must begin with a linear map, "
        f"got one of type {type(module).__name__}; make the encoder with decoder=None, and decode "
        "the counts yourself"
    )


def _dense(layer: nn.Linear) -> Dense:
    # The authors' models normalize some weights at each use.
    used = layer.effective_weight() if isinstance(layer, LinearMap) else layer.weight
    return Dense(as_numpy(used), _vector(layer.bias, layer.out_features))


def _residual(layer: ResidualDense) -> Residual:
    norm = layer.layer_norm
    return Residual(
        hidden=_dense(layer.fc1),
        back=_dense(layer.fc2),
        gain=as_numpy(norm.weight),
        shift=_vector(norm.bias, norm.normalized_shape[0]),
        epsilon=norm.eps,
    )


def _vector(bias: Tensor | None, n: int) -> np.ndarray:
    return np.zeros(n) if bias is None else as_numpy(bias)
