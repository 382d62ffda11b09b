"""Options and inputs that several commands share."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    from pvae_brian.analysis import Analysis
    from pvae_brian.encoder import Encoder
    from pvae_brian.gaussian_encoder import GaussianEncoder
    from pvae_brian.neurons import NeuronModel

    # argparse has no public name for what `add_subparsers` returns.
    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, but not that there is none."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or action.default is False:
            return action.help
        return super()._get_help_string(action)


def command(
    commands: Commands, name: str, *, summary: str, example: str
) -> argparse.ArgumentParser:
    """Add a command with an example in its help."""
    return commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example: {example}",
        formatter_class=_HelpFormatter,
    )


def add_output(parser: argparse.ArgumentParser, default: str | None, what: str) -> None:
    """Add ``--output`` and ``--force``."""
    parser.add_argument("-o", "--output", metavar="FILE", default=default, help=what)
    parser.add_argument("--force", action="store_true", help="replace existing output")


def add_window(parser: argparse.ArgumentParser) -> None:
    """Add how long a window is, and how many time steps it has."""
    parser.add_argument("--window", type=float, default=1.0, metavar="S", help="window in seconds")
    parser.add_argument("--steps", type=int, default=100, metavar="N", help="time steps per window")


def add_simulation(parser: argparse.ArgumentParser) -> None:
    """Add what a simulation can be told."""
    add_window(parser)
    parser.add_argument("--seed", type=int, default=0, help="seed of the simulation")
    parser.add_argument(
        "--device",
        default="auto",
        help="'auto', 'numpy', or with a compiler 'cython' or 'cpp_standalone' (fastest)",
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="worker processes of cpp_standalone (default: all)"
    )


def add_neuron(parser: argparse.ArgumentParser) -> None:
    """Add the choice of a neuron model."""
    parser.add_argument(
        "--neuron", default="poisson", help="'poisson', or to compare 'bernoulli' or 'sampler'"
    )
    parser.add_argument(
        "--refractory", type=float, metavar="S", help="absolute refractory period in seconds"
    )
    parser.add_argument(
        "--recovery",
        type=float,
        metavar="S",
        help="time constant of the relative refractory period in seconds",
    )


def add_budget(parser: argparse.ArgumentParser) -> None:
    """Add how energy is counted."""
    parser.add_argument(
        "--budget",
        default="attwell-laughlin-2001",
        metavar="NAME",
        help="energy budget: a name such as howarth-2012, lennie-2003, loihi, truenorth or "
        "cmos-45nm, or a .toml file of your own",
    )
    parser.add_argument(
        "--fan-out",
        type=float,
        metavar="N",
        help="synaptic events per spike, for budgets that count them (default: pixels of an image, "
        "or as your own budget has it)",
    )
    parser.add_argument(
        "--hydrolysis",
        type=float,
        default=50.0,
        metavar="KJ",
        help="what ATP sets free, in kJ/mol; 44 to 60 are plausible",
    )


def budget_keywords(options: argparse.Namespace) -> dict[str, Any]:
    """Keywords of `analyse` that the options of `add_budget` give."""
    from brian2 import kjoule, mole

    from pvae_brian.metabolism import find_budget, joules_per_mole

    budget, hydrolysis = find_budget(options.budget), options.hydrolysis * kjoule / mole
    # Wrong ones are told of before any work.
    joules_per_mole(hydrolysis)
    if options.fan_out is not None:
        find_budget("loihi" if budget.fan_out is None else budget).with_fan_out(options.fan_out)
    return {"budget": budget, "fan_out": options.fan_out, "hydrolysis": hydrolysis}


def describe_budget(analysis: Analysis) -> str:
    """Say by which budget energy was counted, and how far it was traced."""
    budget = analysis.cost.budget
    return f"{budget.unit} by {budget.source} (grade {budget.grade})."


def simulation_keywords(options: argparse.Namespace) -> dict[str, Any]:
    """Keywords of `simulate` that the options of `add_simulation` give."""
    from brian2 import second

    return {
        "window": options.window * second,
        "n_steps": options.steps,
        "seed": options.seed,
        "device": options.device,
        "n_workers": options.workers,
    }


def read_neuron(options: argparse.Namespace) -> str | NeuronModel:
    """Return the neuron model that the options of `add_neuron` name."""
    if options.refractory is None and options.recovery is None:
        if options.neuron == "refractory":
            raise ValueError("a refractory neuron needs --refractory or --recovery, in seconds")
        return options.neuron
    if options.neuron not in ("poisson", "refractory"):
        raise ValueError(f"--refractory and --recovery do not go with --neuron {options.neuron}")
    from brian2 import second

    from pvae_brian.neurons import Refractory

    return Refractory(
        absolute=(options.refractory or 0.0) * second,
        relative=(options.recovery or 0.0) * second,
    )


def add_checkpoint(parser: argparse.ArgumentParser) -> None:
    """Add a checkpoint, and how to read it."""
    parser.add_argument(
        "checkpoint",
        metavar="CHECKPOINT",
        help="a file of 'train', a .pt file or folder of the authors' code, or a .pt2 file",
    )
    parser.add_argument("--epoch", type=int, help="epoch of an official folder (default: highest)")
    parser.add_argument(
        "--rate-clamp",
        metavar="C",
        help="soft clamp on the log rate, a number or 'none' (default: as trained)",
    )
    parser.add_argument(
        "--log-rate", metavar="FILE", help=".npy file with the log prior rates of a .pt2 file"
    )


def read_checkpoint(options: argparse.Namespace) -> Encoder | GaussianEncoder:
    """Load the encoder that the options name."""
    from pvae_brian.loading import load_encoder

    keywords: dict[str, Any] = {}
    if options.rate_clamp is not None:
        keywords["rate_clamp"] = parse_number_or_none(options.rate_clamp, "--rate-clamp")
    if options.log_rate is not None:
        keywords["log_rate"] = load_array(options.log_rate)
    return load_encoder(options.checkpoint, epoch=options.epoch, **keywords)


def parse_number_or_none(text: str, option: str) -> float | None:
    """Read what an option was given, a number or 'none'."""
    if text.lower() == "none":
        return None
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{option} must be a number or 'none', got {text!r}") from None


def load_array(path: str) -> np.ndarray:
    """Read a ``.npy`` file that holds numbers, or raise as `pvae_brian.data.arrays.load_array`."""
    from pvae_brian.data import arrays

    return arrays.load_array(path)
