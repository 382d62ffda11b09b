"""The check on counts that all measures share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def check_counts(counts: ArrayLike) -> np.ndarray:
    """Return counts as an array (n_stimuli, n_latents) with something in it, or raise.

    Raises
    ------
    ValueError
        If it has not two axes, or no stimuli or no latents.
    """
    counts = np.asarray(counts)
    if counts.ndim != 2:
        raise ValueError(
            f"counts must have shape (n_stimuli, n_latents), got shape {counts.shape}; for one "
            "latent pass counts[:, None]"
        )
    if counts.size == 0:
        raise ValueError(
            f"a measure needs at least one stimulus and one latent, got counts of shape "
            f"{counts.shape}; select some"
        )
    return counts
