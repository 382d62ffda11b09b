"""Training of a Poisson VAE, or of its Gaussian control."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from tqdm import tqdm

from pvae_brian._checks import LARGEST_RATE, check_images, check_positive_integer, check_seed
from pvae_brian.models.closed_form import (
    IMAGES_AT_START,
    fit_start,
    has_free_decoder,
    has_free_prior,
    has_linear_decoder,
    set_decoder,
    set_prior,
)
from pvae_brian.models.gaussian_vae import GaussianVAE, GaussianVAEConfig
from pvae_brian.models.interrupt import stop_on_interrupt
from pvae_brian.models.objective import FreeEnergy, free_energy
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig
from pvae_brian.models.record import TrainingRecord
from pvae_brian.models.schedule import Cosine, Plateau
from pvae_brian.models.steps import COOLED, make_step

_LEARNING_RATE, _LEARNING_RATE_OF_MLP = 0.02, 0.005
# Bounds the memory that evaluation takes.
_EVALUATED_AT_ONCE = 4096


def train(
    model: PoissonVAE | GaussianVAE,
    images: ArrayLike,
    *,
    beta: float = 1.0,
    epochs: int = 50,
    batch_size: int = 200,
    learning_rate: float | None = None,
    tolerance: float | None = 0.001,
    warmup: float = 0.0,
    closed_form: bool = True,
    temperature: tuple[float, float] = (1.0, 0.05),
    seed: int = 0,
    device: str = "cpu",
    progress: bool = False,
) -> TrainingRecord:
    r"""Train a model in place by minimising the free energy.

    .. math:: F = E\|x - \mathrm{decoder}(z)\|^2 + \beta \sum_i \mathrm{KL}_i

    Training follows the gradient of Adamax. What has a closed form is solved for instead. The prior
    rates are kept at their optimum, the mean posterior rates, where the encoder has a bias that can
    make up for it; otherwise they follow the gradient. With a linear decoder besides, and with
    ``closed_form``, training starts at the best decoder and scale of the rates for the encoder's
    first weights, keeps to the best scale, where the noise of each latent's spikes costs as much
    as its KL term, and ends at the best decoder for all images.

    The learning rate stays until the free energy is on a plateau: until it changed over the last
    two epochs by less than ``tolerance`` of itself per epoch. Then it falls linearly to zero over
    another 3/7 of the epochs that were run.

    The error is exact with a linear decoder. With any other it is sampled by relaxed counts
    whose temperature falls linearly over the first half of the epochs. Ctrl-C ends the
    training after the step at hand; the model keeps what it has learned and the record says so.
    The model ends on the CPU and in evaluation mode, unless an error ends the training.

    Parameters
    ----------
    model : PoissonVAE or GaussianVAE
        The model, which is changed.
    images : array_like
        Shape (n_images, n_inputs), (n_images, height, width) or (n_images, 1, height, width).
    beta : float
        Weight of the KL term, not negative.
    epochs, batch_size : int
        Passes over the images, at most, and images per step.
    learning_rate : float, optional
        Of the Adamax optimiser, at the start: by default 0.02 for linear maps, and 0.005 for an
        MLP, which larger steps upset.
    tolerance : float or None
        Of the plateau. None for a fixed number of epochs, in which the learning rate falls to zero
        along a cosine.
    warmup : float
        Share of the epochs, from 0 to 1, in which beta rises linearly from 0. Rates that have grown
        meanwhile hardly fall again.
    closed_form : bool
        Whether to solve for decoder and scale, as said above.
    temperature : tuple of float
        First and last temperature of relaxed counts.
    seed : int
        Of batches and samples.
    device : str
        'cpu', 'cuda' or another that torch knows and that has double precision.
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
    images = check_images(images, _config_of(model).n_inputs)
    epochs = check_positive_integer(epochs, "epochs")
    batch_size = check_positive_integer(batch_size, "batch_size")
    seed = check_seed(seed)
    if learning_rate is None:
        learning_rate = _LEARNING_RATE if _is_linear(model) else _LEARNING_RATE_OF_MLP
    check_settings(beta, learning_rate, tolerance, warmup, temperature)
    place = _find_device(device)

    started = time.perf_counter()
    data = torch.as_tensor(images, dtype=_dtype(model), device=place)
    model.to(place).train()
    generator = torch.Generator(device=place).manual_seed(seed)
    if tolerance is None:
        schedule: Cosine | Plateau = Cosine(epochs)
    else:
        # While beta rises, or sampled counts are still soft, a plateau says nothing.
        moving = max(warmup, 0.0 if has_linear_decoder(model) else COOLED)
        schedule = Plateau(epochs, tolerance, first=math.ceil(moving * epochs))
    means: list[list[float]] = []
    with (
        stop_on_interrupt() as interrupted,
        tqdm(total=epochs, unit="epoch", disable=None if progress else True) as bar,
    ):
        if closed_form:
            fit_start(model, next(_batches(data, IMAGES_AT_START, generator)), beta)
        # Inside, for torch takes seconds to load its optimisers.
        step = make_step(model, beta, learning_rate, temperature, closed_form, generator)
        energies: list[float] = []
        while not schedule.ends(energies):
            total = np.zeros(3)
            n_done = 0
            for batch in _batches(data, batch_size, generator):
                if interrupted():
                    break
                done = len(means) + n_done / len(data)
                weight = min(1.0, done / (warmup * epochs)) if warmup else 1.0
                total += len(batch) * step(batch, schedule.factor(done), weight, done / epochs)
                n_done += len(batch)
            if n_done < len(data):
                break
            mean = total / len(data)
            _check_finite(mean, learning_rate)
            means.append(mean.tolist())
            energies.append(mean[0] + beta * mean[1])
            bar.set_postfix(free_energy=f"{energies[-1]:.2f}")
            bar.update()
        # A plateau may be reached before all epochs are run.
        bar.total = bar.n
    model.eval()
    if closed_form and means and has_free_decoder(model):
        set_decoder(model, data)
    if has_free_prior(model):
        # Twice, for gains that come near their clamp move the rates a little as the prior moves.
        for _ in range(2):
            set_prior(model, _mean_latents(model, data, clamped=False))
    posterior = _mean_latents(model, data)
    model.cpu()
    _check_rates(posterior)
    reconstruction, kl, rates = zip(*means, strict=True) if means else ((), (), ())
    return TrainingRecord(
        beta=float(beta),
        epochs=epochs,
        epochs_done=len(means),
        interrupted=interrupted(),
        batch_size=batch_size,
        learning_rate=float(learning_rate),
        tolerance=None if tolerance is None else float(tolerance),
        warmup=float(warmup),
        closed_form=bool(closed_form),
        temperature=(float(temperature[0]), float(temperature[1])),
        seed=seed,
        device=str(place),
        n_images=len(images),
        reconstruction=reconstruction,
        kl=kl,
        rates=rates,
        prior_rate_cost=_prior_rate_cost(model),
        mean_posterior_rate=float(posterior.sum()),
        plateau=schedule.plateau,
        seconds=time.perf_counter() - started,
    )


