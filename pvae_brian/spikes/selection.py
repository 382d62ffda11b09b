"""Selections of a record: which stimuli and latents are meant, and the spikes that are theirs."""

from __future__ import annotations

import numpy as np

from pvae_brian.spikes.times import SpikeTimes

Index = slice | np.ndarray


def as_indices(key: object, shape: tuple[int, int]) -> tuple[Index, Index]:
    """Return what a key in square brackets selects along each axis, or raise.

    Parameters
    ----------
    key : int, slice, array_like of int or bool, or a pair of them
        One key selects stimuli, a pair selects stimuli and latents.
    shape : tuple of int
        (n_stimuli, n_latents).

    Returns
    -------
    stimuli, latents : slice, or ndarray of intp, shape (n_selected,)
        An int becomes a slice of length 1.

    Raises
    ------
    IndexError
        If there are more than two keys, or one is out of range, or of another kind or length.

    Examples
    --------
    >>> as_indices((-1, [True, False, True]), (4, 3))
    (slice(3, 4, None), array([0, 2]))
    """
    keys = key if isinstance(key, tuple) else (key,)
    if not 1 <= len(keys) <= 2:
        raise IndexError(
            f"a record has two axes: take record[stimuli] or record[stimuli, latents], got "
            f"{len(keys)} indices"
        )
    stimuli, latents = (*keys, slice(None))[:2]
    return _as_index(stimuli, shape[0], "stimuli"), _as_index(latents, shape[1], "latents")


def select(array: np.ndarray, stimuli: Index, latents: Index) -> np.ndarray:
    """Return the selected part of a (n_stimuli, n_latents) array; a view where both are slices."""
    if isinstance(stimuli, slice) or isinstance(latents, slice):
        return array[stimuli, latents]
    return array[np.ix_(stimuli, latents)]


def select_times(
    times: SpikeTimes, shape: tuple[int, int], stimuli: Index, latents: Index
) -> SpikeTimes:
    """Return the spikes of the selected stimuli and latents, renumbered in the order asked for.

    Only spikes of the selected stimuli are looked at: the others are skipped by bisection, since
    spikes are sorted by stimulus. Where an index is repeated, so are its spikes.

    Examples
    --------
    >>> times = SpikeTimes(np.array([0, 1, 1]), np.array([0, 0, 1]), np.array([0.1, 0.2, 0.3]))
    >>> chosen = select_times(times, (2, 2), np.array([1, 1]), slice(1, 2))
    >>> chosen.stimulus, chosen.latent, chosen.time
    (array([0, 1]), array([0, 0]), array([0.3, 0.3]))
    """
    n_stimuli, n_latents = shape
    if isinstance(stimuli, slice) and range(n_stimuli)[stimuli].step == 1:
        times = _of_consecutive(times, range(n_stimuli)[stimuli])
    else:
        times = _of_stimuli(times, np.arange(n_stimuli)[stimuli])
    chosen = np.arange(n_latents)[latents]
    if np.array_equal(chosen, np.arange(n_latents)):
        return times
    return _of_latents(times, chosen, n_latents)


def _as_index(key: object, n: int, axis: str) -> Index:
    if isinstance(key, slice):
        try:
            key.indices(n)
        except (TypeError, ValueError) as error:
            raise IndexError(f"bad slice of {axis}: {error}") from None
        return key
    try:
        array = np.asarray(key)
    except ValueError as error:
        raise IndexError(f"{axis} cannot be selected by {key!r}: {error}") from None
    if isinstance(key, list | tuple) and not array.size:
        # numpy takes an empty list for one of floats.
        array = array.astype(np.intp)
    if array.dtype == bool:
        if array.shape != (n,):
            raise IndexError(
                f"a mask of {axis} must have one entry for each, shape ({n},), got {array.shape}"
            )
        return np.flatnonzero(array)
    if array.dtype.kind not in "iu" or array.ndim > 1:
        raise IndexError(
            f"{axis} are selected by an integer, a slice, or a one-dimensional list or array of "
            f"integers or booleans, got {key!r}"
        )
    bad = (array < -n) | (array >= n)
    if bad.any():
        raise IndexError(f"there are {n} {axis}, numbered from 0; got {array[bad].flat[0]}")
    if not array.ndim:
        position = int(array) % n
        return slice(position, position + 1)
    return array.astype(np.intp)


def _of_consecutive(times: SpikeTimes, stimuli: range) -> SpikeTimes:
    first, last = _bisect(times, np.array([stimuli.start, stimuli.stop]))
    chosen = times.rows(slice(first, last))
    if stimuli.start == 0:
        return chosen
    return SpikeTimes(
        chosen.stimulus - chosen.stimulus.dtype.type(stimuli.start), chosen.latent, chosen.time
    )


def _of_stimuli(times: SpikeTimes, chosen: np.ndarray) -> SpikeTimes:
    first, last = _bisect(times, np.stack([chosen, chosen + 1]))
    picked = _ranges(first, last - first)
    stimulus = np.repeat(np.arange(len(chosen), dtype=times.stimulus.dtype), last - first)
    return SpikeTimes(stimulus, times.latent[picked], times.time[picked])


def _bisect(times: SpikeTimes, stimuli: np.ndarray) -> np.ndarray:
    # Of another type than what it is looked up in, it would make numpy convert all spikes first.
    return np.searchsorted(times.stimulus, stimuli.astype(times.stimulus.dtype))


def _of_latents(times: SpikeTimes, chosen: np.ndarray, n_latents: int) -> SpikeTimes:
    # New numbers of each old latent, one after the other: none, one or more.
    new = np.argsort(chosen, kind="stable")
    number = np.bincount(chosen, minlength=n_latents)
    start = np.cumsum(number) - number
    parts = []
    for block in times.blocks():
        copies = number[block.latent]
        latent = new[_ranges(start[block.latent], copies)].astype(times.latent.dtype)
        parts.append((np.repeat(block.stimulus, copies), latent, np.repeat(block.time, copies)))
    return SpikeTimes(*map(np.concatenate, zip(*parts, strict=True)))


def _ranges(start: np.ndarray, length: np.ndarray) -> np.ndarray:
    """Concatenate ``arange(start[k], start[k] + length[k])`` over all k."""
    offset = start - (np.cumsum(length) - length)
    return np.arange(length.sum()) + np.repeat(offset, length)
