"""`TrainingRecord`: how a model was trained, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

# How far the prior rate cost of a converged model may be from its mean posterior rates.
_NEAR = 0.02


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained, and what came of it.

    Attributes
    ----------
    beta : float
        Weight of the KL term.
    epochs : int
        Epochs that were asked for, at most.
    epochs_done : int
        Epochs that were run.
    interrupted : bool
        Whether Ctrl-C ended the training early.
    batch_size : int
        Images per step.
    learning_rate : float
        At the start.
    tolerance : float or None
        Of the plateau; None for a fixed number of epochs.
    warmup : float
        Share of the epochs in which beta rises linearly from 0.
    closed_form : bool
        Whether the parts that have a closed form were solved for.
    temperature : tuple of float
        First and last temperature of relaxed counts (not used with a linear decoder).
    seed : int
        Of batches and samples.
    device : str
        Where it ran.
    n_images : int
        Training images.
    reconstruction, kl, rates : tuple of float
        Squared error, KL in nats, and sum of the expected latents per image: means over each epoch,
        while the model was changing.
    prior_rate_cost : float or None
        Sum over latents of the prior rates; None for a Gaussian VAE, which has none.
    mean_posterior_rate : float
        Sum of the mean posterior rates, or of the mean latents of a Gaussian VAE, on the training
        images at the end.
    plateau : bool or None
        Whether the free energy reached its plateau; None for a fixed number of epochs.
    seconds : float
        Duration.
    """

    beta: float
    epochs: int
    epochs_done: int
    interrupted: bool
    batch_size: int
    learning_rate: float
    tolerance: float | None
    warmup: float
    closed_form: bool
    temperature: tuple[float, float]
    seed: int
    device: str
    n_images: int
    reconstruction: tuple[float, ...]
    kl: tuple[float, ...]
    rates: tuple[float, ...]
    prior_rate_cost: float | None
    mean_posterior_rate: float
    plateau: bool | None
    seconds: float

    @property
    def free_energy(self) -> tuple[float, ...]:
        """Reconstruction error plus beta times KL, for each epoch."""
        return tuple(r + self.beta * k for r, k in zip(self.reconstruction, self.kl, strict=True))

    @property
    def converged(self) -> bool:
        """Whether the prior rate cost is within 2 % of the mean posterior rates, at a plateau.

        `train` keeps the prior of a P-VAE there where it can; so with an encoder bias this tells
        whether the free energy reached its plateau, or all epochs were run if none was looked for.
        A Gaussian VAE has no prior rates.
        """
        if self.interrupted or self.plateau is False:
            return False
        if self.prior_rate_cost is None:
            return True
        return abs(self.prior_rate_cost - self.mean_posterior_rate) <= _NEAR * (
            self.mean_posterior_rate
        )