def evaluate(model: PoissonVAE | GaussianVAE, images: ArrayLike, *, seed: int = 0) -> FreeEnergy:
    """The free energy of a model on images, with hard Poisson counts where it is sampled.

    Parameters
    ----------
    model : PoissonVAE or GaussianVAE
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
    images = check_images(images, _config_of(model).n_inputs)
    data = torch.as_tensor(images, dtype=_dtype(model))
    generator = torch.Generator().manual_seed(check_seed(seed))
    model.eval()
    terms = [torch.zeros(())] * 3
    with torch.no_grad():
        for batch in data.split(_EVALUATED_AT_ONCE):
            share = len(batch) / len(data)
            energy = free_energy(model, batch, generator=generator)
            terms = [term + share * new for term, new in zip(terms, energy, strict=True)]
    return FreeEnergy(*terms)


def _batches(data: Tensor, size: int, generator: torch.Generator) -> Iterator[Tensor]:
    order = torch.randperm(len(data), generator=generator, device=data.device)
    for start in range(0, len(data), size):
        yield data[order[start : start + size]]


def _mean_latents(model: PoissonVAE | GaussianVAE, data: Tensor, *, clamped: bool = True) -> Tensor:
    name = "mean" if clamped else "free_mean"
    with torch.no_grad():
        return sum(
            getattr(model.posterior(batch), name).double().sum(dim=0)
            for batch in data.split(_EVALUATED_AT_ONCE)
        ) / len(data)


def _prior_rate_cost(model: PoissonVAE | GaussianVAE) -> float | None:
    if not isinstance(model, PoissonVAE):
        return None
    return float(model.log_rate.detach().double().exp().sum())


def _is_linear(model: PoissonVAE | GaussianVAE) -> bool:
    config = _config_of(model)
    return config.encoder == config.decoder == "linear"


def _dtype(model: PoissonVAE | GaussianVAE) -> torch.dtype:
    return next(model.parameters()).dtype


def _config_of(model: PoissonVAE | GaussianVAE) -> PoissonVAEConfig | GaussianVAEConfig:
    if model.config is None:
        raise ValueError(
            "only models made by from_config can be trained or evaluated here; train "
            "one of your own modules yourself and pass it to Encoder.from_module"
        )
    return model.config


def check_settings(
    beta: float,
    learning_rate: float = _LEARNING_RATE,
    tolerance: float | None = None,
    warmup: float = 0.0,
    temperature: tuple[float, float] = (1.0, 1.0),
) -> None:
    """Raise ValueError if a setting of `train` is out of range: before long work, not after."""
    if not (math.isfinite(beta) and beta >= 0):
        raise ValueError(f"beta must be finite and not negative, got {beta}")
    if not (math.isfinite(learning_rate) and learning_rate > 0):
        raise ValueError(f"learning_rate must be positive, got {learning_rate}; try 0.005")
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise ValueError(f"tolerance must be finite and not negative, or None, got {tolerance}")
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
    # NaN is not below it either.
    if not largest <= LARGEST_RATE:
        raise FloatingPointError(
            f"training diverged: a latent would fire {largest:.3g} spikes per image; scale the "
            "images to about unit variance, as z-scored ones are, or take a smaller learning_rate "
            "or a larger beta"
        )


def _check_finite(mean: np.ndarray, learning_rate: float) -> None:
    if not np.isfinite(mean).all():
        raise FloatingPointError(
            f"the free energy is no longer finite; try a learning_rate below {learning_rate}, "
            "images of about unit variance, or a rate_clamp"
        )
