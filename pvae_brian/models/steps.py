"""One step of training: along the gradient, and to the optimum of what has a closed form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pvae_brian.models.closed_form import (
    decoder_head,
    encoder_head,
    has_free_prior,
    has_free_scale,
    set_prior,
    set_scale,
)
from pvae_brian.models.gaussian_vae import GaussianVAE
from pvae_brian.models.objective import weigh
from pvae_brian.models.poisson_vae import PoissonVAE

_MAX_GRADIENT = 500.0
# Share of the training in which relaxed counts cool down.
COOLED = 0.5
# Steps from one change of the scales to the next.
_BETWEEN_SCALES = 10


def make_step(
    model: PoissonVAE | GaussianVAE,
    beta: float,
    learning_rate: float,
    temperature: tuple[float, float],
    closed_form: bool,
    generator: torch.Generator,
) -> Callable[[Tensor, float, float, float], np.ndarray]:
    """Return what trains a model by one batch.

    It takes the batch, the share of the learning rate and of beta, and the share of the training
    that is done; it gives the batch's mean error, KL and sum of expected latents before the step.
    """
    free_prior = model if has_free_prior(model) else None
    # With beta 0 rates cost nothing, and the best ones are infinite.
    scaled = model if closed_form and beta > 0 and has_free_scale(model) else None
    mean_rates, noise, kl = RunningMean(), RunningMean(), RunningMean()
    # A prior that a bias can make up for needs no gradient: its optimum is known.
    parameters = [
        parameter
        for name, parameter in model.named_parameters()
        if free_prior is None or name != "log_rate"
    ]
    optimizer = torch.optim.Adamax(parameters, lr=learning_rate)
    n_steps = 0

    def step(batch: Tensor, factor: float, weight: float, done: float) -> np.ndarray:
        nonlocal n_steps
        posterior = model.posterior(batch)
        energy = weigh(
            model,
            batch,
            posterior,
            temperature=_anneal(temperature, done),
            generator=generator,
        )
        for group in optimizer.param_groups:
            group["lr"] = factor * learning_rate
        if scaled is not None:
            size = decoder_head(scaled).weight.detach().square().sum(dim=0)
            noise_now = noise.update(posterior.mean.detach().mean(dim=0) * size)
            kl_now = kl.update(posterior.kl.detach().mean(dim=0))
        model.zero_grad()
        energy.total(beta * weight).backward()
        torch.nn.utils.clip_grad_norm_(parameters, _MAX_GRADIENT)
        if scaled is not None:
            _shorter_step(scaled, optimizer)
        else:
            optimizer.step()
        if free_prior is not None:
            prior = mean_rates.update(energy.mean_rates)
            n_steps += 1
            if scaled is not None and weight > 0 and n_steps % _BETWEEN_SCALES == 0:
                change = set_scale(scaled, noise_now, beta * weight * kl_now)
                prior = prior * change
                for mean, ratio in ((mean_rates, change), (noise, 1 / change), (kl, change)):
                    mean.scale(ratio)
            set_prior(free_prior, prior)
        return np.array(
            [energy.reconstruction.item(), energy.kl.item(), energy.mean_rates.sum().item()]
        )

    return step


@torch.no_grad()
def _shorter_step(model: PoissonVAE, optimizer: torch.optim.Optimizer) -> None:
    r"""Take a step, by :math:`1 / \sqrt{1 + r_i}` shorter where a latent's rate is high.

    Adamax moves all weights alike, but at a high rate :math:`r` the spread of counts is
    :math:`\sqrt{r}`, so that log gains and decoder columns are of size :math:`1 / \sqrt{r}`.
    """
    shares = (1 + model.log_rate.exp()).rsqrt()
    encoder, decoder = encoder_head(model), decoder_head(model)
    steps = ((encoder.weight, shares[:, None]), (encoder.bias, shares), (decoder.weight, shares))
    before = [parameter.clone() for parameter, _ in steps]
    optimizer.step()
    for (parameter, share), start in zip(steps, before, strict=True):
        parameter.copy_(torch.lerp(start, parameter, share))


def _anneal(temperature: tuple[float, float], done: float) -> float:
    first, last = temperature
    return first + (last - first) * min(1.0, done / COOLED)


class RunningMean:
    """An exponential moving average without bias at its start."""

    def __init__(self, decay: float = 0.98):
        self._decay = decay
        self._sum: Tensor | float = 0.0
        self._weight = 0.0

    def update(self, value: Tensor) -> Tensor:
        """Take in a value and return the mean so far."""
        self._sum = self._decay * self._sum + (1 - self._decay) * value
        self._weight = self._decay * self._weight + (1 - self._decay)
        return self._sum / self._weight

    def scale(self, factor: Tensor) -> None:
        """Multiply all that was taken in."""
        self._sum = self._sum * factor
