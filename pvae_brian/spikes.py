"""Spike records: what a simulation measured, and how it was made."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass

import numpy as np

from pvae_brian._files import write_whole

_FORMAT = "pvae_brian spike record 1"


@dataclass(frozen=True, eq=False)
class SpikeTimes:
    """The time of each spike, sorted by stimulus, then by time.

    Attributes
    ----------
    stimulus, latent : ndarray of int32, shape (n_spikes,)
        Which stimulus was shown and which latent neuron fired.
    time : ndarray of float64, shape (n_spikes,)
        Seconds since the stimulus was shown. Continuous: not rounded to the time step.
    """

    stimulus: np.ndarray
    latent: np.ndarray
    time: np.ndarray

    def __len__(self) -> int:
        return len(self.time)


@dataclass(frozen=True, eq=False)
class SpikeRecord:
    """Spike counts of a simulation, with all that is needed to repeat it.

    Attributes
    ----------
    counts : ndarray of int32, shape (n_stimuli, n_latents)
        Spikes in the window, exact for any time step.
    rates : ndarray of float64, shape (n_stimuli, n_latents)
        Expected spikes per window that drove the neurons.
    window_s : float
        Duration of the window in seconds.
    n_steps : int
        Time steps per window.
    seed : int
        Seed of the simulation.
    device : str
        What ran it: 'numpy' or 'cython'.
    versions : dict of str to str
        Versions of pvae_brian, brian2 and numpy.
    times : SpikeTimes or None
        The spike times, if they were recorded; read them as `spikes`.
    """

    counts: np.ndarray
    rates: np.ndarray
    window_s: float
    n_steps: int
    seed: int
    device: str
    versions: dict[str, str]
    times: SpikeTimes | None = None

    @property
    def n_stimuli(self) -> int:
        return self.counts.shape[0]

    @property
    def n_latents(self) -> int:
        return self.counts.shape[1]

    @property
    def window(self):
        """Duration of the window, a `brian2.Quantity`."""
        from brian2 import second

        return self.window_s * second

    @property
    def dt_s(self) -> float:
        """Time step in seconds."""
        return self.window_s / self.n_steps

    @property
    def spikes(self) -> SpikeTimes:
        """Stimulus, latent and time of each spike.

        Raises
        ------
        ValueError
            If only counts were recorded.
        """
        if self.times is None:
            raise ValueError(
                "this record holds counts only; simulate with record='times' for spike times"
            )
        return self.times

    def save(self, path: str | os.PathLike, *, force: bool = False) -> None:
        """Save as one compressed ``.npz`` file, whole or not at all.

        Parameters
        ----------
        path : path-like
            Where to write; `numpy.load` reads it too, with no pickles in it.
        force : bool
            Replace an existing file.

        Raises
        ------
        FileExistsError
            If the file exists and ``force`` is not given.
        OSError
            If there is no space or no permission.
        """
        settings = {
            field: getattr(self, field)
            for field in ("window_s", "n_steps", "seed", "device", "versions")
        }
        arrays = {
            "format": np.array(_FORMAT),
            "settings": np.array(json.dumps(settings)),
            "counts": self.counts,
            "rates": self.rates,
        }
        if self.times is not None:
            arrays |= dataclasses.asdict(self.times)
        with write_whole(path, force=force) as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike) -> SpikeRecord:
        """Load a record that `save` wrote.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If the file is no spike record, or is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                if "format" not in file or str(file["format"]) != _FORMAT:
                    raise ValueError("it is another kind of .npz file")
                settings = json.loads(str(file["settings"]))
                times = None
                if "time" in file:
                    times = SpikeTimes(file["stimulus"], file["latent"], file["time"])
                return cls(file["counts"], file["rates"], **settings, times=times)
        except FileNotFoundError:
            raise
        except Exception as error:
            raise ValueError(
                f"{os.fspath(path)} is not a readable spike record ({error}); "
                "expected a file written by SpikeRecord.save"
            ) from error
