"""``pvae-brian info``: what a checkpoint is."""

from __future__ import annotations

import argparse
import json

from pvae_brian.cli import options as shared

_CONTROLS = {
    "gaussian-relu": "a control: its KL knows no rates, and its prior rates are the activity of "
    "its prior",
    "gaussian": "a control with latents of both signs, which are no rates: it cannot be simulated",
}


def add_parser(commands: shared.Commands) -> None:
    parser = shared.command(
        commands,
        "info",
        summary="say what a checkpoint is",
        example="pvae-brian info model.pt",
    )
    shared.add_checkpoint(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    encoder = shared.read_checkpoint(options)
    training = encoder.details.get("training", {})
    has_rates = encoder.family != "gaussian"
    facts = {
        "file": encoder.details["file"],
        "format": encoder.details["format"],
        "family": encoder.family,
        "control": _CONTROLS.get(encoder.family),
        "generation": encoder.details.get("generation"),
        "epoch": encoder.details.get("epoch"),
        "n_inputs": encoder.n_inputs,
        "image_shape": list(encoder.image_shape),
        "n_latents": encoder.n_latents,
        "has_decoder": encoder.has_decoder,
        "rate_clamp": encoder.details.get("rate_clamp"),
        "prior_rate_cost": float(encoder.prior_rates.sum()) if has_rates else None,
        "beta": training.get("beta"),
        "epochs_done": training.get("epochs_done"),
        "interrupted": training.get("interrupted"),
        "plateau": training.get("plateau"),
        "mean_posterior_spikes_in_training": training.get("mean_posterior_rate")
        if has_rates
        else None,
        "versions": encoder.details.get("versions"),
    }
    if options.json:
        print(json.dumps(facts))
        return 0
    for name, value in facts.items():
        # Of a P-VAE no clamp is worth saying.
        if value is not None or (name == "rate_clamp" and encoder.family == "poisson"):
            print(f"{name.replace('_', ' '):34}{_readable(value)}")
    return 0


def _readable(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return str(value)
