"""`SpikeRecord`: what a simulation measured, and how it was made."""

from __future__ import annotations

import dataclasses
import operator
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pvae_brian.neurons import CountPrediction, NeuronModel, Poisson
from pvae_brian.spikes import trains
from pvae_brian.spikes.archive import read_archive, write_archive
from pvae_brian.spikes.exchange import labelled, neo_block, nwb_file, nwb_reading, tables
from pvae_brian.spikes.folders import read_folder
from pvae_brian.spikes.selection import as_indices, select, select_times
from pvae_brian.spikes.settings import describe
from pvae_brian.spikes.times import SpikeTimes

if TYPE_CHECKING:
    from brian2 import Quantity


@dataclass(frozen=True, eq=False)
class SpikeRecord:
    """Spike counts of a simulation, with all that is needed to repeat it.

    ``record[stimuli]`` and ``record[stimuli, latents]`` select a part: by an integer, a slice, a
    list or array of integers, or a mask of booleans for each axis, with numpy's rules for
    negative numbers, order and repetition. Each axis is selected on its own (`numpy.ix_`), and
    both always stay: an integer gives a record of one stimulus or latent. In the part, stimuli
    and latents are numbered anew from 0, in spike times too. It keeps the settings of the whole;
    to repeat it, simulate the whole again.

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
        What ran it: 'numpy', 'cython' or 'cpp_standalone'.
    versions : dict of str to str
        Versions of pvae_brian, brian2, numpy and Python.
    times : SpikeTimes or None
        The spike times, if they were recorded; read them as `spikes`.
    neuron : NeuronModel
        What kind of neuron was simulated.

    Raises
    ------
    IndexError
        In square brackets, if an index is out of range, or of another kind than these.

    Examples
    --------
    >>> from brian2 import ms
    >>> from pvae_brian import simulate
    >>> record = simulate([[0.0, 5.0, 2.0], [1.0, 0.0, 3.0]], record="times")
    >>> record[-1].counts.shape, record[:, [2, 0]].rates.tolist()
    ((1, 3), [[2.0, 0.0], [3.0, 1.0]])
    >>> bool((record.binned_counts(100*ms).sum(axis=-1) == record.counts).all())
    True
    """

    counts: np.ndarray
    rates: np.ndarray
    window_s: float
    n_steps: int
    seed: int
    device: str
    versions: dict[str, str]
    times: SpikeTimes | None = None
    neuron: NeuronModel = Poisson()  # noqa: RUF009, for it is frozen

    def __getitem__(self, key: object) -> SpikeRecord:
        stimuli, latents = as_indices(key, self.counts.shape)
        times = None
        if self.times is not None:
            times = select_times(self.times, self.counts.shape, stimuli, latents)
        return dataclasses.replace(
            self,
            counts=select(self.counts, stimuli, latents),
            rates=select(self.rates, stimuli, latents),
            times=times,
        )

    @property
    def n_stimuli(self) -> int:
        return self.counts.shape[0]

    @property
    def n_latents(self) -> int:
        return self.counts.shape[1]

    @property
    def window(self) -> Quantity:
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

    @cached_property
    def prediction(self) -> CountPrediction | None:
        """Exact mean and variance of each count, from the rates by the theory of the neuron.

        None for a neuron model that has no theory.
        """
        return self.neuron.predict(self.rates, self.window_s, self.n_steps)

    def raster(self, stimulus: int) -> list[np.ndarray]:
        """Return the spike trains of one stimulus, as matplotlib's `eventplot` takes them.

        Parameters
        ----------
        stimulus : int
            Which one; a negative number counts from the last.

        Returns
        -------
        list of ndarray of float64
            For each latent its spike times in seconds, in rising order.

        Raises
        ------
        TypeError
            If it is no integer.
        IndexError
            If there is no such stimulus.
        ValueError
            If only counts were recorded.

        Examples
        --------
        >>> from pvae_brian import simulate
        >>> trains = simulate([[3.0, 0.0]], record="times").raster(0)
        >>> len(trains), len(trains[1])
        (2, 0)
        """
        try:
            stimulus = operator.index(stimulus)
        except TypeError:
            raise TypeError(f"a raster is of one stimulus, an integer; got {stimulus!r}") from None
        return trains.raster(self[stimulus].spikes, self.n_latents)

    def binned_counts(self, bin_width: Quantity) -> np.ndarray:
        """Count spikes in bins of time.

        Bins are closed on the left and open on the right; the last one is closed, so a spike
        exactly at the window's end belongs to it, and the sum over bins is `counts`. Takes memory
        for the result and for the spikes: of a large record, take some stimuli at a time.

        Parameters
        ----------
        bin_width : `brian2.Quantity`
            A time that fits into the window a whole number of times, up to rounding.

        Returns
        -------
        ndarray of int32, shape (n_stimuli, n_latents, n_bins)

        Raises
        ------
        TypeError, brian2.DimensionMismatchError
            If the width is not a time with its unit.
        ValueError
            If the width is not positive, if bins do not fill the window, or if only counts were
            recorded.

        Examples
        --------
        >>> from brian2 import ms
        >>> from pvae_brian import simulate
        >>> simulate([[3.0, 0.0]], record="times").binned_counts(250*ms).shape
        (1, 2, 4)
        """
        edges = trains.bin_edges(self.window_s, bin_width)
        return trains.count_in_bins(self.spikes, self.counts.shape, edges)

    def psth(self, bin_width: Quantity) -> trains.Psth:
        r"""Return firing rates in the course of the window, averaged over stimuli.

        .. math:: r_{ib} = \frac{1}{S \Delta} \sum_{s=1}^{S} n_{sib}

        with the number :math:`n_{sib}` of spikes of latent i in bin b, of width :math:`\Delta`,
        when stimulus s of S was shown (see `binned_counts`). Takes little memory.

        Parameters
        ----------
        bin_width : `brian2.Quantity`
            A time that fits into the window a whole number of times, up to rounding.

        Returns
        -------
        Psth
            Edges of the bins in seconds, and rates in Hz of shape (n_latents, n_bins).

        Raises
        ------
        TypeError, brian2.DimensionMismatchError
            If the width is not a time with its unit.
        ValueError
            If the width is not positive, if bins do not fill the window, if only counts were
            recorded, or if there are no stimuli.

        Examples
        --------
        >>> from brian2 import ms, second
        >>> from pvae_brian import simulate
        >>> psth = simulate([[30.0, 0.0]], window=2*second, record="times").psth(500*ms)
        >>> psth.edges.tolist(), psth.rates_hz.shape
        ([0.0, 0.5, 1.0, 1.5, 2.0], (2, 4))
        """
        edges = trains.bin_edges(self.window_s, bin_width)
        return trains.firing_rates(self.spikes, self.counts.shape, edges)

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
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
        ValueError
            If the settings could not be read back, such as those of a neuron model of your own.

        Examples
        --------
        >>> from pvae_brian import SpikeRecord, simulate
        >>> simulate([[3.0]]).save("record.npz")
        >>> SpikeRecord.load("record.npz").rates
        array([[3.]])
        """
        settings = describe(
            window_s=self.window_s,
            n_steps=self.n_steps,
            seed=self.seed,
            device=self.device,
            versions=self.versions,
            neuron=self.neuron,
        )
        write_archive(path, settings, self.counts, self.rates, self.times, force=force)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpikeRecord:
        """Load a record: a file that `save` wrote, or a folder that `RecordWriter` wrote.

        All of a file is read and checked. Of a folder only the settings and the shapes, types and
        sizes of the arrays are checked, which takes no time; the arrays are read-only memory
        maps, and what is in them is taken as it is.

        Raises
        ------
        FileNotFoundError, PermissionError
            If there is no such file or folder, or it may not be read.
        ValueError
            If it is no spike record, or is damaged.
        """
        return cls(**(read_folder(path) if Path(path).is_dir() else read_archive(path)))

    # Each format of others is a module, and its functions are methods here.
    to_neo = neo_block.to_neo
    from_neo = classmethod(neo_block.from_neo)
    to_nwb = nwb_file.to_nwb
    from_nwb = classmethod(nwb_reading.from_nwb)
    to_xarray = labelled.to_xarray
    from_xarray = classmethod(labelled.from_xarray)
    to_pandas = tables.record_to_pandas
