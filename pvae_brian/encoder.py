"""The encoder of a Poisson VAE: from images to the rates of latent neurons."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pvae_brian._checks import check_images
from pvae_brian.models.checkpoints.errors import one_line
from pvae_brian.models.poisson_vae import PoissonVAE
from pvae_brian.seam import Seam, as_numpy


@dataclass(frozen=True, eq=False)
class Encoder(Seam):
    r"""A trained encoder: from images to the rates of latent neurons.

    .. math:: \lambda_i(x) = \exp(\mathrm{softclamp}(\log r_i + \log dr_i(x), c)) + \epsilon

    Made by `load_encoder` from a file or by `from_module` from a live torch module.

    Attributes
    ----------
    model : PoissonVAE
        The torch model that does the work.
    image_shape : tuple of int
        Shape of one image as the model takes it.
    details : dict
        Where it comes from: file, format, and what the file says of its making.

    References
    ----------
    Vafaii, Galor, Yates (2024), Poisson Variational Autoencoder, NeurIPS, arXiv:2405.14473.
    """

    model: PoissonVAE

    @classmethod
    def from_module(
        cls,
        module: nn.Module | Callable[[Tensor], Tensor],
        log_rate: ArrayLike,
        *,
        image_shape: tuple[int, ...],
        decoder: nn.Module | None = None,
        excitatory_only: bool = False,
        rate_clamp: float | None = None,
        rate_offset: float = 0.0,
    ) -> Encoder:
        """Make an encoder of any live torch module from image to log-gain.

        Parameters
        ----------
        module : nn.Module or callable
            From images ``(n, *image_shape)`` to log-gains (n, n_latents), before the clamp at 10. A
            module, or the one whose method it is, is put into evaluation mode, and runs in its own
            precision and place; any other callable gets float32 tensors on the CPU.
        log_rate : array_like, shape (n_latents,)
            Log of the prior rates.
        image_shape : tuple of int
            Shape of one image as the module takes it, such as (1, 16, 16) or (256,).
        decoder : nn.Module, optional
            From counts (n, n_latents) to images (n, ...), if reconstructions are wanted.
        excitatory_only, rate_clamp, rate_offset
            As in `PoissonVAE`.

        Raises
        ------
        ValueError
            If the log rates are not finite, or if module and shapes do not fit.

        Examples
        --------
        >>> import numpy as np, torch
        >>> from pvae_brian import Encoder
        >>> module = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 8), torch.nn.Flatten())
        >>> encoder = Encoder.from_module(module, np.zeros(2), image_shape=(1, 8, 8))
        >>> encoder.posterior_rates(np.zeros((5, 8, 8))).shape
        (5, 2)
        """
        image_shape = _check_image_shape(image_shape)
        if isinstance(log_rate, Tensor):
            log_rate = as_numpy(log_rate)
        # A copy: the encoder stays the same whatever becomes of the user's array.
        log_rate = np.array(log_rate, dtype=np.float64).reshape(-1)
        if log_rate.size == 0 or not np.isfinite(log_rate).all():
            raise ValueError(
                f"log_rate must hold finite numbers, one for each latent, got {log_rate.size} "
                f"numbers of which {np.isfinite(log_rate).sum()} are finite"
            )
        if not isinstance(module, nn.Module):
            module = _Wrapped(module)
        model = PoissonVAE(
            module,
            decoder,
            torch.as_tensor(log_rate),
            excitatory_only=excitatory_only,
            rate_clamp=rate_clamp,
            rate_offset=rate_offset,
        )
        encoder = cls(model.eval(), image_shape, {"format": "module"})
        encoder._check_modules()
        return encoder

    def _check_modules(self) -> None:
        try:
            gains = self._log_gains(np.zeros((2, self.n_inputs)))
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise ValueError(
                f"the module must take images of shape (n, *{self.image_shape}), but failed on them"
                f" ({one_line(error)}); give the image_shape that it was trained on"
            ) from error
        if gains.shape != (2, self.n_latents):
            raise ValueError(
                f"the module must return log-gains of shape (n, {self.n_latents}), one for each "
                f"log_rate, got {gains.shape} for 2 images"
            )
        if not self.has_decoder:
            return
        try:
            images = self.decode(np.zeros((2, self.n_latents)))
        except (RuntimeError, TypeError, IndexError, ValueError) as error:
            raise ValueError(
                f"the decoder must take counts of shape (n, {self.n_latents}), but failed on them "
                f"({one_line(error)}); give one that was trained with this encoder"
            ) from error
        if images.shape != (2, self.n_inputs):
            raise ValueError(
                f"the decoder must return images of {self.n_inputs} pixels, got "
                f"{images.shape[1]}; give one that was trained with this encoder"
            )

    @property
    def prior_rates(self) -> np.ndarray:
        """Expected spikes per window without a stimulus, shape (n_latents,)."""
        with torch.no_grad():
            return as_numpy(self.model.log_rate.double().exp())

    def gains(self, images: ArrayLike) -> np.ndarray:
        """Gains dr of the encoder, shape (n_stimuli, n_latents), dimensionless.

        Parameters
        ----------
        images : array_like
            Shape (n_stimuli, n_inputs), (n_stimuli, height, width) or
            (n_stimuli, 1, height, width).

        Raises
        ------
        ValueError
            If images have the wrong size, are not finite, or if there are none.
        """
        return np.exp(self._log_gains(check_images(images, self.n_inputs)))

    def posterior_rates(self, images: ArrayLike, *, clamped: bool = True) -> np.ndarray:
        """Expected spikes per window, shape (n_stimuli, n_latents).

        Parameters
        ----------
        images : array_like
            As in `gains`.
        clamped : bool
            Whether to apply the model's clamp on the log rate, if it has one.

        Raises
        ------
        ValueError
            As in `gains`.
        """
        log_gains = self._log_gains(check_images(images, self.n_inputs))
        with torch.no_grad():
            rates = self.model.posterior_rates(torch.as_tensor(log_gains), clamped=clamped)
        return as_numpy(rates)

    def kl_per_latent(self, images: ArrayLike) -> np.ndarray:
        r"""The model's own KL term, :math:`r_i\,(1 - dr_i + dr_i \ln dr_i)`, in nats.

        Parameters
        ----------
        images : array_like
            As in `gains`.

        Returns
        -------
        ndarray, shape (n_stimuli, n_latents)

        Notes
        -----
        It does not see the clamp on the rate. Where that acts, the divergence between the Poisson
        laws differs; `compare` reports both.
        """
        log_gains = self._log_gains(check_images(images, self.n_inputs))
        with torch.no_grad():
            return as_numpy(self.model.kl_divergence(torch.as_tensor(log_gains)))

    def latent_zeros(self, images: ArrayLike) -> np.ndarray:
        r"""Chance that a latent of the model is zero, :math:`e^{-\lambda_i}`.

        Parameters
        ----------
        images : array_like
            As in `gains`.

        Returns
        -------
        ndarray, shape (n_stimuli, n_latents)
        """
        return np.exp(-self.posterior_rates(images))

    def _log_gains(self, images: np.ndarray) -> np.ndarray:
        return self._encode(self.model.log_gain, images)


class _Wrapped(nn.Module):
    """A callable as a module; of a bound method such as ``vae.encode`` its owner is a part."""

    def __init__(self, function: Callable[[Tensor], Tensor]):
        super().__init__()
        self._function = function
        owner = getattr(function, "__self__", None)
        if isinstance(owner, nn.Module):
            self._owner = owner

    def forward(self, x: Tensor) -> Tensor:
        return self._function(x)


def _check_image_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    try:
        sizes = tuple(operator.index(size) for size in shape)
    except TypeError:
        sizes = ()
    if not sizes or min(sizes) < 1:
        raise ValueError(
            f"image_shape must be the shape of one image, such as (1, 16, 16), got {shape!r}"
        )
    return sizes
