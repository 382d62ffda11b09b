"""`RecordWriter`: write a record to disk while it is being simulated."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from pvae_brian._checks import check_positive_integer
from pvae_brian._files import make_beside, write_whole
from pvae_brian.neurons import NeuronModel, Poisson
from pvae_brian.spikes import folders, npy
from pvae_brian.spikes.consistency import COLUMNS, TABLES, check_times
from pvae_brian.spikes.record import SpikeRecord
from pvae_brian.spikes.settings import FORMAT, describe
from pvae_brian.spikes.times import SpikeTimes


class RecordWriter:
    """Write a record that is too large for memory, as a folder, whole or not at all.

    A context manager. Inside it the arrays grow in a temporary folder beside the place asked
    for, which `finish` renames. Left in any other way, by an error or an interrupt or without
    `finish`, it removes all that it wrote. A killed process leaves a hidden folder
    ``.<name>-XXXX.part`` behind, which is never read and may be removed.

    Parameters
    ----------
    folder : path-like
        Where the record goes; `SpikeRecord.load` reads it.
    n_stimuli, n_latents : int
        Size of the record.
    with_times : bool
        Whether spike times are written too.
    force : bool
        Replace an existing record, or file. Other folders are never replaced.

    Attributes
    ----------
    counts : memmap of int32, shape (n_stimuli, n_latents)
        To be filled, at first 0.
    rates : memmap of float64, shape (n_stimuli, n_latents)
        To be filled, at first 0.

    Raises
    ------
    FileExistsError
        If the place is taken and ``force`` is not given, or does not help.
    FileNotFoundError, NotADirectoryError, PermissionError
        If no folder can be made there.
    OSError
        On entry, if there is too little space for counts and rates, which take theirs at once;
        or later, for the spike times.
    ValueError
        If a size is below 1.

    Examples
    --------
    >>> import numpy as np
    >>> with RecordWriter("large", n_stimuli=2, n_latents=3, with_times=True) as writer:
    ...     for stimulus in range(2):
    ...         writer.rates[stimulus] = 0.5
    ...         writer.counts[stimulus] = [0, 1, 0]
    ...         writer.append(SpikeTimes(np.array([stimulus]), np.array([1]), np.array([0.25])))
    ...     record = writer.finish(
    ...         window_s=1.0, n_steps=100, seed=0, device="numpy", versions={"numpy": "2"}
    ...     )
    >>> record.counts.sum(axis=0).tolist(), len(record.spikes)
    ([0, 2, 0], 2)
    """

    counts: np.memmap
    rates: np.memmap

    def __init__(
        self,
        folder: str | os.PathLike[str],
        n_stimuli: int,
        n_latents: int,
        with_times: bool,
        force: bool = False,
    ):
        self._shape = (
            check_positive_integer(n_stimuli, "n_stimuli"),
            check_positive_integer(n_latents, "n_latents"),
        )
        self._with_times = with_times
        self._force = force
        self._folder = folders.check_target(folder, force=force)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> RecordWriter:
        _check_space(self._folder, self._shape)
        with contextlib.ExitStack() as stack:
            self._temporary = make_beside(self._folder)
            stack.callback(shutil.rmtree, self._temporary, ignore_errors=True)
            self.counts, self.rates = (
                npy.create(self._temporary / f"{name}.npy", self._shape, dtype)
                for name, dtype in TABLES.items()
            )
            self._columns = {}
            for name, dtype in COLUMNS.items() if self._with_times else ():
                column = npy.GrowingArray(self._temporary / f"{name}.npy", dtype)
                stack.callback(column.close)
                self._columns[name] = column
            self._last: SpikeTimes | None = None
            self._latest_s = 0.0
            self._is_whole = True
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def append(self, times: SpikeTimes) -> None:
        """Write the next spikes.

        Parameters
        ----------
        times : SpikeTimes
            Numbered as in the whole record, and sorted, also behind those written before.

        Raises
        ------
        ValueError
            If the writer was made without times, or if spikes are out of order or range.
        OSError
            If the disk is full.
        """
        if not self._with_times:
            raise ValueError("this writer keeps counts only; make it with with_times=True")
        check_times(times, self._shape)
        if not len(times):
            return
        first = times.rows(slice(0, 1))
        if self._last is not None and _position(first) < _position(self._last):
            raise ValueError(
                "spikes must be appended sorted by stimulus, then by time; these come before the "
                "last ones written"
            )
        self._is_whole = False
        for name, values in times.arrays().items():
            self._columns[name].append(values)
        self._is_whole = True
        self._last = times.rows(slice(-1, None))
        self._latest_s = max(self._latest_s, float(times.time.max()))

    def finish(
        self,
        *,
        window_s: float,
        n_steps: int,
        seed: int,
        device: str,
        versions: Mapping[str, str],
        neuron: NeuronModel = Poisson(),  # noqa: B008, for it is frozen
    ) -> SpikeRecord:
        """Put all on disk and in its place. After it, leave `counts` and `rates` alone.

        Parameters
        ----------
        window_s, n_steps, seed, device, versions, neuron
            As in `SpikeRecord`.

        Returns
        -------
        SpikeRecord
            Its arrays are read-only memory maps.

        Raises
        ------
        ValueError
            If a setting is out of range, if a spike is later than the window, or if there are
            more or fewer spike times than counted spikes.
        RuntimeError
            If an `append` failed, so that a part of its spikes may be missing.
        FileExistsError, OSError
            If the place was taken meanwhile, or if the disk is full.
        """
        settings = describe(
            window_s=window_s,
            n_steps=n_steps,
            seed=seed,
            device=device,
            versions=versions,
            neuron=neuron,
        )
        n_spikes = self._check_whole(window_s) if self._with_times else None
        for array in (self.counts, self.rates):
            npy.sync(array)
        for column in self._columns.values():
            column.finish()
        settings = {"format": FORMAT, "n_spikes": n_spikes} | settings
        with write_whole(self._temporary / folders.SETTINGS) as file:
            file.write(json.dumps(settings, indent=2).encode())
        # Windows does not rename a folder whose files are mapped.
        del self.counts, self.rates
        folders.put_in_place(self._temporary, self._folder, force=self._force)
        return SpikeRecord.load(self._folder)

    def _check_whole(self, window_s: float) -> int:
        if not self._is_whole:
            raise RuntimeError("an append failed, so some spike times may be missing; start anew")
        if self._latest_s > window_s:
            raise ValueError(
                f"spike times must lie in the window of {window_s:g} s, got {self._latest_s:g} s"
            )
        n_spikes, n_counted = len(self._columns["time"]), int(self.counts.sum(dtype=np.int64))
        if n_spikes != n_counted:
            raise ValueError(f"counts hold {n_counted} spikes, but {n_spikes} were appended")
        return n_spikes


def _position(spike: SpikeTimes) -> tuple[int, float]:
    return int(spike.stimulus[0]), float(spike.time[0])


def _check_space(folder: Path, shape: tuple[int, int]) -> None:
    need = shape[0] * shape[1] * sum(np.dtype(dtype).itemsize for dtype in TABLES.values())
    have = shutil.disk_usage(folder.parent).free
    if need > have:
        raise OSError(
            errno.ENOSPC,
            f"counts and rates need {need / 1e9:.3g} GB on disk, and {have / 1e9:.3g} GB are free; "
            "make room, choose another disk, or simulate fewer stimuli",
            str(folder),
        )
