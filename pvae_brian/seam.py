"""The seam between models and simulation: numpy in, numpy out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from pvae_brian.models.gaussian_vae import GaussianVAE
from pvae_brian.models.layers import Decoder
from pvae_brian.models.poisson_vae import PoissonVAE

# Images that pass through the model at once: bounds memory, changes no result.
_BATCH = 4096


@dataclass(frozen=True, eq=False)
class Seam:
    """What every trained encoder has, whatever its latents are.

    The rest, ``prior_rates``, ``posterior_rates``, ``kl_per_latent`` and ``latent_zeros``, is the
    same in name and shape for each: `Encoder` and `GaussianEncoder` stand for one another.

    Attributes
    ----------
    model : PoissonVAE or GaussianVAE
        The torch model that does the work.
    image_shape : tuple of int
        Shape of one image as the model takes it.
    details : dict
        Where it comes from: file, format, and what the file says of its making.
    """

    model: PoissonVAE | GaussianVAE
    image_shape: tuple[int, ...]
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def family(self) -> str:
        """Of the model: 'poisson', or of a control 'gaussian-relu' or 'gaussian'."""
        return self.model.family

    @property
    def n_inputs(self) -> int:
        """Pixels of an image."""
        return int(np.prod(self.image_shape))

    @property
    def n_latents(self) -> int:
        """Latent neurons."""
        return self.model.n_latents

    def kl_per_latent(self, images: ArrayLike) -> np.ndarray:
        """The model's own KL term, shape (n_stimuli, n_latents), in nats."""
        raise NotImplementedError

    def kl_divergence(self, images: ArrayLike) -> np.ndarray:
        """The model's own KL term, shape (n_stimuli,), in nats: the sum of `kl_per_latent`."""
        return self.kl_per_latent(images).sum(axis=1)

    def decode(self, counts: ArrayLike) -> np.ndarray:
        """Reconstruct images from counts (or rates).

        Parameters
        ----------
        counts : array_like, shape (n_stimuli, n_latents)

        Returns
        -------
        ndarray, shape (n_stimuli, n_inputs)

        Raises
        ------
        ValueError
            If the counts have another shape or are not finite, or if there is no decoder.
        """
        # A copy: the decoder is the user's, and may work in place.
        counts = np.array(counts, dtype=np.float64)
        if counts.ndim != 2 or counts.shape[1] != self.n_latents or len(counts) == 0:
            raise ValueError(
                f"counts must be of shape (n_stimuli, {self.n_latents}) with at least one "
                f"stimulus, got shape {counts.shape}"
            )
        if not np.isfinite(counts).all():
            raise ValueError(
                f"counts must be finite, got {counts.size - np.isfinite(counts).sum()} NaN or "
                f"infinite values of {counts.size}"
            )
        if self.model.decoder is None:
            raise ValueError("this encoder has no decoder; give one as from_module(decoder=...)")
        images = in_batches(self.model.decode, counts, self.model.decoder)
        return images.reshape(len(counts), -1)

    @property
    def has_decoder(self) -> bool:
        """Whether `decode` works."""
        return self.model.decoder is not None

    @property
    def has_linear_decoder(self) -> bool:
        """Whether the decoder is one linear layer, so that expected errors have a closed form."""
        decoder = self.model.decoder
        if isinstance(decoder, Decoder):
            return decoder.is_linear
        return isinstance(decoder, nn.Linear)

    def _encode(self, function: Callable[[Tensor], Tensor], images: np.ndarray) -> np.ndarray:
        """Apply a function of the model's to checked images."""
        images = images.reshape(len(images), *self.image_shape)
        return in_batches(function, images, self.model.encoder)


def in_batches(
    function: Callable[[Tensor], Tensor], values: np.ndarray, module: nn.Module
) -> np.ndarray:
    """Apply a torch function to a float64 array in the precision and place of its module."""
    parameter = next((p for p in module.parameters() if p.is_floating_point()), None)
    like = parameter if parameter is not None else torch.empty(0, dtype=torch.float32)
    with torch.no_grad():
        return np.concatenate(
            [
                as_numpy(function(torch.as_tensor(batch).to(like)))
                for batch in np.array_split(values, max(1, -(-len(values) // _BATCH)))
            ]
        )


def as_numpy(tensor: Tensor) -> np.ndarray:
    """Return a tensor, wherever it is, as a float64 array."""
    # Converted by torch, for numpy has no bfloat16.
    return tensor.detach().cpu().double().numpy()
