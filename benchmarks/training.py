"""Free energy against seconds: the authors' schedule of training, and ours.

    python benchmarks/training.py                   # some five minutes on one core
    python benchmarks/training.py --bias            # with an encoder bias for theirs too
    python benchmarks/training.py --sampled         # with their gradients, through samples: hours

Both train a linear P-VAE on the same patches, on one core, one after the other, and are looked at
on the same held-out patches; looking is not timed. The authors' schedule: Adamax, learning rate
0.005 that falls along a cosine, batches of 1000, beta rises over the first half, no encoder bias,
the prior follows the gradient (ConfigTrainVAE.json of their checkpoints). Gradients are exact in
both, for theirs through samples take far longer.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pvae_brian.data import natural_patches
from pvae_brian.models import PoissonVAE, PoissonVAEConfig, evaluate, free_energy, train

LEARNING_RATE, LEAST_RATE, BATCH, MAX_GRADIENT = 0.005, 1e-5, 1000, 500.0
FIRST_TEMPERATURE, LAST_TEMPERATURE = 1.0, 0.05


class Look(NamedTuple):
    """What a model was like after some seconds of training."""

    seconds: float
    epochs: int
    free_energy: float
    free_energy_train: float
    spikes: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--latents", type=int, default=128)
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--epochs", type=int, default=200, help="of the authors' schedule")
    parser.add_argument("--train", type=int, default=100_000, help="patches to train on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bias", action="store_true", help="give theirs an encoder bias too")
    parser.add_argument("--sampled", action="store_true", help="their gradients through samples")
    options = parser.parse_args()
    torch.set_num_threads(1)
    patches = natural_patches(options.train, 2000, seed=0)
    images, held_out = (part.reshape(len(part), -1) for part in (patches.train, patches.test))
    print(
        f"{options.latents} latents, beta {options.beta:g}, {len(images)} patches, "
        f"{len(held_out)} held out; one core"
    )

    ours = _train_ours(options, images, held_out)
    _show("ours", ours)
    for theirs in _train_theirs(options, images, held_out):
        _show("the authors' schedule", theirs)

    both = f"({ours.free_energy:.3f} and {theirs.free_energy:.3f} on held-out patches)"
    if ours.free_energy <= theirs.free_energy:
        share = ours.seconds / theirs.seconds
        print(f"Ours reached the free energy of the authors' schedule {both}")
        print(f"in {share:.3f} of its time.")
    else:
        print(f"Ours did not reach the free energy of the authors' schedule {both}.")


def _train_ours(options: argparse.Namespace, images: np.ndarray, held_out: np.ndarray) -> Look:
    model = _build(options, bias=True)
    start = time.perf_counter()
    record = train(model, images, beta=options.beta, seed=options.seed)
    seconds = time.perf_counter() - start
    return _look(model, options, images, held_out, seconds, record.epochs_done)


def _train_theirs(
    options: argparse.Namespace, images: np.ndarray, held_out: np.ndarray
) -> Iterator[Look]:
    """Train by the authors' schedule, and look at the model twenty times."""
    model = _build(options, bias=options.bias)
    data = torch.as_tensor(images)
    generator = torch.Generator().manual_seed(options.seed)
    parameters = list(model.parameters())
    start = time.perf_counter()
    optimizer = torch.optim.Adamax(parameters, lr=LEARNING_RATE)
    n_steps = options.epochs * math.ceil(len(data) / BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps, LEAST_RATE)
    seconds = time.perf_counter() - start
    for epoch in range(options.epochs):
        start = time.perf_counter()
        order = torch.randperm(len(data), generator=generator)
        for batch in order.split(BATCH):
            done = schedule.last_epoch / n_steps
            loss = _loss(model, data[batch], options, done, generator)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, MAX_GRADIENT)
            optimizer.step()
            schedule.step()
        seconds += time.perf_counter() - start
        if (epoch + 1) % max(1, options.epochs // 20) == 0 or epoch + 1 == options.epochs:
            yield _look(model, options, images, held_out, seconds, epoch + 1)


def _loss(
    model: PoissonVAE,
    x: Tensor,
    options: argparse.Namespace,
    done: float,
    generator: torch.Generator,
) -> Tensor:
    beta = options.beta * min(1.0, 2 * done)
    if not options.sampled:
        return free_energy(model, x).total(beta)
    fall = (FIRST_TEMPERATURE - LAST_TEMPERATURE) * min(1.0, 2 * done)
    posterior = model.posterior(x)
    counts = posterior.sample(FIRST_TEMPERATURE - fall, generator)
    error = (x - model.decode(counts)).square().sum(dim=1)
    return (error + beta * posterior.kl.sum(dim=1)).mean()


def _build(options: argparse.Namespace, *, bias: bool) -> PoissonVAE:
    config = PoissonVAEConfig(n_inputs=256, n_latents=options.latents, encoder_bias=bias)
    return PoissonVAE.from_config(config, seed=options.seed)


def _look(
    model: PoissonVAE,
    options: argparse.Namespace,
    images: np.ndarray,
    held_out: np.ndarray,
    seconds: float,
    epochs: int,
) -> Look:
    found = evaluate(model, held_out)
    trained_on = evaluate(model, images)
    model.train()
    return Look(
        seconds,
        epochs,
        float(found.total(options.beta)),
        float(trained_on.total(options.beta)),
        float(found.mean_rates.sum()),
    )


def _show(name: str, look: Look) -> None:
    print(
        f"{name:>22}: {look.seconds:7.1f} s, {look.epochs:4d} epochs: free energy "
        f"{look.free_energy:.3f} held out, {look.free_energy_train:.3f} in training; "
        f"{look.spikes:.1f} spikes",
        flush=True,
    )


if __name__ == "__main__":
    main()
