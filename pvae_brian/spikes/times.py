"""`SpikeTimes`: one row per spike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pvae_brian.spikes.exchange import tables

# Bounds the memory: spikes that are looked at together.
_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class SpikeTimes:
    """The time of each spike, sorted by stimulus, then by time.

    Attributes
    ----------
    stimulus, latent : ndarray of int32, shape (n_spikes,)
        Which stimulus was shown and which latent neuron fired.
    time : ndarray of float64, shape (n_spikes,)
        Seconds since the stimulus was shown, from 0 to the window's end. Continuous: not rounded
        to the time step.

    Examples
    --------
    >>> import numpy as np
    >>> times = SpikeTimes(np.array([0, 0, 2]), np.array([5, 1, 5]), np.array([0.1, 0.7, 0.4]))
    >>> len(times)
    3
    """

    stimulus: np.ndarray
    latent: np.ndarray
    time: np.ndarray

    def __len__(self) -> int:
        return len(self.time)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name, not copied."""
        return {"stimulus": self.stimulus, "latent": self.latent, "time": self.time}

    def rows(self, spikes: slice) -> SpikeTimes:
        """Return some of the spikes, not copied."""
        return SpikeTimes(self.stimulus[spikes], self.latent[spikes], self.time[spikes])

    def blocks(self) -> Iterator[SpikeTimes]:
        """Yield the spikes in order, few enough at a time to bound memory, and at least once."""
        for start in range(0, max(1, len(self)), _BLOCK):
            yield self.rows(slice(start, start + _BLOCK))

    # As in `SpikeRecord`.
    to_pandas = tables.spikes_to_pandas
    from_pandas = classmethod(tables.spikes_from_pandas)
