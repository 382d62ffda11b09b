"""``pvae-brian export``: a checkpoint as a Brian2 project of its own."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from pvae_brian.cli import options as shared

if TYPE_CHECKING:
    import numpy as np


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "export",
        summary="write a checkpoint as a Brian2 project that needs neither torch nor this package",
        example="pvae-brian export model.pt -o my_network",
    )
    shared.add_checkpoint(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", required=True, help="folder to write: the project"
    )
    parser.add_argument("--force", action="store_true", help="replace an exported project")
    parser.add_argument(
        "--images",
        metavar="FILE",
        help=".npy file whose first image becomes the example stimulus (default: of models of "
        "256 pixels, a shipped patch)",
    )
    shared.add_window(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pvae_brian.exporting.place import check_project_writable

    check_project_writable(options.output, force=options.force)
    from brian2 import second

    from pvae_brian.exporting import export

    encoder = shared.read_checkpoint(options)
    image = _example(options, encoder.n_inputs)
    folder = export(
        encoder,
        options.output,
        image,
        window=options.window * second,
        n_steps=options.steps,
        force=options.force,
    )
    print(f"Project: {options.output}. Next: python {shlex.quote(str(folder / 'network.py'))}")
    if options.images is None:
        print(
            "Its example stimulus is a shipped patch, of mean 0 and variance 1; for a model that "
            "was trained on other images give one: --images FILE"
        )
    return 0


def _example(options: argparse.Namespace, n_inputs: int) -> np.ndarray:
    if options.images is not None:
        images = shared.load_array(options.images)
        if images.ndim < 2 or not len(images):
            raise ValueError(
                f"--images must hold images of shape (n, pixels) or (n, height, width), got "
                f"{images.shape} in {options.images}"
            )
        return images[0]
    from pvae_brian.data import shipped_patches

    patch = shipped_patches()[0]
    if patch.size != n_inputs:
        raise ValueError(
            f"this model sees {n_inputs} pixels, and no image of that size is shipped; give an "
            "example stimulus: --images FILE"
        )
    return patch
