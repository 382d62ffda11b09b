"""The Poisson variational autoencoder."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pvae_brian.models.building import Architecture, build_layers
from pvae_brian.models.layers import excitatory_clamp, soft_clamp
from pvae_brian.models.relaxation import relaxed_counts

LOG_GAIN_CLAMP = 10.0


@dataclass(frozen=True)
class PoissonVAEConfig(Architecture):
    """The architecture of a Poisson VAE.

    Attributes
    ----------
    n_inputs, n_latents : int
        Pixels of an image, and latent neurons.
    encoder, decoder : {'linear', 'mlp'}
        A linear map, or one with a residual dense layer of ReLU units.
    encoder_bias, decoder_bias : bool
        Biases of the linear maps. With an encoder bias the best prior rates equal the mean
        posterior rates. A linear encoder without one, on images of mean zero, has gains of mean
        above 1 by Jensen's inequality, so the prior rates stay below, often several times.
    encoder_norm, decoder_norm : bool
        Normalise the encoder's rows, or the decoder's columns, to length 1 at every use.
    encoder_expansion, decoder_expansion : int
        Hidden units per input of the residual layers.
    activation : {'silu', 'relu', 'gelu', 'elu', 'leaky_relu', 'softplus', 'none'}
        Of an MLP decoder.
    excitatory_only : bool
        Gains of 1 and above only: stimuli excite and never inhibit.
    rate_clamp : float or None
        Soft upper clamp on the log posterior rate, or None for no clamp (then the KL term is
        the exact divergence between the Poisson laws).
    rate_offset : float
        Added to each posterior rate.
    """

    excitatory_only: bool = False
    rate_clamp: float | None = None
    rate_offset: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_flag("excitatory_only")
        self._set("rate_clamp", _check_clamp(self.rate_clamp))
        if not (math.isfinite(self.rate_offset) and self.rate_offset >= 0):
            raise ValueError(f"rate_offset must be finite and not negative, got {self.rate_offset}")
        self._set("rate_offset", float(self.rate_offset))


@dataclass(frozen=True, eq=False)
class PoissonPosterior:
    """The law of the counts given images: independent Poisson counts.

    Attributes
    ----------
    mean : Tensor, shape (n, n_latents)
        Expected counts, which are their variances too.
    kl : Tensor, shape (n, n_latents)
        The model's KL term in nats.
    free_mean : Tensor, shape (n, n_latents)
        Expected counts without the clamp on the rate and without its offset.
    """

    mean: Tensor
    kl: Tensor
    free_mean: Tensor

    @property
    def variance(self) -> Tensor:
        """Variance of the counts, shape (n, n_latents)."""
        return self.mean

    def sample(self, temperature: float, generator: torch.Generator | None = None) -> Tensor:
        """Draw counts, relaxed ones at a temperature above 0; no gradient flows at 0."""
        if temperature > 0:
            return relaxed_counts(self.mean, temperature, generator)
        return torch.poisson(self.mean, generator)


class PoissonVAE(nn.Module):
    r"""Latents are spike counts, drawn from Poisson laws around a learned prior rate.

    For an image :math:`x` and latent :math:`i`, with prior rate :math:`r_i = e^{u_i}`:

    .. math::
        \log dr_i(x) &= \mathrm{softclamp}(\mathrm{encoder}_i(x), 10) \\
        \lambda_i(x) &= \exp(\mathrm{softclamp}(u_i + \log dr_i(x), c)) + \epsilon \\
        z_i &\sim \mathrm{Poisson}(\lambda_i(x)), \qquad y = \mathrm{decoder}(z) \\
        \mathrm{KL}_i(x) &= r_i\,(1 - dr_i + dr_i \log dr_i)

    Parameters
    ----------
    encoder : nn.Module
        From images of shape (n, n_inputs), or of any shape for a user's own module, to raw
        log-gains (n, n_latents).
    decoder : nn.Module or None
        From counts (n, n_latents) to images (n, n_inputs), if reconstructions are wanted.
    log_rate : Tensor, shape (n_latents,)
        Log of the prior rates, in expected spikes per window.
    excitatory_only : bool
        Clamp the log-gain between 0 and 10 instead of from above only.
    rate_clamp : float or None
        The soft clamp :math:`c` on the log posterior rate; None for none.
    rate_offset : float
        :math:`\epsilon`.

    References
    ----------
    Vafaii, Galor, Yates (2024), Poisson Variational Autoencoder, NeurIPS, arXiv:2405.14473.

    Examples
    --------
    >>> import torch
    >>> from pvae_brian.models import PoissonVAE, PoissonVAEConfig
    >>> model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=64, n_latents=16))
    >>> log_gain = model.log_gain(torch.zeros(3, 64))
    >>> model.posterior_rates(log_gain).shape, model.kl_divergence(log_gain).shape
    (torch.Size([3, 16]), torch.Size([3, 16]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module | None,
        log_rate: Tensor,
        *,
        excitatory_only: bool = False,
        rate_clamp: float | None = None,
        rate_offset: float = 0.0,
        config: PoissonVAEConfig | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.log_rate = nn.Parameter(log_rate)
        self.excitatory_only = excitatory_only
        self.rate_offset = rate_offset
        self.config = config
        self.set_rate_clamp(rate_clamp)

    @classmethod
    def from_config(cls, config: PoissonVAEConfig, *, seed: int = 0) -> PoissonVAE:
        """Build a new model with random weights.

        Weights of a linear encoder, of the last map of an MLP encoder and of a linear decoder are
        normal with standard deviation 0.05, their biases zero, and log prior rates uniform between
        -6 and -4, as in the authors' code; layers of an MLP start as torch has them.
        """
        encoder, decoder, generator = build_layers(config, config.n_latents, seed=seed)
        log_rate = torch.empty(config.n_latents).uniform_(-6.0, -4.0, generator=generator)
        return cls(
            encoder,
            decoder,
            log_rate,
            excitatory_only=config.excitatory_only,
            rate_clamp=config.rate_clamp,
            rate_offset=config.rate_offset,
            config=config,
        )

    family = "poisson"

    @property
    def n_latents(self) -> int:
        """Latent neurons."""
        return self.log_rate.numel()

    def set_rate_clamp(self, rate_clamp: float | None) -> None:
        """Replace the soft clamp on the log posterior rate; None for none.

        Raises
        ------
        ValueError
            If it is not finite.
        """
        self.rate_clamp = _check_clamp(rate_clamp)
        if self.config is not None:
            # What is saved later is the model as it is.
            self.config = dataclasses.replace(self.config, rate_clamp=self.rate_clamp)

    def log_gain(self, x: Tensor) -> Tensor:
        """Log of the gains, clamped softly: shape (n, n_latents)."""
        clamp = excitatory_clamp if self.excitatory_only else soft_clamp
        return clamp(self.encoder(x), LOG_GAIN_CLAMP)

    def posterior_rates(self, log_gain: Tensor, *, clamped: bool = True) -> Tensor:
        """Expected spikes per window: shape (n, n_latents), with or without the clamp."""
        log_posterior = self.log_rate + log_gain
        if clamped and self.rate_clamp is not None:
            log_posterior = soft_clamp(log_posterior, self.rate_clamp)
        return log_posterior.exp() + self.rate_offset

    def kl_divergence(self, log_gain: Tensor) -> Tensor:
        """The model's KL term in nats, per image and latent: shape (n, n_latents)."""
        # 1 + dr (ln dr - 1), in a form that keeps its digits where dr is close to 1.
        return self.log_rate.exp() * (log_gain * log_gain.exp() - torch.expm1(log_gain))

    def posterior(self, x: Tensor) -> PoissonPosterior:
        """Return the law of the counts given images (n, n_inputs)."""
        log_gain = self.log_gain(x)
        mean = self.posterior_rates(log_gain)
        is_free = self.rate_clamp is None and self.rate_offset == 0
        return PoissonPosterior(
            mean=mean,
            kl=self.kl_divergence(log_gain),
            free_mean=mean if is_free else (self.log_rate + log_gain).exp(),
        )

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct images from counts (n, n_latents)."""
        if self.decoder is None:
            raise ValueError("this model has no decoder; give one to reconstruct images")
        return self.decoder(z)


def _check_clamp(value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, str) or not math.isfinite(value):
        raise ValueError(f"rate_clamp must be a finite number, or None for none, got {value!r}")
    return float(value)
