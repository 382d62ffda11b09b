"""Measure speed, memory and exactness of spike counts, side by side: ``python run.py``.

See the README beside this file.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from measure import HERE, MethodError, Process, Result, add_exactness, in_rounds
from methods import METHODS, NEST, OUR_STEPS, SNNTORCH
from serve import RATES
from tables import print_comparison, print_scaling, with_spread

N_LATENTS = 512
# How many of the latents have each of `RATES`, where exactness is measured: more where it is harder
# to see.
_SHARES = (308, 84, 60, 60)
_SCALED = ("cpp", "cpp-times", "numpy")


@dataclasses.dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes
    ----------
    n_rounds : int
        Rounds of the quick methods.
    patience_s : float
        Seconds of timed jobs, and of exactness, after which a slow method is let go.
    n_exact : int
        Stimuli of `N_LATENTS` counts from which exactness is measured.
    scaled_stimuli : tuple of int
        Numbers of stimuli in the second table.
    n_neurons : int
        Stimuli times latents there, where latents or steps are varied.
    scaled_rounds : int
        Rounds there.
    """

    n_rounds: int = 7
    patience_s: float = 60.0
    n_exact: int = 3600
    scaled_stimuli: tuple[int, ...] = (100, 1000, 10_000, 100_000)
    n_neurons: int = 2000 * N_LATENTS
    scaled_rounds: int = 3


_QUICK = Effort(
    n_rounds=3,
    patience_s=2.0,
    n_exact=400,
    scaled_stimuli=(100, 1000, 10_000),
    n_neurons=200 * N_LATENTS,
    scaled_rounds=2,
)


