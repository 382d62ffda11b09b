"""``pvae-brian train``: from images to a checkpoint."""

from __future__ import annotations

import argparse
import dataclasses
import sys

import numpy as np

from pvae_brian._files import check_writable
from pvae_brian.cli import options as shared


def add_parser(commands) -> None:
    parser = shared.command(
        commands,
        "train",
        summary="train a P-VAE",
        example="pvae-brian train --data natural --latents 128 --beta 1 -o model.pt",
    )
    parser.add_argument(
        "--data",
        default="natural",
        metavar="WHAT",
        help="'natural' (patches of scikit-image's photographs), 'digits' (scikit-learn's), a .npy "
        "file of images, the authors' processed.npy, or a folder of van Hateren's .iml/.imc files",
    )
    parser.add_argument("--latents", type=int, default=128, metavar="K", help="latent neurons")
    parser.add_argument("--beta", type=float, default=1.0, help="weight of the KL term")
    parser.add_argument("--encoder", default="linear", help="'linear' or 'mlp'")
    parser.add_argument("--decoder", default="linear", help="'linear' or 'mlp'")
    parser.add_argument("--epochs", type=int, default=200, help="passes over the images")
    parser.add_argument("--batch-size", type=int, default=1000, help="images per step")
    parser.add_argument("--learning-rate", type=float, default=0.005, help="at the start")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and samples")
    parser.add_argument("--device", default="cpu", help="'cpu' or 'cuda'")
    shared.add_output(parser, "model.pt", "where to save the checkpoint")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    check_writable(options.output, force=options.force)
    images = _load_images(options.data, options.seed)
    from pvae_brian.models import PoissonVAE, PoissonVAEConfig, save_checkpoint, train

    config = PoissonVAEConfig(
        n_inputs=int(np.prod(images.shape[1:])),
        n_latents=options.latents,
        encoder=options.encoder,
        decoder=options.decoder,
    )
    model = PoissonVAE.from_config(config, seed=options.seed)
    print(
        f"Training {options.latents} latents on {len(images)} images of {config.n_inputs} pixels; "
        "Ctrl-C stops early and saves.",
        flush=True,
    )
    record = train(
        model,
        images,
        beta=options.beta,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        seed=options.seed,
        device=options.device,
        progress=True,
    )
    training = dataclasses.asdict(record) | {"data": options.data}
    save_checkpoint(model, options.output, training=training, force=options.force)
    if record.kl:
        print(f"free energy            {record.free_energy[-1]:.4g}")
        print(f"  squared error        {record.reconstruction[-1]:.4g}")
        print(f"  KL, nats             {record.kl[-1]:.4g}")
    print(f"prior rate cost        {record.prior_rate_cost:.4g} spikes per stimulus")
    print(f"mean posterior spikes  {record.mean_posterior_rate:.4g} per stimulus")
    print(f"Checkpoint: {options.output}")
    if record.interrupted:
        done = f"{record.epochs_done} of {record.epochs} epochs"
        print(
            f"pvae-brian train: interrupted after {done}; what it learned is saved", file=sys.stderr
        )
        return 130
    return 0


def _load_images(data: str, seed: int) -> np.ndarray:
    from pathlib import Path

    from pvae_brian import data as room

    if data == "natural":
        return room.natural_patches(seed=seed).train
    if data == "digits":
        return room.load_digits(seed=seed).train
    if Path(data).is_dir():
        return room.van_hateren_patches(data, 100_000, 10_000, seed=seed).train
    if Path(data).name == "processed.npy":
        return room.load_processed(data).train
    if Path(data).suffix == ".npy":
        images = shared.load_array(data)
        if images.ndim < 2:
            raise ValueError(f"{data} must hold an array of images, got shape {images.shape}")
        return images
    raise ValueError(
        f"--data must be 'natural', 'digits', a .npy file or a folder, got {data!r}; check the name"
    )
