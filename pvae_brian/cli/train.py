"""``pvae-brian train``: from images to a checkpoint."""

from __future__ import annotations

import argparse
import dataclasses
import sys

import numpy as np

from pvae_brian._files import check_writable
from pvae_brian.cli import options as shared


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "train",
        summary="train a P-VAE, or its Gaussian control",
        example="pvae-brian train --data natural --latents 128 --beta 1 -o model.pt",
    )
    parser.add_argument(
        "--data",
        default="natural",
        metavar="WHAT",
        help="'natural' (patches of scikit-image's photographs), 'digits' (scikit-learn's), a .npy "
        "file of images, the authors' processed.npy, or a folder of van Hateren's .iml/.imc files",
    )
    parser.add_argument(
        "--model",
        default="poisson",
        help="'poisson', or as a control 'gaussian-relu', or 'gaussian', which has no spikes",
    )
    parser.add_argument("--latents", type=int, default=128, metavar="K", help="latent neurons")
    parser.add_argument("--beta", type=float, default=1.0, help="weight of the KL term")
    parser.add_argument("--encoder", default="linear", help="'linear' or 'mlp'")
    parser.add_argument("--decoder", default="linear", help="'linear' or 'mlp'")
    parser.add_argument("--epochs", type=int, default=50, help="passes over the images, at most")
    parser.add_argument("--batch-size", type=int, default=200, help="images per step")
    parser.add_argument(
        "--learning-rate", type=float, help="at the start (default: 0.02, or 0.005 with an MLP)"
    )
    parser.add_argument(
        "--tolerance",
        default="0.001",
        metavar="T",
        help="training ends when the free energy falls by less than this share of itself per "
        "epoch, or with 'none' after all epochs",
    )
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and samples")
    parser.add_argument("--device", default="cpu", help="'cpu' or 'cuda'")
    shared.add_output(parser, "model.pt", "where to save the checkpoint")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    check_writable(options.output, force=options.force)
    tolerance = shared.parse_number_or_none(options.tolerance, "--tolerance")
    from pvae_brian.data.choose import load_data
    from pvae_brian.models import build_model, evaluate, save_checkpoint, train
    from pvae_brian.models.training import check_settings

    rate = {} if options.learning_rate is None else {"learning_rate": options.learning_rate}
    check_settings(options.beta, **rate, tolerance=tolerance)

    # Without test images, so that all images of a file of one's own are trained on.
    images = load_data(options.data, n_test=0, seed=options.seed).train
    n_inputs = int(np.prod(images.shape[1:]))
    model = build_model(
        options.model,
        seed=options.seed,
        n_inputs=n_inputs,
        n_latents=options.latents,
        encoder=options.encoder,
        decoder=options.decoder,
    )
    print(
        f"Training {options.latents} latents on {len(images)} images of {n_inputs} pixels; "
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
        tolerance=tolerance,
        seed=options.seed,
        device=options.device,
        progress=True,
    )
    training = dataclasses.asdict(record) | {"data": options.data}
    save_checkpoint(model, options.output, training=training, force=options.force)
    if record.kl:
        energy = evaluate(model, images, seed=options.seed)
        print(f"free energy            {energy.total(options.beta):.4g}, on these images")
        print(f"  squared error        {energy.reconstruction:.4g}")
        print(f"  KL, nats             {energy.kl:.4g}")
    if record.prior_rate_cost is not None:
        print(f"prior rate cost        {record.prior_rate_cost:.4g} spikes per stimulus")
        print(f"mean posterior spikes  {record.mean_posterior_rate:.4g} per stimulus")
    if record.plateau is False and not record.interrupted:
        print(
            f"Note: after {record.epochs_done} epochs the free energy was still falling; give more "
            "--epochs, or a larger --tolerance."
        )
    print(f"Checkpoint: {options.output}")
    if record.interrupted:
        done = f"{record.epochs_done} of {record.epochs} epochs"
        print(
            f"pvae-brian train: interrupted after {done}; what it learned is saved", file=sys.stderr
        )
        return 130
    return 0
