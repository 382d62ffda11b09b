"""``pvae-brian simulate``: a checkpoint and images in, spikes and their cost out."""

from __future__ import annotations

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pvae_brian._files import check_writable
from pvae_brian.cli import options as shared

if TYPE_CHECKING:
    import numpy as np

    from pvae_brian.analysis import Analysis
    from pvae_brian.encoder import Encoder
    from pvae_brian.gaussian_encoder import GaussianEncoder
    from pvae_brian.spikes import SpikeRecord


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "simulate",
        summary="run a checkpoint as spiking neurons that look at images",
        example="pvae-brian simulate model.pt --images images.npy --save-run RUN",
    )
    shared.add_checkpoint(parser)
    parser.add_argument(
        "--images",
        required=True,
        metavar="FILE",
        help=".npy file of shape (n, pixels), (n, height, width) or (n, 1, height, width)",
    )
    shared.add_simulation(parser)
    shared.add_neuron(parser)
    shared.add_budget(parser)
    parser.add_argument(
        "--record",
        help="'counts', or 'times' for spike times (default: times with --save-run, else counts)",
    )
    shared.add_output(parser, None, "save the spike record as an .npz file")
    parser.add_argument(
        "--save-run",
        metavar="RUN",
        help="save record, images and checkpoint, with how they were made, as a folder that can be "
        "moved",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.output is not None:
        check_writable(options.output, force=options.force)
    if options.save_run is not None:
        _check_run(options)
    budget = shared.budget_keywords(options)
    images = shared.load_array(options.images)
    from pvae_brian.analysis import analyse
    from pvae_brian.engine import simulate
    from pvae_brian.report.cautions import control_caution
    from pvae_brian.report.summary import format_table, summary_rows

    encoder = shared.read_checkpoint(options)
    record = simulate(
        encoder.posterior_rates(images),
        **shared.simulation_keywords(options),
        neuron=shared.read_neuron(options),
        record=options.record or ("counts" if options.save_run is None else "times"),
        progress=True,
    )
    if options.output is not None:
        record.save(options.output, force=options.force)
    if options.save_run is not None:
        _save_run(options, encoder, images, record)
    analysis = analyse(encoder, images, record, other_budgets=(), **budget)
    if options.json:
        print(json.dumps(_facts(analysis), allow_nan=False))
    else:
        print(format_table(summary_rows(analysis)))
        print(f"\nBrackets are 95 % intervals. {shared.describe_budget(analysis)}")
        caution = control_caution(analysis)
        if caution is not None:
            print(caution)
        if options.save_run is not None:
            run = shlex.quote(options.save_run)
            print(f"Run: {options.save_run}. Next: pvae-brian report {run} -o report.html")
    return 0


def _check_run(options: argparse.Namespace) -> None:
    from pvae_brian.runs import check_run_writable

    check_run_writable(options.save_run, force=options.force)
    if options.output is not None and Path(options.output) == Path(options.save_run):
        raise ValueError(
            f"--output is a file and --save-run a folder, got {options.output} for both; choose "
            "another name for one of them"
        )


def _save_run(
    options: argparse.Namespace,
    encoder: Encoder | GaussianEncoder,
    images: np.ndarray,
    record: SpikeRecord,
) -> None:
    from pvae_brian.encoder import Encoder
    from pvae_brian.runs import save_run

    log_rate = None
    if options.log_rate is not None:
        # It goes with a Poisson VAE only.
        assert isinstance(encoder, Encoder)
        log_rate = encoder.model.log_rate.detach().numpy()
    save_run(
        options.save_run,
        options.checkpoint,
        images,
        record,
        command=options.typed,
        images_file=options.images,
        epoch=options.epoch,
        # As read_checkpoint took them.
        rate_clamp="as trained" if options.rate_clamp is None else encoder.details["rate_clamp"],
        log_rate=log_rate,
        force=options.force,
    )


def _facts(analysis: Analysis) -> dict[str, object]:
    record, comparison, cost = analysis.record, analysis.comparison, analysis.cost
    fidelity, prior, coding = comparison.fidelity, comparison.prior, comparison.coding
    code, unit = analysis.reconstruction, cost.unit.lower()
    return {
        "family": analysis.encoder.family,
        "n_stimuli": record.n_stimuli,
        "n_latents": record.n_latents,
        "window_s": record.window_s,
        "n_steps": record.n_steps,
        "seed": record.seed,
        "device": record.device,
        "neuron": record.neuron.settings(),
        "spikes_per_stimulus": fidelity.measured.value,
        "predicted_spikes_per_stimulus": fidelity.predicted,
        "fidelity_z": _finite(float(fidelity.z)),
        "fano": _finite(fidelity.fano.value),
        "predicted_fano": _finite(fidelity.predicted_fano),
        "poisson_p_value": fidelity.fit.p_value,
        "prior_rate_cost": prior.predicted,
        "spikes_over_prior_rate_cost": _finite(prior.ratio.value),
        "spontaneous_spikes_per_window": prior.spontaneous.value,
        "kl_nats_per_stimulus": coding.kl_nats.value,
        "kl_bits_per_stimulus": coding.kl_bits.value,
        "bits_per_spike": _finite(coding.bits_per_spike.value),
        "poisson_kl_nats_per_stimulus": _finite(comparison.clamp.poisson_kl.value),
        "unclamped_spikes_per_stimulus": comparison.clamp.unclamped.value,
        "reconstruction_error": None if code is None else code.error.value,
        "r2": None if code is None else _finite(code.r2.value),
        "fraction_zeros": analysis.measures.sparsity.fraction_zeros.value,
        "lifetime_sparsity": analysis.measures.sparsity.lifetime.value,
        "population_sparsity": analysis.measures.sparsity.population.value,
        "budget": cost.budget.name,
        f"spiking_{unit}_per_stimulus": cost.spiking_per_stimulus.value,
        f"resting_{unit}_per_stimulus": _finite(cost.resting),
        f"{unit}_per_stimulus": _finite(cost.total_per_stimulus.value),
        "versions": record.versions,
    }


def _finite(value: float) -> float | None:
    """JSON knows no infinity: what is not defined, without spikes or a prior, is null."""
    return value if abs(value) < float("inf") else None
