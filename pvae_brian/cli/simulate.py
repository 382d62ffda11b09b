"""``pvae-brian simulate``: a checkpoint and images in, spikes and their cost out."""

from __future__ import annotations

import argparse
import json

from pvae_brian._files import check_writable
from pvae_brian.cli import options as shared


def add_parser(commands) -> None:
    parser = shared.command(
        commands,
        "simulate",
        summary="run a checkpoint as spiking neurons that look at images",
        example="pvae-brian simulate model.pt --images images.npy --json",
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
    parser.add_argument("--record", default="counts", help="'counts', or 'times' for spike times")
    shared.add_output(parser, None, "save the spike record as an .npz file")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    if options.output is not None:
        check_writable(options.output, force=options.force)
    images = shared.load_array(options.images)
    from pvae_brian.comparison import compare
    from pvae_brian.engine import simulate
    from pvae_brian.metabolism import metabolic_cost
    from pvae_brian.report.table import format_table, summary_rows

    encoder = shared.read_checkpoint(options)
    record = simulate(
        encoder.posterior_rates(images),
        **shared.simulation_keywords(options),
        neuron=shared.read_neuron(options),
        record=options.record,
        progress=True,
    )
    if options.output is not None:
        record.save(options.output, force=options.force)
    comparison = compare(encoder, images, record)
    cost = metabolic_cost(record)
    if options.json:
        print(json.dumps(_facts(record, comparison, cost), allow_nan=False))
    else:
        print(format_table(summary_rows(comparison, cost)))
        print(f"\nBrackets are 95 % intervals. ATP by {cost.budget.source}.")
    return 0


def _facts(record, comparison, cost) -> dict:
    fidelity, prior, coding = comparison.fidelity, comparison.prior, comparison.coding
    return {
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
        "fraction_zeros": comparison.sparsity.fraction_zeros.value,
        "lifetime_sparsity": comparison.sparsity.lifetime.value,
        "population_sparsity": comparison.sparsity.population.value,
        "budget": cost.budget.name,
        "spiking_atp_per_stimulus": cost.spiking_per_stimulus.value,
        "resting_atp_per_stimulus": cost.resting,
        "atp_per_stimulus": cost.total_per_stimulus.value,
        "versions": record.versions,
    }


def _finite(value: float) -> float | None:
    """JSON knows no infinity: what is not defined, without spikes or a prior, is null."""
    return value if abs(value) < float("inf") else None
