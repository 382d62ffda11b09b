"""`simulate`: choose the device, run the job block by block, put the record together."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator

from brian2 import Quantity, second
from numpy.typing import ArrayLike
from tqdm import tqdm

from pvae_brian._checks import check_positive_integer, check_rates, check_seed, check_window
from pvae_brian.engine.block import Plan
from pvae_brian.engine.devices import choose_device, prepared
from pvae_brian.engine.errors import BuildError
from pvae_brian.engine.storage import storage
from pvae_brian.neurons import NeuronModel, as_neuron
from pvae_brian.spikes import SpikeRecord
from pvae_brian.spikes.settings import current_versions

_RECORDS = ("counts", "times")


def simulate(
    rates: ArrayLike,
    window: Quantity = 1 * second,
    n_steps: int = 100,
    seed: int = 0,
    device: str = "auto",
    record: str = "counts",
    progress: bool = False,
    *,
    neuron: str | NeuronModel = "poisson",
    n_workers: int | None = None,
    out: str | os.PathLike[str] | None = None,
) -> SpikeRecord:
    """Simulate one window of spiking neurons in Brian2 and count their spikes, exactly.

    One neuron per stimulus and latent runs for one window; for Poisson neurons,
    ``counts[s, i] ~ Poisson(rates[s, i])`` for any ``n_steps``.

    Parameters
    ----------
    rates : array_like, shape (n_stimuli, n_latents)
        Expected spikes per window, dimensionless.
    window : `brian2.Quantity`
        Duration of the window.
    n_steps : int
        Time steps per window. Counts are exact for any number; more steps let through more
        spikes one by one.
    seed : int
        Seed, in [0, 2**32). The same seed, shape, ``n_steps``, device and Brian2 version give
        the same counts and spike times, whatever the number of workers.
    device : {'auto', 'numpy', 'cython', 'cpp_standalone'}
        What runs Brian2's network. 'cpp_standalone' compiles it once, keeps the program in a cache
        folder (``pvae-brian cache info``) and runs it in worker processes. 'auto' takes it for
        large jobs (from 2e8 neuron-steps) where there is a C++ compiler, else 'numpy'.
    record : {'counts', 'times'}
        Whether to record the time of each spike besides the counts.
    progress : bool
        Show a progress bar, if on a terminal.
    neuron : {'poisson', 'bernoulli', 'sampler'} or NeuronModel
        What is simulated: exact Poisson neurons; Brian2's `PoissonGroup`, as a reference; one draw
        per window, which simulates nothing; or a model such as `Refractory`.
    n_workers : int, optional
        Worker processes of 'cpp_standalone': at most, and by default, one per core.
    out : path-like, optional
        Folder that the record is written to while it is simulated, whole or not at all. Its
        arrays, and those of the record that is returned, are then memory maps; rates may be one.

    Returns
    -------
    SpikeRecord
        Counts of shape (n_stimuli, n_latents), spike times if asked for, and the settings.

    Raises
    ------
    ValueError
        If rates are negative, not finite, empty or of the wrong shape, or if the window, the
        number of steps, the seed, the device, the neuron or what to record is out of range.
    brian2.DimensionMismatchError
        If the window is not a time with its unit.
    FileExistsError, OSError
        If ``out`` exists, or cannot be written, or the disk is full.
    EngineError
        If the C++ program cannot be built, or a worker process is killed; nothing is returned.

    Notes
    -----
    The user's random state, active device, default clock, preferences and magic network are left as
    they were. Neurons whose first arrival lies beyond the window are silent and are not stepped,
    which changes the cost, not the law. The network runs in units of the window.

    Examples
    --------
    >>> from brian2 import second
    >>> from pvae_brian import simulate
    >>> record = simulate([[0.0, 2.0], [5.0, 0.5]], window=1*second, seed=1)
    >>> record.counts.shape, int(record.counts[0, 0])
    ((2, 2), 0)
    """
    rates = check_rates(rates, copy=out is None)
    window_s = check_window(window)
    n_steps = check_positive_integer(n_steps, "n_steps")
    seed = check_seed(seed)
    if n_workers is not None:
        n_workers = check_positive_integer(n_workers, "n_workers")
    if record not in _RECORDS:
        raise ValueError(f"record must be one of {', '.join(map(repr, _RECORDS))}, got {record!r}")
    neuron = as_neuron(neuron)
    target = choose_device(device, neuron, rates.size, n_steps)
    neuron.check(rates, window_s, n_steps)
    plan = Plan(
        n_stimuli=rates.shape[0],
        n_latents=rates.shape[1],
        seed=seed,
        window_s=window_s,
        mean_rate=float(rates.mean()),
        knows_arrivals=neuron.knows_arrivals,
        with_times=record == "times",
    )
    with contextlib.ExitStack() as stack:
        n_spikes = plan.mean_rate * rates.size if plan.with_times else None
        store = stack.enter_context(storage(rates, n_spikes, out))
        job = (neuron, plan, n_steps, n_workers)
        try:
            run = stack.enter_context(prepared(target, *job))
        except BuildError as error:
            if device != "auto":
                raise
            warnings.warn(f"simulating on numpy: {error}", stacklevel=2)
            target = "numpy"
            run = stack.enter_context(prepared(target, *job))
        advance = stack.enter_context(_progress(plan.n_stimuli, progress))
        blocks = stack.enter_context(contextlib.closing(run(store.rates, store.counts)))
        for block, spikes in enumerate(blocks):
            if spikes is not None:
                store.append(spikes)
            advance(plan.n_stimuli_in(block))
        return store.finish(
            window_s=window_s,
            n_steps=n_steps,
            seed=seed,
            device=target,
            neuron=neuron,
            versions=current_versions(),
        )


@contextlib.contextmanager
def _progress(n_stimuli: int, is_shown: bool) -> Iterator[Callable[[int], object]]:
    """Yield what to call with the number of stimuli that are done."""
    if not is_shown:
        # tqdm would start a thread all the same.
        yield lambda n: None
        return
    with tqdm(total=n_stimuli, unit="stimuli", disable=None) as bar:
        yield bar.update
