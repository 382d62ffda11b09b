"""The free energy that training minimises: exact, or sampled by relaxed arrival times."""

from __future__ import annotations

from typing import NamedTuple

import torch
from scipy.stats import poisson
from torch import Tensor

from pvae_brian.models.layers import Decoder
from pvae_brian.models.poisson_vae import PoissonVAE

# Arrivals that the relaxation draws per latent at the most, and the chance that more were due.
_MOST_ARRIVALS = 1000
_MISSED = 1e-5
# Below it no spike is to be seen, and gradients of the arrival times overflow to NaN.
_LEAST_RATE = 1e-12


class FreeEnergy(NamedTuple):
    """The terms of the free energy of a batch.

    Attributes
    ----------
    reconstruction, kl : Tensor
        Squared error, and KL in nats, means over images.
    mean_rates : Tensor, shape (n_latents,)
        Mean posterior rates without the clamp on the rate; no gradient flows through them.
    """

    reconstruction: Tensor
    kl: Tensor
    mean_rates: Tensor

    def total(self, beta: float) -> Tensor:
        r""":math:`F = \mathrm{reconstruction} + \beta\,\mathrm{KL}`."""
        return self.reconstruction + beta * self.kl


def free_energy(
    model: PoissonVAE,
    x: Tensor,
    *,
    temperature: float = 0.0,
    generator: torch.Generator | None = None,
) -> FreeEnergy:
    r"""The two terms of the free energy of a batch of images.

    With a linear decoder :math:`y = \Phi z + b` the expected error is exact,

    .. math::
        E\|x - y\|^2 = \|x - \Phi\lambda - b\|^2 + \sum_i \lambda_i \|\phi_i\|^2,

    with any other it is that of one sample per image: relaxed counts at a temperature
    above 0, Poisson counts at 0 (then no gradient reaches the rates through them).

    Parameters
    ----------
    model : PoissonVAE
        The model.
    x : Tensor, shape (n, n_inputs)
        Images.
    temperature : float
        Temperature of the relaxed counts; not used with a linear decoder.
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
    log_gain = model.log_gain(x)
    rates = model.posterior_rates(log_gain)
    kl = model.kl_divergence(log_gain).sum(dim=1)
    if isinstance(model.decoder, Decoder) and model.decoder.is_linear:
        residual = x - model.decode(rates)
        variance = model.decoder.head.effective_weight().square().sum(dim=0)
        reconstruction = residual.square().sum(dim=1) + rates @ variance
    else:
        if temperature > 0:
            counts = relaxed_counts(rates, temperature, generator)
        else:
            counts = torch.poisson(rates, generator)
        reconstruction = (x - model.decode(counts)).square().sum(dim=1)
    with torch.no_grad():
        mean_rates = model.posterior_rates(log_gain, clamped=False).mean(dim=0)
    return FreeEnergy(reconstruction.mean(), kl.mean(), mean_rates)


def relaxed_counts(
    rates: Tensor, temperature: float, generator: torch.Generator | None = None
) -> Tensor:
    r"""Counts of a Poisson process, made differentiable.

    Arrival times in a unit window are sums of exponential waiting times,
    :math:`t_k = \sum_{j \le k} e_j / \lambda`, and a hard count is the number of them below 1.
    The relaxed one is

    .. math:: z = \sum_k \mathrm{sigmoid}\big((1 - t_k) / \mathrm{temperature}\big),

    which tends to the hard one as the temperature falls to 0.

    Parameters
    ----------
    rates : Tensor, shape (n, n_latents)
        Expected counts.
    temperature : float
        Above 0.
    generator : torch.Generator, optional
        Source of the waiting times.

    Returns
    -------
    Tensor, shape (n, n_latents)

    Notes
    -----
    As many arrivals are drawn as the largest rate needs to fill a time of 1 + 2 temperatures in all
    but one of 100 000 draws, and 1000 at most; a later one would count for less than 0.12.
    The mean is :math:`\lambda\,\tau\,\mathrm{softplus}(1 / \tau)` at temperature
    :math:`\tau`: 1.31 times the rate at 1, and the rate itself at 0.2 and below, within 0.2 %.
    """
    if temperature <= 0:
        raise ValueError(f"temperature must be above 0, got {temperature}")
    # Arrivals beyond the window still count in part.
    largest = float(rates.detach().max()) * (1 + 2 * temperature)
    if largest < _MOST_ARRIVALS:
        n_arrivals = int(min(poisson.ppf(1 - _MISSED, largest) + 1, _MOST_ARRIVALS))
    else:
        # Infinite and NaN rates come here too, for the caller to notice in the free energy.
        n_arrivals = _MOST_ARRIVALS
    shape = (n_arrivals, *rates.shape)
    waiting = torch.empty(shape, dtype=rates.dtype, device=rates.device)
    waiting.exponential_(generator=generator)
    arrivals = waiting.cumsum(dim=0) / rates.clamp_min(_LEAST_RATE)
    return torch.sigmoid((1 - arrivals) / temperature).sum(dim=0)
