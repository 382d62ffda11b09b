"""The small model and the held-out patches that come with the package.

``tools/train_shipped_model.py`` makes them; ``model.json`` beside them says what it printed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).parent / "shipped"


def shipped_model() -> Path:
    """Return the path of a small pretrained P-VAE, a checkpoint for `load_encoder`.

    It has a linear encoder and decoder, and was trained at beta 2 on 16x16 patches of the
    photographs in scikit-image.

    Examples
    --------
    >>> shipped_model().name
    'model.pt'
    """
    return SHIPPED / "model.pt"


def shipped_patches() -> np.ndarray:
    """Return held-out natural-image patches: none of their pixels was seen in training.

    Returns
    -------
    ndarray of float32, shape (2000, 16, 16)
        Test patches of `natural_patches`, z-scored, kept in half precision.

    Examples
    --------
    >>> shipped_patches().shape
    (2000, 16, 16)
    """
    return np.load(SHIPPED / "patches.npy", allow_pickle=False).astype(np.float32)
