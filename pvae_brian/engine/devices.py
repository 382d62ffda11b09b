"""Devices: what may run a job, what 'auto' takes, and how each runs its blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator

import numpy as np

from pvae_brian.engine.block import Plan, run_block
from pvae_brian.engine.pool import cores, run_in_order
from pvae_brian.engine.runtime import RuntimeRunner
from pvae_brian.engine.sampling import sample_block
from pvae_brian.engine.standalone import Worker, find_or_build, has_compiler
from pvae_brian.neurons import MODELS, NeuronModel, Sampler
from pvae_brian.spikes import SpikeTimes

DEVICES = ("auto", "numpy", "cython", "cpp_standalone")

# Neurons in one network. Part of what a seed means: other sizes give other counts. The numpy target
# wants long arrays; compiled code wants arrays that stay in the processor's cache.
_RUNTIME_NEURONS = 2**16
_COMPILED_NEURONS = 2**13
# Neuron-steps from which 'auto' compiles. The build takes seconds, once for all jobs.
_WORTH_COMPILING = 2e8

Blocks = Generator[SpikeTimes | None, None, None]


def choose_device(device: str, neuron: NeuronModel, n_neurons: int, n_steps: int) -> str:
    """Return the device that runs a job: for 'auto', by the job's size, and never by chance.

    Raises
    ------
    ValueError
        If there is no such device, or it cannot run this neuron model.
    """
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(map(repr, DEVICES))}, got {device!r}")
    if isinstance(neuron, Sampler):
        if device not in ("auto", "numpy"):
            raise ValueError(f"neuron='sampler' is drawn by numpy, not on device={device!r}")
        return "numpy"
    # The program is built in another process, which knows the models of this package only.
    is_known = type(neuron) in MODELS.values()
    if device == "cpp_standalone" and not is_known:
        raise ValueError(
            f"device='cpp_standalone' runs the models {', '.join(MODELS)}, got {neuron!r}; take "
            "device='numpy' for a model of your own"
        )
    if device != "auto":
        return device
    is_large = n_neurons * n_steps >= _WORTH_COMPILING
    return "cpp_standalone" if is_large and is_known and has_compiler() else "numpy"


@contextlib.contextmanager
def prepared(
    device: str,
    neuron: NeuronModel,
    plan: Plan,
    n_steps: int,
    n_workers: int | None,
) -> Iterator[Callable[[np.ndarray, np.ndarray], Blocks]]:
    """Prepare a device, and yield a function that runs all blocks of given rates into counts.

    Raises
    ------
    BuildError
        If the C++ program is needed and cannot be built.
    """
    if isinstance(neuron, Sampler):
        yield lambda rates, counts: (
            sample_block(plan, block, rates, counts) for block in range(plan.n_blocks)
        )
        return
    if device != "cpp_standalone":
        n = min(_RUNTIME_NEURONS, plan.stimuli_per_block * plan.n_latents)
        with RuntimeRunner(neuron, n, plan.window_s, n_steps, device, plan.with_times) as runner:
            yield lambda rates, counts: (
                run_block(plan, block, runner, rates, counts) for block in range(plan.n_blocks)
            )
        return
    program = find_or_build(neuron, _COMPILED_NEURONS, plan.with_times)
    n_workers = min(plan.n_blocks, cores(), n_workers or cores())
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(Worker(program, neuron, plan.window_s, n_steps))
            for _ in range(n_workers)
        ]
        yield lambda rates, counts: run_in_order(
            lambda block, worker: run_block(plan, block, worker, rates, counts),
            plan.n_blocks,
            workers,
        )
