"""Images of an encoder as pictures."""

from __future__ import annotations

import math

import numpy as np

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder


def picture_shape(encoder: Encoder | GaussianEncoder) -> tuple[int, int] | None:
    """Return height and width of the images of an encoder, or None if they are no grey pictures.

    A flat image is taken for a square one if it can be.
    """
    *channels, height, width = (1, 1, *encoder.image_shape)
    if math.prod(channels) > 1:
        return None
    if len(encoder.image_shape) > 1:
        return height, width
    side = math.isqrt(width)
    return (side, side) if side**2 == width else None


def as_pictures(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return images (n, ...) as pictures (n, height, width)."""
    return np.asarray(images).reshape(len(images), *shape)
