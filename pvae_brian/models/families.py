"""The families of models that can be trained, by name."""

from __future__ import annotations

from typing import Any

from pvae_brian.models.gaussian_vae import GaussianVAE, GaussianVAEConfig
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig

# As the published tables name them.
FAMILIES = ("poisson", "gaussian-relu", "gaussian")


def build_model(family: str, *, seed: int = 0, **settings: Any) -> PoissonVAE | GaussianVAE:
    """Build a new model with random weights.

    Parameters
    ----------
    family : {'poisson', 'gaussian-relu', 'gaussian'}
        A P-VAE, or as a control a Gaussian VAE with rectified latents or with normal ones.
    seed : int
        Of the weights.
    **settings
        Of `PoissonVAEConfig` or `GaussianVAEConfig`: at least ``n_inputs`` and ``n_latents``.

    Raises
    ------
    ValueError
        If there is no such family, or a setting is out of range.

    Examples
    --------
    >>> build_model("gaussian-relu", n_inputs=16, n_latents=4).family
    'gaussian-relu'
    """
    if family not in FAMILIES:
        raise ValueError(f"model must be one of {', '.join(map(repr, FAMILIES))}, got {family!r}")
    if family == "poisson":
        return PoissonVAE.from_config(PoissonVAEConfig(**settings), seed=seed)
    activation = "relu" if family == "gaussian-relu" else "none"
    config = GaussianVAEConfig(**settings, latent_activation=activation)
    return GaussianVAE.from_config(config, seed=seed)
