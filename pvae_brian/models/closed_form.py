"""What has a closed form while the encoder's weights stay: prior, scale and linear decoder.

Each of these functions lowers the free energy as far as its part alone can, so that steps along
the gradient are left with the encoder's weights, and with what is not linear.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

import torch
from torch import Tensor

from pvae_brian.models.layers import Decoder, Encoder, LinearMap
from pvae_brian.models.poisson_vae import PoissonVAE

if TYPE_CHECKING:
    from pvae_brian.models.gaussian_vae import GaussianVAE

# A latent that never fires would have a prior rate of 0, of which there is no logarithm.
_LEAST_RATE = 1e-8
# One step changes a scale by no more than these factors, at the start and later, and leaves no
# rate above this one: images that are few, or all alike, would have infinite rates.
_FIRST_STEPS, _LATER_STEPS = 3.0, 1.25
_LARGEST_RATE = 1e4
# Of what is added to rates, this much changes nothing: the authors add the float32 epsilon.
_NO_OFFSET = 1e-6
# Below these, in squared error and nats, a latent counts for nothing and keeps its scale.
_NEGLIGIBLE = 1e-6
# Rounds of prior, decoder and scale at the start, and how many images they look at.
_ROUNDS = 16
IMAGES_AT_START = 4000
# Bounds the memory that the decoder's optimum takes.
_AT_ONCE = 4096


def encoder_head(model: PoissonVAE | GaussianVAE) -> LinearMap:
    """The linear map that ends the encoder of a model that was built from a config."""
    assert isinstance(model.encoder, Encoder)
    return model.encoder.head


def decoder_head(model: PoissonVAE | GaussianVAE) -> LinearMap:
    """The linear map that begins the decoder of such a model."""
    assert isinstance(model.decoder, Decoder)
    return model.decoder.head


def has_free_prior(model: PoissonVAE | GaussianVAE) -> TypeGuard[PoissonVAE]:
    """Whether a bias can take up a change of the prior, so that posterior rates stay.

    Not with excitatory gains only: these do not follow a bias one to one. A Gaussian VAE has no
    rates.
    """
    return (
        isinstance(model, PoissonVAE)
        and encoder_head(model).bias is not None
        and not model.excitatory_only
    )


def has_linear_decoder(model: PoissonVAE | GaussianVAE) -> bool:
    """Whether the expected error of the decoder has a closed form."""
    return isinstance(model.decoder, Decoder) and model.decoder.is_linear


def has_free_decoder(model: PoissonVAE | GaussianVAE) -> bool:
    """Whether the decoder is linear and free to take any weights."""
    return has_linear_decoder(model) and decoder_head(model).norm_dim is None


def has_free_scale(model: PoissonVAE | GaussianVAE) -> TypeGuard[PoissonVAE]:
    """Whether rates can grow while the decoder shrinks, and the gains stay as they are.

    A clamp on the rate, or what is added to it, does not grow along.
    """
    return (
        has_free_prior(model)
        and has_free_decoder(model)
        and model.rate_clamp is None
        and model.rate_offset <= _NO_OFFSET
    )


@torch.no_grad()
def set_prior(model: PoissonVAE, mean_rates: Tensor) -> None:
    r"""Move the prior rates to given ones, and leave the posterior rates as they are.

    For posterior rates :math:`\lambda`, the KL term
    :math:`E[r - \lambda + \lambda \ln(\lambda / r)]` is least at :math:`r = E[\lambda]`. The
    encoder's bias takes up the change of :math:`\log r`; the soft clamp on gains, at 10,
    touches only those that come near it.

    Parameters
    ----------
    model : PoissonVAE
        A model that `has_free_prior`.
    mean_rates : Tensor, shape (n_latents,)
        Mean posterior rates, without the clamp on the rate and without its offset.
    """
    log_rate = mean_rates.clamp_min(_LEAST_RATE).log().to(model.log_rate.dtype)
    encoder_head(model).bias.sub_(log_rate - model.log_rate)
    model.log_rate.copy_(log_rate)


@torch.no_grad()
def set_decoder(model: PoissonVAE | GaussianVAE, x: Tensor) -> None:
    r"""Give a linear decoder the weights that are best for these images.

    For latents of means :math:`m` and variances :math:`v`, the expected error
    :math:`E\|x - \Phi m\|^2 + \sum_i E[v_i] \|\phi_i\|^2` is least at

    .. math:: \Phi = E[x m^T]\,\big(E[m m^T] + \mathrm{diag}\,E[v]\big)^{-1},

    a ridge regression whose penalty is the noise of the latents itself.

    Parameters
    ----------
    model : PoissonVAE or GaussianVAE
        A model that `has_free_decoder`.
    x : Tensor, shape (n, n_inputs)
        Images.
    """
    head = decoder_head(model)
    # In double precision, for latents of large means are nearly collinear.
    moments = products = noise = torch.zeros((), dtype=torch.double, device=x.device)
    for batch in x.split(_AT_ONCE):
        posterior = model.posterior(batch)
        mean = posterior.mean.double()
        if head.bias is not None:
            # A bias is the weight of a latent that is always 1.
            mean = torch.cat([mean, torch.ones_like(mean[:, :1])], dim=1)
        moments = moments + mean.T @ mean / len(x)
        products = products + mean.T @ batch.double() / len(x)
        noise = noise + posterior.variance.double().sum(dim=0) / len(x)
    moments.diagonal()[: model.n_latents] += noise
    # In units in which all latents are of one size. For silent ones any weights are as good.
    size = moments.diagonal().sqrt()
    size = torch.where(size > 0, size, 1.0)
    moments = moments / size[:, None] / size
    moments.diagonal().fill_(1.0)
    weight = torch.linalg.solve(moments, products / size[:, None]).T / size
    head.weight.copy_(weight[:, : model.n_latents])
    if head.bias is not None:
        head.bias.copy_(weight[:, -1])


@torch.no_grad()
def set_scale(
    model: PoissonVAE, noise: Tensor, cost: Tensor, *, most: float = _LATER_STEPS
) -> Tensor:
    r"""Scale the rates of each latent up and its decoder column down, or the other way round.

    With :math:`r_i \to a_i r_i` and :math:`\phi_i \to \phi_i / a_i` the gains and the mean
    reconstruction stay. What changes of the free energy is

    .. math:: a_i^{-1} E[\lambda_i] \|\phi_i\|^2 + a_i\, \beta\, E[\mathrm{KL}_i],

    least at :math:`a_i = \sqrt{E[\lambda_i] \|\phi_i\|^2 / (\beta\,E[\mathrm{KL}_i])}`. So in a
    model that has converged the noise of each latent's spikes costs as much as its KL term.

    Parameters
    ----------
    model : PoissonVAE
        A model that `has_free_scale`.
    noise, cost : Tensor, shape (n_latents,)
        :math:`E[\lambda_i] \|\phi_i\|^2` and :math:`\beta\,E[\mathrm{KL}_i]`.
    most : float
        Factor by which a scale changes at the most.

    Returns
    -------
    Tensor, shape (n_latents,)
        The factors :math:`a_i`.
    """
    factor = ((noise + _NEGLIGIBLE) / (cost + _NEGLIGIBLE)).sqrt().clamp(1 / most, most)
    factor = factor.minimum(_LARGEST_RATE / model.log_rate.exp()).clamp_min(1 / most)
    model.log_rate.add_(factor.log())
    decoder_head(model).weight.div_(factor)
    return factor


@torch.no_grad()
def noise_and_cost(model: PoissonVAE, x: Tensor, beta: float) -> tuple[Tensor, Tensor]:
    """Return what `set_scale` weighs against each other, for a batch of images."""
    posterior = model.posterior(x)
    size = decoder_head(model).weight.square().sum(dim=0)
    return posterior.mean.mean(dim=0) * size, beta * posterior.kl.mean(dim=0)


@torch.no_grad()
def fit_start(model: PoissonVAE | GaussianVAE, x: Tensor, beta: float) -> None:
    """Fit prior, decoder and scale to some images, with the encoder's weights as they are.

    The rates at the start then follow from beta and the data, not from a first guess.

    Parameters
    ----------
    model : PoissonVAE or GaussianVAE
        A model, new or trained before. What has no closed form in it stays as it is.
    x : Tensor, shape (n, n_inputs)
        `IMAGES_AT_START` images, drawn at random.
    beta : float
        Weight of the KL term.
    """
    # With beta 0 rates cost nothing, and the best ones are infinite.
    scaled = model if has_free_scale(model) and beta > 0 else None
    for _ in range(1 if scaled is None else _ROUNDS):
        if has_free_prior(model):
            set_prior(model, model.posterior(x).free_mean.mean(dim=0))
        if has_free_decoder(model):
            set_decoder(model, x)
        if scaled is not None:
            set_scale(scaled, *noise_and_cost(scaled, x, beta), most=_FIRST_STEPS)
