"""The encoder of a Gaussian VAE, the control: its activity as rates of the same neurons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import ndtr

from pvae_brian._checks import check_images
from pvae_brian.models.gaussian_vae import GaussianVAE
from pvae_brian.seam import Seam, as_numpy


@dataclass(frozen=True, eq=False)
class GaussianEncoder(Seam):
    r"""A trained control: from images to the activity of its rectified normal latents.

    .. math::
        a_i(x) = E[\max(0, v_i)] = \mu_i\,\Phi(\mu_i / \sigma_i) +
        \sigma_i\,\phi(\mu_i / \sigma_i), \qquad v_i \sim \mathrm{Normal}(\mu_i(x), \sigma_i(x)^2)

    It is used as an `Encoder` is: the same Poisson neurons, driven at :math:`a_i(x)` expected
    spikes per window, give its spikes. But its KL term knows no rates, so it foretells no cost: its
    prior rates are merely the activity of its prior. Made by `load_encoder`.

    Attributes
    ----------
    model : GaussianVAE
        The torch model that does the work.
    image_shape : tuple of int
        Shape of one image as the model takes it.
    details : dict
        Where it comes from: file, format, and what the file says of its making.

    References
    ----------
    Vafaii, Galor, Yates (2024), Poisson Variational Autoencoder, NeurIPS, arXiv:2405.14473.

    Examples
    --------
    >>> import numpy as np
    >>> from pvae_brian import GaussianVAE, GaussianVAEConfig, load_encoder, save_checkpoint
    >>> model = GaussianVAE.from_config(GaussianVAEConfig(n_inputs=64, n_latents=16))
    >>> save_checkpoint(model, "control.pt")
    >>> encoder = load_encoder("control.pt")
    >>> encoder.family, encoder.posterior_rates(np.zeros((3, 64))).shape
    ('gaussian-relu', (3, 16))
    """

    model: GaussianVAE

    @property
    def prior_rates(self) -> np.ndarray:
        """Activity of the prior, in spikes per window: shape (n_latents,)."""
        self._check_rates()
        with torch.no_grad():
            return as_numpy(self.model.prior().mean[0])

    def posterior_rates(self, images: ArrayLike, *, clamped: bool = True) -> np.ndarray:
        """Activity a_i(x) as expected spikes per window, shape (n_stimuli, n_latents).

        Parameters
        ----------
        images : array_like
            Shape (n_stimuli, n_inputs), (n_stimuli, height, width) or
            (n_stimuli, 1, height, width).
        clamped : bool
            As of `Encoder.posterior_rates`. There is no clamp on the rates, so it changes nothing.

        Raises
        ------
        ValueError
            If images have the wrong size, are not finite, or if there are none; and if nothing
            rectifies the latents, for latents of both signs are no rates.
        """
        self._check_rates()
        return self._posterior(images, "mean")

    def loc(self, images: ArrayLike) -> np.ndarray:
        """Mean of the latents before the rectifier, shape (n_stimuli, n_latents).

        Parameters
        ----------
        images : array_like
            As in `posterior_rates`.
        """
        return self._posterior(images, "loc")

    def scale(self, images: ArrayLike) -> np.ndarray:
        """Standard deviation of the latents before the rectifier, shape (n_stimuli, n_latents).

        Parameters
        ----------
        images : array_like
            As in `posterior_rates`.
        """
        return self._posterior(images, "scale")

    def kl_per_latent(self, images: ArrayLike) -> np.ndarray:
        """The model's KL term in nats, shape (n_stimuli, n_latents): between normal laws.

        Parameters
        ----------
        images : array_like
            As in `posterior_rates`.
        """
        return self._posterior(images, "kl")

    def latent_zeros(self, images: ArrayLike) -> np.ndarray:
        r"""Chance that a latent of the model is zero, :math:`\Phi(-\mu_i / \sigma_i)`.

        Zero for all where nothing rectifies them. Not that of the counts of the neurons that are
        driven at the activity, which is :math:`e^{-a_i}`.

        Parameters
        ----------
        images : array_like
            As in `posterior_rates`.

        Returns
        -------
        ndarray, shape (n_stimuli, n_latents)
        """
        loc = self.loc(images)
        return ndtr(-loc / self.scale(images)) if self.model.is_rectified else np.zeros_like(loc)

    def _posterior(self, images: ArrayLike, name: str) -> np.ndarray:
        images = check_images(images, self.n_inputs)
        return self._encode(lambda x: getattr(self.model.posterior(x), name), images)

    def _check_rates(self) -> None:
        if not self.model.is_rectified:
            raise ValueError(
                "latents of both signs are no rates: this control is a Gaussian VAE without an "
                "activation on its latents; take one with a ReLU"
            )
