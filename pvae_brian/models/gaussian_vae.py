"""The Gaussian variational autoencoder: the control of the Poisson one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pvae_brian.models.building import Architecture, build_layers
from pvae_brian.models.rectified import rectified_moments

# Of the log scale, in the authors' code: standard deviations from 0.005 to 200.
LOG_SCALE_CLAMP = 5.3
_LATENT_ACTIVATIONS = ("relu", "none")


@dataclass(frozen=True)
class GaussianVAEConfig(Architecture):
    """The architecture of a Gaussian VAE.

    Attributes
    ----------
    n_inputs, n_latents, encoder, decoder, encoder_bias, decoder_bias, encoder_norm, decoder_norm
        As of `PoissonVAEConfig`, and so are encoder_expansion, decoder_expansion and activation.
    latent_activation : {'relu', 'none'}
        What acts on a latent before it is decoded. With 'relu' none is negative, so that their
        means may be rates of spikes.
    """

    latent_activation: str = "relu"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("latent_activation", _LATENT_ACTIVATIONS)


@dataclass(frozen=True, eq=False)
class GaussianPosterior:
    """The law of the latents given images: independent normal ones, behind the activation.

    Attributes
    ----------
    loc, scale : Tensor, shape (n, n_latents)
        Mean and standard deviation before the activation.
    mean, variance : Tensor, shape (n, n_latents)
        Of the latents, behind the activation.
    kl : Tensor, shape (n, n_latents)
        Divergence from the prior in nats. No activation changes it: it knows no rates.
    is_rectified : bool
        Whether the activation is a rectifier.
    """

    loc: Tensor
    scale: Tensor
    mean: Tensor
    variance: Tensor
    kl: Tensor
    is_rectified: bool

    @property
    def free_mean(self) -> Tensor:
        """Expected latents without a clamp on them, shape (n, n_latents): there is none."""
        return self.mean

    def sample(self, temperature: float = 0.0, generator: torch.Generator | None = None) -> Tensor:
        """Draw latents, shape (n, n_latents), through which gradients flow at any temperature."""
        noise = torch.empty_like(self.loc).normal_(generator=generator)
        value = self.loc + self.scale * noise
        return torch.relu(value) if self.is_rectified else value


class GaussianVAE(nn.Module):
    r"""Latents are normal around a fixed prior, and rectified before they are decoded.

    For an image :math:`x` and latent :math:`i`, with prior mean :math:`m_i` and log scale
    :math:`s_i`, both 0 unless they were trained, and the encoder's outputs
    :math:`a_i(x), b_i(x)`:

    .. math::
        \mu_i(x) &= m_i + a_i(x) \\
        \ln \sigma_i(x) &= c \tanh((s_i + b_i(x)) / c), \qquad c = 5.3 \\
        z_i &= \max(0, v_i), \qquad v_i \sim \mathrm{Normal}(\mu_i, \sigma_i^2), \qquad
        y = \mathrm{decoder}(z) \\
        \mathrm{KL}_i(x) &= \frac{1}{2} \left( \frac{(\mu_i - m_i)^2}{\sigma_{0,i}^2} +
        \frac{\sigma_i^2}{\sigma_{0,i}^2} - 2 \ln \frac{\sigma_i}{\sigma_{0,i}} - 1 \right)

    The prior's scale :math:`\sigma_{0,i}` passes the same clamp as the posterior's. With
    ``latent_activation='none'`` the latents are :math:`z_i = v_i`.

    Parameters
    ----------
    encoder : nn.Module
        From images (n, n_inputs) to (n, 2 * n_latents): all :math:`a_i`, then all :math:`b_i`.
    decoder : nn.Module or None
        From latents (n, n_latents) to images (n, n_inputs), if reconstructions are wanted.
    loc, log_scale : Tensor, shape (n_latents,)
        Of the prior. Training leaves them as they are.
    latent_activation : {'relu', 'none'}
        As of `GaussianVAEConfig`.

    References
    ----------
    Vafaii, Galor, Yates (2024), Poisson Variational Autoencoder, NeurIPS, arXiv:2405.14473, for the
    control; their code, github.com/hadivafaii/PoissonVAE, for the clamp.

    Examples
    --------
    >>> import torch
    >>> from pvae_brian.models import GaussianVAE, GaussianVAEConfig
    >>> model = GaussianVAE.from_config(GaussianVAEConfig(n_inputs=64, n_latents=16))
    >>> posterior = model.posterior(torch.zeros(3, 64))
    >>> posterior.mean.shape, bool((posterior.kl == 0).all())
    (torch.Size([3, 16]), True)
    """

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module | None,
        loc: Tensor,
        log_scale: Tensor,
        *,
        latent_activation: str = "relu",
        config: GaussianVAEConfig | None = None,
    ):
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.loc: Tensor
        self.log_scale: Tensor
        self.register_buffer("loc", loc)
        self.register_buffer("log_scale", log_scale)
        self.latent_activation = latent_activation
        self.config = config

    @classmethod
    def from_config(cls, config: GaussianVAEConfig, *, seed: int = 0) -> GaussianVAE:
        """Build a new model with random weights, of the same law as `PoissonVAE.from_config`'s."""
        encoder, decoder, _ = build_layers(config, 2 * config.n_latents, seed=seed)
        return cls(
            encoder,
            decoder,
            torch.zeros(config.n_latents),
            torch.zeros(config.n_latents),
            latent_activation=config.latent_activation,
            config=config,
        )

    @property
    def family(self) -> str:
        """'gaussian-relu', or 'gaussian' without an activation."""
        return "gaussian-relu" if self.is_rectified else "gaussian"

    @property
    def is_rectified(self) -> bool:
        """Whether no latent is negative."""
        return self.latent_activation == "relu"

    @property
    def n_latents(self) -> int:
        """Latent neurons."""
        return self.loc.numel()

    def prior(self) -> GaussianPosterior:
        """Return the law of the latents without an image, as of one image: shape (1, n_latents)."""
        return self._law(self.loc[None], _clamp(self.log_scale[None]))

    def posterior(self, x: Tensor) -> GaussianPosterior:
        """Return the law of the latents given images (n, n_inputs)."""
        loc, log_scale = self.encoder(x).chunk(2, dim=1)
        return self._law(loc + self.loc, _clamp(log_scale + self.log_scale))

    def _law(self, loc: Tensor, log_scale: Tensor) -> GaussianPosterior:
        scale = log_scale.exp()
        if self.is_rectified:
            mean, variance = rectified_moments(loc, scale)
        else:
            mean, variance = loc, scale.square()
        log_prior_scale = _clamp(self.log_scale)
        wider = 2 * (log_scale - log_prior_scale)
        shift = (loc - self.loc) / log_prior_scale.exp()
        # (sigma / sigma_0)^2 - 1 - 2 ln(sigma / sigma_0), with the digits of scales that are close.
        kl = 0.5 * (shift.square() + (torch.expm1(wider) - wider))
        return GaussianPosterior(loc, scale, mean, variance, kl, self.is_rectified)

    def decode(self, z: Tensor) -> Tensor:
        """Reconstruct images from latents (n, n_latents), as they are behind the activation."""
        if self.decoder is None:
            raise ValueError("this model has no decoder; give one to reconstruct images")
        return self.decoder(z)


def _clamp(log_scale: Tensor) -> Tensor:
    return LOG_SCALE_CLAMP * torch.tanh(log_scale / LOG_SCALE_CLAMP)
