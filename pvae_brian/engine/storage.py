"""Where a simulation puts its spikes: in memory, or in a folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import numpy as np

from pvae_brian.engine.block import BLOCK
from pvae_brian.spikes import RecordWriter, SpikeRecord, SpikeTimes


@contextlib.contextmanager
def storage(
    rates: np.ndarray, with_times: bool, out: str | os.PathLike | None
) -> Iterator[MemoryStore | RecordWriter]:
    """Yield a store with `rates` and `counts` to fill, ``append(spikes)`` and ``finish(settings)``.

    Raises
    ------
    FileExistsError, OSError
        If ``out`` exists or cannot be written.
    """
    if out is None:
        yield MemoryStore(rates, with_times)
        return
    with RecordWriter(out, *rates.shape, with_times) as writer:
        rows = max(1, BLOCK // rates.shape[1])
        for start in range(0, len(rates), rows):
            writer.rates[start : start + rows] = rates[start : start + rows]
        yield writer


class MemoryStore:
    """As `RecordWriter`, but in memory."""

    def __init__(self, rates: np.ndarray, with_times: bool):
        self.rates = rates
        self.counts = np.zeros(rates.shape, dtype=np.int32)
        self._spikes: list[SpikeTimes] | None = [] if with_times else None

    def append(self, spikes: SpikeTimes) -> None:
        self._spikes.append(spikes)

    def finish(self, **settings) -> SpikeRecord:
        return SpikeRecord(counts=self.counts, rates=self.rates, times=self._times(), **settings)

    def _times(self) -> SpikeTimes | None:
        if self._spikes is None:
            return None
        columns = zip(*(spikes.arrays().values() for spikes in self._spikes), strict=True)
        return SpikeTimes(*map(np.concatenate, columns))
