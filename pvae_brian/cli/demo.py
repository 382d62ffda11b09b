"""``pvae-brian demo``: from the shipped model to a measured metabolic cost."""

from __future__ import annotations

import argparse

from pvae_brian._files import check_writable, write_whole
from pvae_brian.cli import options as shared


def add_parser(commands) -> None:
    parser = shared.command(
        commands,
        "demo",
        summary="simulate the shipped P-VAE on held-out natural patches and save a picture",
        example="pvae-brian demo -o demo.png",
    )
    shared.add_output(parser, "pvae-brian-demo.png", "where to save the picture")
    shared.add_simulation(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    path = check_writable(options.output, force=options.force)
    from pvae_brian.comparison import compare
    from pvae_brian.data import shipped_model, shipped_patches
    from pvae_brian.engine import simulate
    from pvae_brian.loading import load_encoder
    from pvae_brian.metabolism import metabolic_cost
    from pvae_brian.report import check_format, format_table, plot_overview, summary_rows

    picture_format = check_format(path)
    encoder = load_encoder(shipped_model())
    images = shipped_patches()
    print(
        f"A P-VAE with {encoder.n_latents} latents looks at {len(images)} natural-image patches "
        f"that it was not trained on,\neach for {options.window:g} s: one Poisson neuron in Brian2 "
        "for each patch and latent.\n",
        flush=True,
    )
    record = simulate(
        encoder.posterior_rates(images),
        **shared.simulation_keywords(options),
        record="times",
        progress=True,
    )
    comparison = compare(encoder, images, record)
    cost = metabolic_cost(record)
    print(format_table(summary_rows(comparison, cost)))
    print(
        f"\nBrackets are 95 % intervals. ATP by {cost.budget.source} (grade {cost.budget.grade})."
    )
    figure = plot_overview(encoder, images, record)
    with write_whole(path, force=options.force) as file:
        figure.savefig(file, format=picture_format, dpi=150)
    print(f"Picture: {path}")
    return 0
