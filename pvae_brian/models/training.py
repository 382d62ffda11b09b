"""Training of a Poisson VAE."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from tqdm import tqdm

from pvae_brian._checks import LARGEST_RATE, check_images, check_positive_integer, check_seed
from pvae_brian.models.interrupt import stop_on_interrupt
from pvae_brian.models.objective import FreeEnergy, free_energy
from pvae_brian.models.poisson_vae import PoissonVAE
from pvae_brian.models.prior import RunningMean, has_free_prior, set_prior

_MAX_GRADIENT = 500.0
# Bounds the memory that evaluation takes.
_EVALUATED_AT_ONCE = 4096


@dataclass(frozen=True)
class TrainingRecord:
    """How a model was trained, and what came of it.

    Attributes
    ----------
    beta : float
        Weight of the KL term.
    epochs : int
        Epochs that were asked for.
    epochs_done : int
        Epochs that were run.
    interrupted : bool
        Whether Ctrl-C ended the training early.
    batch_size : int
        Images per step.
    learning_rate : float
        At the start; it falls to zero along a cosine.
    warmup : float
        Share of the steps in which beta rises linearly from 0.
    temperature : tuple of float
        First and last temperature of relaxed counts (not used with a linear decoder).
    seed : int
        Of batches and samples.
    device : str
        Where it ran.
    n_images : int
        Training images.
    reconstruction, kl : tuple of float
        Squared error and KL in nats per image, means over each epoch.
    prior_rate_cost, mean_posterior_rate : float
        Sum over latents of the prior rates, and of the mean posterior rates, on the training
        images at the end. They agree where the prior has converged.
    seconds : float
        Duration.
    """

    beta: float
    epochs: int
    epochs_done: int
    interrupted: bool
    batch_size: int
    learning_rate: float
    warmup: float
    temperature: tuple[float, float]
    seed: int
    device: str
    n_images: int
    reconstruction: tuple[float, ...]
    kl: tuple[float, ...]
    prior_rate_cost: float
    mean_posterior_rate: float
    seconds: float

    @property
    def free_energy(self) -> tuple[float, ...]:
        """Reconstruction error plus beta times KL, for each epoch."""
        return tuple(r + self.beta * k for r, k in zip(self.reconstruction, self.kl, strict=True))


def train(
    model: PoissonVAE,
    images: ArrayLike,
    *,
    beta: float = 1.0,
    epochs: int = 200,
    batch_size: int = 1000,
    learning_rate: float = 0.005,
    warmup: float = 0.2,
    temperature: tuple[float, float] = (1.0, 0.05),
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> TrainingRecord:
    r"""Train a model in place by minimising the free energy.

    .. math:: F = E\|x - \mathrm{decoder}(z)\|^2 + \beta \sum_i \mathrm{KL}_i

    The prior rates are kept at their optimum, the mean posterior rates, where the encoder has a
    bias that can make up for it; otherwise they follow the gradient.

    The error is exact with a linear decoder. With any other it is sampled by relaxed counts
    whose temperature falls linearly over the first half of the training. Ctrl-C ends the
    training after the step at hand; the model keeps what it has learned and the record says so.
    The model ends on the CPU and in evaluation mode.

    Parameters
    ----------
    model : PoissonVAE
        The model, which is changed.
    images : array_like
        Shape (n_images, n_inputs), (n_images, height, width) or (n_images, 1, height, width).
    beta : float
        Weight of the KL term, not negative.
    epochs, batch_size : int
        Passes over the images, and images per step.
    learning_rate : float
        Of the Adamax optimiser, at the start; it falls to zero along a cosine.
    warmup : float
        Share of the steps, from 0 to 1, in which beta rises linearly from 0.
    temperature : tuple of float
        First and last temperature of relaxed counts.
    seed : int
        Of batches and samples.
    device : str
        'cpu', 'cuda' or any other that torch knows.
    progress : bool
        Show a progress bar with the free energy, if on a terminal.

    Returns
    -------
    TrainingRecord

    Raises
    ------
    ValueError
        If images or settings are out of range, or if the device is missing.
    FloatingPointError
        If the free energy is no longer finite, or rates are absurdly large (above 1e9).

    Examples
    --------
    >>> import numpy as np
    >>> from pvae_brian import PoissonVAE, PoissonVAEConfig, train
    >>> images = np.random.default_rng(0).normal(size=(100, 16))
    >>> model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=16, n_latents=8))
    >>> record = train(model, images, epochs=3, batch_size=50)
    >>> len(record.kl), record.interrupted
    (3, False)
    """
    _check_config(model)
    images = check_images(images, model.config.n_inputs)
    epochs = check_positive_integer(epochs, "epochs")
    batch_size = check_positive_integer(batch_size, "batch_size")
    seed = check_seed(seed)
    _check_settings(beta, learning_rate, warmup, temperature)
    place = _find_device(device)

    started = time.perf_counter()
    data = torch.as_tensor(images, dtype=model.log_rate.dtype, device=place)
    model.to(place).train()
    generator = torch.Generator(device=place).manual_seed(seed)
    steps = epochs * math.ceil(len(data) / batch_size)
    reconstruction, kl = [], []
    with (
        stop_on_interrupt() as interrupted,
        tqdm(total=epochs, unit="epoch", disable=None if progress else True) as bar,
    ):
        # Inside, for torch takes seconds to load its optimisers.
        step = _make_step(model, beta, learning_rate, warmup, temperature, steps, generator)
        while len(kl) < epochs:
            total = np.zeros(2)
            for batch in _batches(data, batch_size, generator):
                if interrupted():
                    break
                total += len(batch) * step(batch)
            if interrupted():
                break
            mean = total / len(data)
            _check_finite(mean, learning_rate)
            reconstruction.append(float(mean[0]))
            kl.append(float(mean[1]))
            bar.set_postfix(free_energy=f"{mean[0] + beta * mean[1]:.2f}")
            bar.update()
    model.eval()
    if has_free_prior(model):
        set_prior(model, _mean_rates(model, data, batch_size, clamped=False))
    posterior = _mean_rates(model, data, batch_size)
    model.cpu()
    _check_rates(posterior)
    return TrainingRecord(
        beta=float(beta),
        epochs=epochs,
        epochs_done=len(kl),
        interrupted=interrupted(),
        batch_size=batch_size,
        learning_rate=float(learning_rate),
        warmup=float(warmup),
        temperature=(float(temperature[0]), float(temperature[1])),
        seed=seed,
        device=str(place),
        n_images=len(images),
        reconstruction=tuple(reconstruction),
        kl=tuple(kl),
        prior_rate_cost=float(model.log_rate.detach().double().exp().sum()),
        mean_posterior_rate=float(posterior.sum()),
        seconds=time.perf_counter() - started,
    )


def evaluate(model: PoissonVAE, images: ArrayLike, *, seed: int = 0) -> FreeEnergy:
    """The free energy of a model on images, with hard Poisson counts where it is sampled.

    Parameters
    ----------
    model : PoissonVAE
        A model on the CPU.
    images : array_like
        As in `train`.
    seed : int
        Of the samples; not used with a linear decoder.

    Returns
    -------
    FreeEnergy
        Means over the images.
    """
    _check_config(model)
    images = check_images(images, model.config.n_inputs)
    data = torch.as_tensor(images, dtype=model.log_rate.dtype)
    generator = torch.Generator().manual_seed(check_seed(seed))
    model.eval()
    terms = [0.0, 0.0, 0.0]
    with torch.no_grad():
        for batch in data.split(_EVALUATED_AT_ONCE):
            share = len(batch) / len(data)
            energy = free_energy(model, batch, generator=generator)
            terms = [term + share * new for term, new in zip(terms, energy, strict=True)]
    return FreeEnergy(*terms)


def _make_step(
    model: PoissonVAE,
    beta: float,
    learning_rate: float,
    warmup: float,
    temperature: tuple[float, float],
    steps: int,
    generator: torch.Generator,
) -> Callable[[Tensor], np.ndarray]:
    """One step of the optimiser on a batch; gives its mean error and KL."""
    free_prior = has_free_prior(model)
    mean_rates = RunningMean()
    # A prior that a bias can make up for needs no gradient: its optimum is known.
    parameters = [p for p in model.parameters() if not (free_prior and p is model.log_rate)]
    optimizer = torch.optim.Adamax(parameters, lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)

    def step(batch: Tensor) -> np.ndarray:
        done = schedule.last_epoch / steps
        energy = free_energy(
            model, batch, temperature=_anneal(temperature, done), generator=generator
        )
        loss = energy.total(beta * (min(1.0, done / warmup) if warmup else 1.0))
        model.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, _MAX_GRADIENT)
        optimizer.step()
        schedule.step()
        if free_prior:
            set_prior(model, mean_rates.update(energy.mean_rates))
        return np.array([energy.reconstruction.item(), energy.kl.item()])

    return step


def _batches(data: Tensor, size: int, generator: torch.Generator):
    order = torch.randperm(len(data), generator=generator, device=data.device)
    for start in range(0, len(data), size):
        yield data[order[start : start + size]]


def _anneal(temperature: tuple[float, float], done: float) -> float:
    first, last = temperature
    return first + (last - first) * min(1.0, 2 * done)


def _mean_rates(model: PoissonVAE, data: Tensor, size: int, *, clamped: bool = True) -> Tensor:
    with torch.no_grad():
        return sum(
            model.posterior_rates(model.log_gain(batch), clamped=clamped).double().sum(dim=0)
            for batch in data.split(size)
        ) / len(data)


def _check_config(model: PoissonVAE) -> None:
    if model.config is None:
        raise ValueError(
            "only models made by PoissonVAE.from_config can be trained or evaluated here; train "
            "one of your own modules yourself and pass it to Encoder.from_module"
        )


def _check_settings(beta, learning_rate, warmup, temperature) -> None:
    if not (math.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be finite and not negative, got {beta}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be positive, got {learning_rate}; try 0.005")
    if not 0 <= warmup <= 1:
        raise ValueError(f"warmup must lie between 0 and 1, got {warmup}")
    if np.shape(temperature) != (2,) or not all(math.isfinite(t) and t > 0 for t in temperature):
        raise ValueError(f"temperature must be two positive numbers, got {temperature}")


def _find_device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"device {name!r} cannot be used ({reason}); try 'cpu'") from error
    return device


def _check_rates(mean_rates: Tensor) -> None:
    largest = float(mean_rates.max())
    if largest > LARGEST_RATE:
        raise FloatingPointError(
            f"training diverged: a latent would fire {largest:.3g} spikes per image; scale the "
            "images to about unit variance, as z-scored ones are"
        )


def _check_finite(mean: np.ndarray, learning_rate: float) -> None:
    if not np.isfinite(mean).all():
        raise FloatingPointError(
            f"the free energy is no longer finite; try a learning_rate below {learning_rate}, "
            "a longer warm-up, or a rate_clamp"
        )