def main() -> None:
    """Run the command line."""
    options = _options()
    effort = _QUICK if options.quick else Effort()
    report = {"system": _system()}
    for name, value in report["system"].items():
        print(f"{name}: {value}")
    with tempfile.TemporaryDirectory(prefix="pvae_brian-benchmarks-") as folder:
        folder = Path(folder)
        rates, exact = _write_rates(folder, options.rates)
        print(f"rates: {options.rates}, mean {np.load(rates).mean():.3g} spikes per window of 1 s")
        results, versions = _compare(options, effort, folder, rates, exact)
        report |= {"methods": {key: dataclasses.asdict(one) for key, one in results.items()}}
        print(f"versions: {', '.join(f'{key} {value}' for key, value in versions.items())}\n")
        print_comparison(results, N_LATENTS, effort.patience_s)
        if not options.no_scaling:
            scaling = _scale(effort, folder, rates)
            report["scaling"] = [{"job": label, **times} for label, times in scaling]
            print_scaling(scaling, _SCALED, N_LATENTS)
            report["start"] = _start(options, folder, rates, scaling)
    report["versions"] = versions
    if options.json:
        text = json.dumps(report, indent=1, default=np.ndarray.tolist)
        Path(options.json).write_text(text + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller jobs: a minute or two")
    parser.add_argument(
        "--only", nargs="+", choices=METHODS, metavar="NAME", help=f"of {', '.join(METHODS)}"
    )
    parser.add_argument("--no-scaling", action="store_true", help="the first table only")
    parser.add_argument(
        "--rates",
        choices=["gamma", "model"],
        default="gamma",
        help="a gamma law of mean 0.3, or the shipped model's rates on natural patches",
    )
    for package in (NEST, SNNTORCH):
        parser.add_argument(
            f"--{package.partition('-')[0]}-python",
            default=sys.executable,
            metavar="PATH",
            help=f"interpreter of an environment with {package}",
        )
    parser.add_argument("--json", metavar="FILE", help="write all that was measured")
    return parser.parse_args()


def _system() -> dict[str, str | int]:
    cpu = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    git = ["git", "-C", str(HERE), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        commit = "unknown"
    return {
        "CPU": cpu,
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "Python": platform.python_version(),
        "commit": commit,
    }


def _write_rates(folder: Path, which: str) -> tuple[Path, Path]:
    """Write the rates of the jobs, and those at which exactness is measured."""
    if which == "model":
        from pvae_brian import load_encoder
        from pvae_brian.data import shipped_model, shipped_patches

        rates = load_encoder(shipped_model()).posterior_rates(shipped_patches())
        # Two patches side by side.
        rates = np.tile(rates, -(-N_LATENTS // rates.shape[1]))[:, :N_LATENTS]
    else:
        rates = np.random.default_rng(0).gamma(0.5, 0.6, (10_000, N_LATENTS))
    np.save(folder / "rates.npy", rates)
    np.save(folder / "exact.npy", np.repeat(RATES, _SHARES)[None])
    return folder / "rates.npy", folder / "exact.npy"


def _compare(
    options: argparse.Namespace, effort: Effort, folder: Path, rates: Path, exact: Path
) -> tuple[dict[str, Result], dict[str, str]]:
    """Prepare all methods, time them in rounds, then measure memory and exactness one by one."""
    results, processes, versions = {}, {}, {}
    pythons = {NEST: options.nest_python, SNNTORCH: options.snntorch_python}

    def start(name: str) -> Process:
        python = pythons.get(METHODS[name].package, sys.executable)
        return Process(name, results[name].n_stimuli, N_LATENTS, folder / name, python)

    with contextlib.ExitStack() as stack:
        for name in options.only or METHODS:
            method = METHODS[name]
            n_stimuli = method.n_quick if options.quick else method.n_stimuli
            result = results[name] = Result(method.title, n_stimuli, method.n_steps)
            _say(f"preparing {method.title}")
            try:
                process = stack.enter_context(start(name))
                result.prepare_s = process.prepared["seconds"]
                result.first_s = process.run(rates, method.n_steps, seed=0)["seconds"]
            except MethodError as error:
                result.error = str(error)
                continue
            processes[name] = process
            found = process.prepared["versions"]
            versions[method.package] = found[method.package]

        def run(name: str, number: int) -> float:
            _say(f"round {number + 1}: {results[name].title}")
            try:
                answer = processes[name].run(rates, METHODS[name].n_steps, seed=number + 1)
            except MethodError as error:
                results[name].error = str(error)
                raise
            return answer["seconds"]

        tasks = {name: partial(run, name) for name in processes}
        for name, seconds in in_rounds(tasks, effort.n_rounds, effort.patience_s).items():
            results[name].seconds = seconds
    for name in processes:
        result = results[name]
        if result.error:
            continue
        _say(f"memory and exactness: {result.title}")
        # A fresh process: what compiling took is not counted.
        try:
            with start(name) as process:
                first = partial(process.run, rates, result.n_steps, seed=0)
                result.memory = process.peak_memory(first)
                add_exactness(result, process, exact, effort.n_exact, effort.patience_s)
        except MethodError as error:
            result.error = str(error)
    _say("")
    return results, versions


def _scale(effort: Effort, folder: Path, rates: Path) -> list[tuple[str, dict[str, float]]]:
    """Seconds per stimulus of jobs of many shapes: medians over rounds."""
    jobs = {f"{n} stimuli": ((n, N_LATENTS), OUR_STEPS) for n in effort.scaled_stimuli}
    n_stimuli = effort.n_neurons // N_LATENTS
    for n_latents in (32, 128, 512, 2048, 4096):
        shape = (effort.n_neurons // n_latents, n_latents)
        jobs[f"{n_latents} latents, {shape[0]} stimuli"] = (shape, OUR_STEPS)
    for n_steps in (20, 100, 1000):
        jobs[f"{n_steps} steps, {n_stimuli} stimuli"] = ((n_stimuli, N_LATENTS), n_steps)
    times = {label: {} for label in jobs}
    for name in _SCALED:
        _say(f"scaling: {METHODS[name].title}")
        try:
            with Process(name, n_stimuli, N_LATENTS, folder / name) as process:
                process.run(rates, OUR_STEPS, seed=0, shape=(10, N_LATENTS))

                def run(shape, n_steps, number, process=process):
                    answer = process.run(rates, n_steps, seed=number, shape=shape)
                    return answer["seconds"] / shape[0]

                tasks = {label: partial(run, *job) for label, job in jobs.items()}
                for label, seconds in in_rounds(tasks, effort.scaled_rounds, 600).items():
                    if seconds:
                        times[label][name] = statistics.median(seconds.values())
        except MethodError as error:
            _say("")
            print(f"- {METHODS[name].title}: skipped, {error}")
    _say("")
    return list(times.items())


def _start(
    options: argparse.Namespace,
    folder: Path,
    rates: Path,
    scaling: list[tuple[str, dict[str, float]]],
) -> dict[str, float | list[float]]:
    """Measure and print what a first call costs, and what many stimuli cost over fewer."""
    n_stimuli = METHODS["cpp"].n_quick if options.quick else METHODS["cpp"].n_stimuli
    measured = {}
    try:
        for name in ("cpp", "cpp-times"):
            _say(f"first call: {METHODS[name].title}")
            with Process(name, n_stimuli, N_LATENTS, folder / f"{name}-empty") as process:
                first_s = process.run(rates, OUR_STEPS, seed=0)["seconds"]
            _say("")
            print(f"{METHODS[name].title}: first call, empty cache: {first_s:.1f} s")
            measured[f"{name}: first call"] = first_s
        overheads = []
        for _ in range(3):
            with Process("cpp", n_stimuli, N_LATENTS, folder / "cpp-empty") as process:
                first_s, *others = (
                    process.run(rates, OUR_STEPS, seed=seed)["seconds"] for seed in range(6)
                )
                overheads.append(first_s - statistics.median(others))
        print(
            "first call of a second process, warm cache, less the later calls of that process: "
            f"{with_spread(overheads)} s"
        )
        measured["warm overhead"] = overheads
    except MethodError as error:
        _say("")
        print(f"first call: skipped, {error}")
    by_label = dict(scaling)
    *_, few, many = [label for label in by_label if label.endswith(" stimuli") and "," not in label]
    for name in _SCALED:
        if name in by_label[few] and name in by_label[many]:
            ratio = by_label[many][name] / by_label[few][name]
            print(f"{METHODS[name].title}: per stimulus, {many} over {few}: {ratio:.2f}")
            measured[f"{name}: {many} over {few}"] = ratio
    return measured


def _say(text: str) -> None:
    """Say on the terminal what is going on, on one line."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
