"""The free energy that training minimises: exact with a linear decoder, else sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from pvae_brian.models.closed_form import decoder_head, has_linear_decoder

if TYPE_CHECKING:
    from pvae_brian.models.gaussian_vae import GaussianPosterior, GaussianVAE
    from pvae_brian.models.poisson_vae import PoissonPosterior, PoissonVAE


class FreeEnergy(NamedTuple):
    """The terms of the free energy of a batch.

    Attributes
    ----------
    reconstruction, kl : Tensor
        Squared error, and KL in nats, means over images.
    mean_rates : Tensor, shape (n_latents,)
        Mean of the expected latents, without the clamp on the rate and without its offset; no
        gradient flows through them.
    """

    reconstruction: Tensor
    kl: Tensor
    mean_rates: Tensor

    def total(self, beta: float) -> Tensor:
        r""":math:`F = \mathrm{reconstruction} + \beta\,\mathrm{KL}`."""
        return self.reconstruction + beta * self.kl


def free_energy(
    model: PoissonVAE | GaussianVAE,
    x: Tensor,
    *,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> FreeEnergy:
    r"""The two terms of the free energy of a batch of images.

    With a linear decoder :math:`y = \Phi z + b` the expected error is exact. For latents of mean
    :math:`m_i(x)` and variance :math:`v_i(x)`, which for spike counts are both the rate,

    .. math::
        E\|x - y\|^2 = \|x - \Phi m - b\|^2 + \sum_i v_i \|\phi_i\|^2.

    With any other decoder it is that of one sample per image: relaxed counts at a temperature
    above 0, Poisson counts at 0 (then no gradient reaches the rates through them).

    Parameters
    ----------
    model : PoissonVAE or GaussianVAE
        The model.
    x : Tensor, shape (n, n_inputs)
        Images.
    temperature : float
        Temperature of the relaxed counts; used neither with a linear decoder nor by a Gaussian VAE.
    generator : torch.Generator, optional
        Source of the samples.

    Returns
    -------
    FreeEnergy
        Reconstruction error, KL, and mean posterior rates.

    References
    ----------
    Vafaii, Galor, Yates (2024), arXiv:2405.14473, for the closed form and the relaxation.

    Examples
    --------
    >>> import torch
    >>> from pvae_brian.models import PoissonVAE, PoissonVAEConfig, free_energy
    >>> model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=16, n_latents=4))
    >>> energy = free_energy(model, torch.zeros(2, 16))
    >>> bool(energy.kl >= 0)
    True
    """
    return weigh(model, x, model.posterior(x), temperature=temperature, generator=generator)


def weigh(
    model: PoissonVAE | GaussianVAE,
    x: Tensor,
    posterior: PoissonPosterior | GaussianPosterior,
    *,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> FreeEnergy:
    """The same as `free_energy`, for a posterior that is known already."""
    if has_linear_decoder(model):
        residual = x - model.decode(posterior.mean)
        size = decoder_head(model).effective_weight().square().sum(dim=0)
        reconstruction = residual.square().sum(dim=1) + posterior.variance @ size
    else:
        latents = posterior.sample(temperature, generator)
        reconstruction = (x - model.decode(latents)).square().sum(dim=1)
    return FreeEnergy(
        reconstruction.mean(),
        posterior.kl.sum(dim=1).mean(),
        posterior.free_mean.detach().mean(dim=0),
    )
