"""What is measured: one function per method.

Each function prepares a method for jobs of one shape, and returns a function that does one job:
rates in, counts out. A method imports its packages when it is prepared, for each runs in a process
of its own, some in an environment that has nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

WINDOW_S = 1.0
OURS, STOCK, NEST, SNNTORCH, NUMPY = "pvae_brian", "Brian2", "nest-simulator", "snntorch", "numpy"
# The default of `pvae_brian.simulate`.
OUR_STEPS = 100
# Time steps of 1 ms, for those whose counts depend on it.
STEPS_OF_1_MS = 1000


@dataclass(frozen=True)
class Shape:
    """What a method may prepare for.

    Attributes
    ----------
    n_stimuli, n_latents : int
        Shape of the rates; `pvae_brian` and numpy take any other as well.
    n_steps : int
        Time steps per window.
    folder : Path
        For files of the method.
    """

    n_stimuli: int
    n_latents: int
    n_steps: int
    folder: Path


Job = Callable[[np.ndarray, int, int], np.ndarray]
"""``job(rates, n_steps, seed)``: spike counts of shape (n_stimuli, n_latents)."""


@dataclass(frozen=True)
class Method:
    """One row of the table.

    Attributes
    ----------
    title : str
        How the table calls it.
    package : str
        Distribution that it needs.
    prepare : callable
        Takes a `Shape`, returns a `Job`.
    n_stimuli, n_quick : int
        Stimuli in one job, at most: in full and with ``--quick``.
    n_steps : int
        Time steps per window; 1 where there is one draw.
    """

    title: str
    package: str
    prepare: Callable[[Shape], Job]
    n_stimuli: int = 10_000
    n_quick: int = 2000
    n_steps: int = OUR_STEPS


def generator_poisson(shape: Shape) -> Job:
    """One draw per count, and nothing else."""

    def job(rates, n_steps, seed):
        return np.random.default_rng(seed).poisson(rates)

    return job


def ours(shape: Shape, **options) -> Job:
    """`pvae_brian.simulate`."""
    _private_cython_cache(shape.folder)
    from brian2 import second

    from pvae_brian import simulate

    def job(rates, n_steps, seed):
        return simulate(rates, WINDOW_S * second, n_steps, seed, **options).counts

    return job


def brian2_cython(shape: Shape) -> Job:
    """Stock Brian2: one `PoissonGroup` for all stimuli, run again with other rates."""
    _private_cython_cache(shape.folder)
    import brian2
    from brian2 import Hz, Network, PoissonGroup, SpikeMonitor, prefs, second

    prefs["codegen.target"] = "cython"
    dt = WINDOW_S / shape.n_steps * second
    group = PoissonGroup(shape.n_stimuli * shape.n_latents, rates=0 * Hz, dt=dt)
    monitor = SpikeMonitor(group, record=False)
    network = Network(group, monitor)
    network.store()

    def job(rates, n_steps, seed):
        network.restore()
        brian2.seed(seed)
        group.rates = rates.ravel() / WINDOW_S * Hz
        network.run(WINDOW_S * second)
        return np.array(monitor.count[:]).reshape(rates.shape)

    return job


def brian2_run_per_stimulus(shape: Shape) -> Job:
    """Stock Brian2: a network of the latents, and one run for each stimulus."""
    run_one = brian2_cython(Shape(1, shape.n_latents, shape.n_steps, shape.folder))

    def job(rates, n_steps, seed):
        # Not seed + i, which a job with a seed near this one would draw again.
        seeds = np.random.SeedSequence(seed).generate_state(len(rates))
        return np.concatenate(
            [run_one(row[None], n_steps, int(own)) for row, own in zip(rates, seeds, strict=True)]
        )

    return job


def brian2_standalone(shape: Shape) -> Job:
    """Stock Brian2 in C++: built once, and the program run again with other rates."""
    from brian2 import Hz, Network, PoissonGroup, SpikeMonitor, get_device, second, set_device

    set_device("cpp_standalone", build_on_run=False)
    dt = WINDOW_S / shape.n_steps * second
    group = PoissonGroup(shape.n_stimuli * shape.n_latents, rates=0 * Hz, dt=dt)
    monitor = SpikeMonitor(group, record=False)
    Network(group, monitor).run(WINDOW_S * second)
    device = get_device()
    device.build(directory=str(shape.folder / "standalone"), run=False)

    # Without a seed, Brian2's program takes another one in each run.
    def job(rates, n_steps, seed):
        device.run(run_args={group.rates: rates.ravel() / WINDOW_S * Hz})
        return np.array(monitor.count[:]).reshape(rates.shape)

    return job


def nest(shape: Shape, n_threads: int = 1) -> Job:
    """NEST: a generator of its own rate and a parrot for each neuron."""
    import nest

    step_ms = 1000 * WINDOW_S / shape.n_steps
    n = shape.n_stimuli * shape.n_latents
    nest.verbosity = nest.VerbosityLevel.ERROR
    nest.ResetKernel()
    nest.resolution = step_ms
    nest.local_num_threads = n_threads
    generators = nest.Create("poisson_generator", n)
    parrots = nest.Create("parrot_neuron", n)
    recorder = nest.Create("spike_recorder")
    nest.Connect(generators, parrots, "one_to_one", {"delay": step_ms})
    nest.Connect(parrots, recorder, syn_spec={"delay": step_ms})
    first_id = parrots[0].global_id

    def job(rates, n_steps, seed):
        recorder.n_events = 0
        now = nest.biological_time
        generators.set(rate=(rates.ravel() / WINDOW_S).tolist())
        generators.set(start=now, stop=now + 1000 * WINDOW_S)
        # Spikes reach the parrots, and then the recorder, a step later each.
        nest.Simulate(1000 * WINDOW_S + 2 * step_ms)
        senders = recorder.get("events", "senders")
        return np.bincount(senders - first_id, minlength=n).reshape(rates.shape)

    return job


def snntorch_rate(shape: Shape) -> Job:
    """snnTorch: a Bernoulli draw for each step, all of them in memory."""
    import torch
    from snntorch import spikegen

    def job(rates, n_steps, seed):
        torch.manual_seed(seed)
        chances = torch.as_tensor(rates / n_steps, dtype=torch.float32)
        return spikegen.rate(chances, num_steps=n_steps).sum(dim=0).numpy()

    return job


def _private_cython_cache(folder: Path) -> None:
    from brian2 import prefs

    prefs["codegen.runtime.cython.cache_dir"] = str(folder / "cython")


def _ours(device: str, record: str, **options) -> Callable[[Shape], Job]:
    return partial(ours, device=device, record=record, **options)


METHODS = {
    "poisson": Method("numpy Generator.poisson", NUMPY, generator_poisson, n_steps=1),
    "sampler": Method("ours, neuron='sampler'", OURS, partial(ours, neuron="sampler"), n_steps=1),
    "cpp": Method("ours, cpp_standalone, counts", OURS, _ours("cpp_standalone", "counts")),
    "cpp-times": Method("ours, cpp_standalone, times", OURS, _ours("cpp_standalone", "times")),
    "cpp-1": Method(
        "ours, cpp_standalone, counts, 1 worker",
        OURS,
        _ours("cpp_standalone", "counts", n_workers=1),
    ),
    "numpy": Method("ours, numpy, counts", OURS, _ours("numpy", "counts")),
    "numpy-times": Method("ours, numpy, times", OURS, _ours("numpy", "times")),
    "cython": Method("ours, cython, counts", OURS, _ours("cython", "counts")),
    "cython-times": Method("ours, cython, times", OURS, _ours("cython", "times")),
    "brian2-cpp": Method(
        "Brian2 PoissonGroup, C++, 1 ms", STOCK, brian2_standalone, 1000, 100, STEPS_OF_1_MS
    ),
    "brian2-cython": Method(
        "Brian2 PoissonGroup, Cython, 1 ms", STOCK, brian2_cython, 1000, 100, STEPS_OF_1_MS
    ),
    "brian2-cpp-10ms": Method(
        "Brian2 PoissonGroup, C++, 10 ms", STOCK, brian2_standalone, 1000, 100, OUR_STEPS
    ),
    "brian2-one": Method(
        "Brian2, a run per stimulus, Cython, 1 ms",
        STOCK,
        brian2_run_per_stimulus,
        40,
        5,
        STEPS_OF_1_MS,
    ),
    "nest": Method("NEST poisson_generator, 1 ms", NEST, nest, 50, 10, STEPS_OF_1_MS),
    "nest-threads": Method(
        "NEST poisson_generator, 1 ms, all cores",
        NEST,
        partial(nest, n_threads=os.cpu_count()),
        50,
        10,
        STEPS_OF_1_MS,
    ),
    "snntorch": Method(
        "snnTorch spikegen.rate, 1 ms", SNNTORCH, snntorch_rate, 200, 50, STEPS_OF_1_MS
    ),
}
