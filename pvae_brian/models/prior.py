"""The prior at its optimum: the best prior rate of a latent is its mean posterior rate."""

from __future__ import annotations

import torch
from torch import Tensor

from pvae_brian.models.poisson_vae import PoissonVAE

# A latent that never fires would have a prior rate of 0, of which there is no logarithm.
_LEAST_RATE = 1e-8


def has_free_prior(model: PoissonVAE) -> bool:
    """Whether a bias can take up a change of the prior, so that posterior rates stay.

    Not with excitatory gains only: these do not follow a bias one to one.
    """
    return model.encoder.head.bias is not None and not model.excitatory_only


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
        A model with an encoder bias, and not of excitatory gains only.
    mean_rates : Tensor, shape (n_latents,)
        Mean posterior rates, without the clamp on the rate.
    """
    log_rate = mean_rates.clamp_min(_LEAST_RATE).log().to(model.log_rate.dtype)
    model.encoder.head.bias -= log_rate - model.log_rate
    model.log_rate.copy_(log_rate)


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
