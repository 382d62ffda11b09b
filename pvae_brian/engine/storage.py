"""Where a simulation puts its spikes: in memory, or in a folder."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from pvae_brian.engine.block import BLOCK
from pvae_brian.spikes import RecordWriter, SpikeRecord, SpikeTimes


@contextlib.contextmanager
def storage(
    rates: np.ndarray, n_spikes: float | None, out: str | os.PathLike[str] | None
) -> Iterator[MemoryStore | RecordWriter]:
    """Yield a store with `rates` and `counts` to fill, ``append(spikes)`` and ``finish(settings)``.

    It keeps spike times if their number is given, at least about.

    Raises
    ------
    FileExistsError, OSError
        If ``out`` exists or cannot be written.
    """
    if out is None:
        yield MemoryStore(rates, n_spikes)
        return
    n_stimuli, n_latents = rates.shape
    with RecordWriter(out, n_stimuli, n_latents, with_times=n_spikes is not None) as writer:
        rows = max(1, BLOCK // rates.shape[1])
        for start in range(0, len(rates), rows):
            writer.rates[start : start + rows] = rates[start : start + rows]
        yield writer


class MemoryStore:
    """As `RecordWriter`, but in memory."""

    def __init__(self, rates: np.ndarray, n_spikes: float | None):
        self.rates = rates
        self.counts = np.zeros(rates.shape, dtype=np.int32)
        self._times: SpikeTimes | None = None
        if n_spikes is not None:
            # Room for as many as chance may give; what is not used is never touched.
            self._times = _empty_times(int(n_spikes + 6 * math.sqrt(n_spikes)) + 100)
        self._n_spikes = 0

    def append(self, spikes: SpikeTimes) -> None:
        end = self._n_spikes + len(spikes)
        # Only who asked for times has spikes to put there.
        assert self._times is not None
        if end > len(self._times):
            # A neuron model that fires more than its rates say.
            larger = _empty_times(2 * end)
            _copy(self._times.rows(slice(0, self._n_spikes)), larger, 0)
            self._times = larger
        _copy(spikes, self._times, self._n_spikes)
        self._n_spikes = end

    def finish(self, **settings: Any) -> SpikeRecord:
        times = None if self._times is None else self._times.rows(slice(0, self._n_spikes))
        return SpikeRecord(counts=self.counts, rates=self.rates, times=times, **settings)


def _empty_times(n: int) -> SpikeTimes:
    return SpikeTimes(np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n))


def _copy(spikes: SpikeTimes, to: SpikeTimes, start: int) -> None:
    for name, values in spikes.arrays().items():
        to.arrays()[name][start : start + len(values)] = values
