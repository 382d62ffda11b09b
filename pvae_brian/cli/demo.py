"""``pvae-brian demo``: from the shipped model to a measured metabolic cost."""

from __future__ import annotations

import argparse

from pvae_brian._files import check_writable, write_whole
from pvae_brian.cli import options as shared


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "demo",
        summary="simulate the shipped P-VAE on held-out natural patches, and save a picture and a "
        "report",
        example="pvae-brian demo -o demo.png",
    )
    shared.add_output(
        parser, "pvae-brian-demo.png", "where to save the picture; the report goes beside it"
    )
    shared.add_simulation(parser)
    shared.add_budget(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    path = check_writable(options.output, force=options.force)
    page_path = path.with_suffix(".html")
    for report_path in (page_path, path.with_suffix(".json")):
        check_writable(report_path, force=options.force)
    budget = shared.budget_keywords(options)
    from pvae_brian.analysis import analyse
    from pvae_brian.data import shipped_model, shipped_patches
    from pvae_brian.engine import simulate
    from pvae_brian.loading import load_encoder
    from pvae_brian.report import (
        build_page,
        check_format,
        format_table,
        plot_overview,
        summary_rows,
        write_report,
    )
    from pvae_brian.runs import describe_provenance

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
    analysis = analyse(encoder, images, record, **budget)
    print(format_table(summary_rows(analysis)))
    print(f"\nBrackets are 95 % intervals. {shared.describe_budget(analysis)}")
    figure = plot_overview(encoder, images, record)
    with write_whole(path, force=options.force) as file:
        figure.savefig(file, format=picture_format, dpi=150)
    provenance = describe_provenance(
        record,
        model_path=shipped_model(),
        images=images,
        images_file="patches.npy",
        command=options.typed,
    )
    paths = write_report(build_page(analysis, provenance), page_path, force=options.force)
    print(f"Picture: {path}")
    print(f"Report: {paths[0]}, and every number in {paths[1]}")
    return 0
