"""`simulate`: choose the device, split the work into chunks, put the record together."""

from __future__ import annotations

import platform

import brian2
import numpy as np
from brian2 import second
from numpy.typing import ArrayLike
from tqdm import tqdm

import pvae_brian
from pvae_brian._checks import check_positive_integer, check_rates, check_seed, check_window
from pvae_brian.engine.runtime import RuntimeEngine
from pvae_brian.spikes import SpikeRecord, SpikeTimes

# Neurons in one network. Part of what a seed means: another size gives other counts.
_CHUNK = 2**17

_DEVICES = ("auto", "numpy", "cython")
_RECORDS = ("counts", "times")


def simulate(
    rates: ArrayLike,
    window=1 * second,
    n_steps: int = 100,
    seed: int = 0,
    device: str = "auto",
    record: str = "counts",
    progress: bool = False,
) -> SpikeRecord:
    """Simulate Poisson neurons in Brian2 and count their spikes, exactly.

    One `LatentNeurons` neuron per stimulus and latent runs for one window:
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
        the same counts.
    device : {'auto', 'numpy', 'cython'}
        Brian2 runtime target. 'auto' takes 'numpy', which is as fast as Cython for large groups
        and needs no compiler.
    record : {'counts', 'times'}
        Whether to record the time of each spike besides the counts.
    progress : bool
        Show a progress bar, if on a terminal.

    Returns
    -------
    SpikeRecord
        Counts of shape (n_stimuli, n_latents), spike times if asked for, and the settings.

    Raises
    ------
    ValueError
        If rates are negative, not finite, empty or of the wrong shape, or if the window, the
        number of steps, the seed, the device or what to record is out of range.
    brian2.DimensionMismatchError
        If the window is not a time with its unit.

    Notes
    -----
    The user's random state, active device and default clock are left as they were.

    Examples
    --------
    >>> from brian2 import second
    >>> from pvae_brian import simulate
    >>> record = simulate([[0.0, 2.0], [5.0, 0.5]], window=1*second, seed=1)
    >>> record.counts.shape, int(record.counts[0, 0])
    ((2, 2), 0)
    """
    rates = check_rates(rates)
    window_s = check_window(window)
    n_steps = check_positive_integer(n_steps, "n_steps")
    seed = check_seed(seed)
    target = _choose(device, _DEVICES, "device")
    with_times = _choose(record, _RECORDS, "record") == "times"
    if target == "auto":
        target = "numpy"

    n_stimuli, n_latents = rates.shape
    per_chunk = min(n_stimuli, max(1, _CHUNK // n_latents))
    counts = np.empty((n_stimuli, n_latents), dtype=np.int32)
    times = []
    with (
        RuntimeEngine(
            (per_chunk, n_latents), window_s, n_steps, seed, target, with_times
        ) as engine,
        tqdm(total=n_stimuli, unit="stimuli", disable=None if progress else True) as bar,
    ):
        for start in range(0, n_stimuli, per_chunk):
            chunk = rates[start : start + per_chunk]
            counts[start : start + per_chunk], spikes = engine.run(chunk)
            if spikes is not None:
                times.append((spikes.stimulus + np.int32(start), spikes.latent, spikes.time))
            bar.update(len(chunk))
    return SpikeRecord(
        counts=counts,
        rates=rates,
        window_s=window_s,
        n_steps=n_steps,
        seed=seed,
        device=target,
        versions={
            "pvae_brian": pvae_brian.__version__,
            "brian2": brian2.__version__,
            "numpy": np.__version__,
            "python": platform.python_version(),
        },
        times=SpikeTimes(*map(np.concatenate, zip(*times, strict=True))) if with_times else None,
    )


def _choose(value: str, allowed: tuple[str, ...], name: str) -> str:
    if value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value
