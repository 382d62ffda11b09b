"""One stimulus after the other: the time line of a session, as recordings have one."""

from __future__ import annotations

import numpy as np

from pvae_brian.spikes.times import SpikeTimes


def trial_edges(n_stimuli: int, window_s: float) -> np.ndarray:
    """Return when trials begin and end, in seconds: trial k begins at k windows.

    Returns
    -------
    ndarray of float64, shape (n_stimuli + 1,)

    Examples
    --------
    >>> trial_edges(2, 0.5)
    array([0. , 0.5, 1. ])
    """
    return np.arange(n_stimuli + 1) * window_s


def in_session(times: SpikeTimes, edges: np.ndarray) -> np.ndarray:
    """Return when spikes occur in the session, in seconds.

    Rounded to the spacing of numbers of this size, so that bits of the time since the stimulus
    are lost, and never after the end of the trial.

    Examples
    --------
    >>> times = SpikeTimes(np.array([0, 1]), np.array([0, 0]), np.array([0.5, 0.25]))
    >>> in_session(times, trial_edges(2, 0.5))
    array([0.5 , 0.75])
    """
    return np.minimum(edges[times.stimulus] + times.time, edges[times.stimulus + 1])
