"""From monitors to arrays with a row for each window."""

from __future__ import annotations

import numpy as np
from brian2 import SpikeMonitor, StateMonitor

from pvae_brian.spikes import SpikeTimes


def at_window_ends(monitor: StateMonitor, variable: str, n_windows: int) -> np.ndarray:
    """Return what the neurons held as each window ended, of shape (n_windows, n).

    The monitor looks as a window starts, before anything is reset, so its second sample is from the
    end of the first window; what no sample is of yet is still there.
    """
    samples = np.array(getattr(monitor, variable)).T[1:]
    if len(samples) < n_windows:
        samples = np.concatenate([samples, [np.array(getattr(monitor.source, variable)[:])]])
    return samples[:n_windows]


def spike_times(
    monitor: SpikeMonitor, n_windows: int, n_steps: int, window_s: float, seed: int
) -> SpikeTimes:
    """Return the time of each spike since its image was shown.

    A step's spikes are those of a Poisson process of constant rate, so each lies anywhere in it
    with equal chance, independently of all others.
    """
    number = np.array(monitor.new_spikes[:])
    step = np.repeat(np.round(np.array(monitor.t_[:]) / float(monitor.clock.dt)), number)
    latent = np.repeat(np.array(monitor.i[:]), number)
    stimulus = (step // n_steps).astype(np.int32)
    generator = np.random.default_rng(seed)
    time = (step % n_steps + generator.random(len(step))) * (window_s / n_steps)
    time = np.minimum(time, window_s)
    order = np.lexsort((time, stimulus))
    order = order[: np.searchsorted(stimulus[order], n_windows)]
    return SpikeTimes(stimulus[order], latent[order].astype(np.int32), time[order])
