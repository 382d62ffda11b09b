"""Images that several test modules make."""

import numpy as np


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)
