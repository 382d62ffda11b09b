"""Interspike intervals: how regular spike trains are, whatever their rates and lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.measures._checks import check_counts
from pvae_brian.spikes import SpikeRecord, SpikeTimes

# Bounds the memory: spikes that are sorted together.
_BLOCK = 2**20


@dataclass(frozen=True, eq=False)
class IsiStatistics:
    r"""Statistics of interspike intervals: of a whole record, of each neuron and of each train.

    A train is what one neuron fires in the window of one stimulus. It takes part with two
    intervals, that is three spikes, or more; the times to its first spike and from its last one
    are no intervals.

    Attributes
    ----------
    cv, cv2 : Estimate
        Coefficient of variation, and local variation, pooled over all trains as in
        `compute_isi_statistics`; NaN without trains. Bootstrapped over stimuli: the ends are NaN
        too where so few stimuli have a train that resamples may have none.
    cv_per_neuron, cv2_per_neuron : ndarray of float64, shape (n_latents,)
        The same for the trains of each neuron; NaN where it has none.
    stimulus, latent : ndarray of int32, shape (n_trains,)
        Whose train it is; sorted by stimulus, then by latent.
    n_intervals : ndarray of int64, shape (n_trains,)
        How many it has.
    mean_s : ndarray of float64, shape (n_trains,)
        Their mean in seconds.
    cv_per_train : ndarray of float64, shape (n_trains,)
        Their standard deviation (``ddof=0``) over their mean, as `elephant.statistics.cv`; NaN if
        all spikes of the train fall together.
    cv2_per_train : ndarray of float64, shape (n_trains,)
        The mean of :math:`2 |I_{k+1} - I_k| / (I_{k+1} + I_k)`, as `elephant.statistics.cv2`; NaN
        if three spikes in a row fall together.
    """

    cv: Estimate[float]
    cv2: Estimate[float]
    cv_per_neuron: np.ndarray
    cv2_per_neuron: np.ndarray
    stimulus: np.ndarray
    latent: np.ndarray
    n_intervals: np.ndarray
    mean_s: np.ndarray
    cv_per_train: np.ndarray
    cv2_per_train: np.ndarray


def compute_isi_statistics(record: SpikeRecord) -> IsiStatistics:
    r"""Measure how irregular the spike trains of a record are.

    Train t has :math:`n_t` intervals, of coefficient of variation :math:`CV_t`, and
    :math:`n_t - 1` pairs of adjacent ones. Trains are pooled as

    .. math::

        CV^2 = \frac{\sum_t (n_t + 1)\,CV_t^2}{\sum_t (n_t - 1)}, \qquad
        CV_2 = \Bigl\langle \frac{2 |I_{k+1} - I_k|}{I_{k+1} + I_k} \Bigr\rangle_{\text{all pairs}}.

    Poisson neurons have 1 in both, 0 is a clock. Each interval is held against others of its own
    train, so different rates do not count as irregular.

    Parameters
    ----------
    record : SpikeRecord
        With spike times.

    Returns
    -------
    IsiStatistics

    Raises
    ------
    ValueError
        If only counts were recorded, or there are no stimuli or no latents.

    Notes
    -----
    In a short window the plain :math:`CV_t` is far too low. Given how many spikes a Poisson train
    has in its window, their times are uniform in it, and the n intervals between them, as shares
    :math:`D_i` of their sum, are uniform on the simplex, whatever the rate and the window. So

    - :math:`E[D_i^2] = 2 / (n (n + 1))`, and :math:`CV_t^2 = n \sum_i D_i^2 - 1` has the mean
      :math:`(n - 1) / (n + 1)`: above, numerator and denominator have equal means, train by train.
    - :math:`D_i / (D_i + D_{i+1})` is uniform in [0, 1], so each pair has the mean 1.

    For other renewal processes, what remains of the bias is of the order of one interval over the
    window. After a dead time d, at rate :math:`\rho`, the intervals are d and an exponential wait:
    :math:`CV = 1 / (1 + \rho d)`, and :math:`CV_2 = E[S / (S + 2 d)]` with S the sum of two such
    waits. A rate that changes within the window raises CV, but hardly :math:`CV_2`.

    Time is linear in spikes. Memory, besides the result, is that for a million spikes, or for
    those of one stimulus if they are more.

    References
    ----------
    Moran (1947), The random division of an interval, Supplement to the Journal of the Royal
    Statistical Society 9:92, for the squares of intervals; Holt, Softky, Koch and Douglas (1996),
    J Neurophysiol 75:1806, for :math:`CV_2`; Nawrot et al. (2008), J Neurosci Methods 169:374,
    for the bias in short windows.

    Examples
    --------
    >>> from brian2 import ms, second
    >>> from pvae_brian import Refractory, simulate
    >>> rates = [[40.0] * 10] * 50
    >>> isi = compute_isi_statistics(simulate(rates, window=1*second, record="times"))
    >>> bool(0.95 < isi.cv.value < 1.05), bool(0.95 < isi.cv2.value < 1.05)
    (True, True)
    >>> record = simulate(rates, window=1*second, record="times", neuron=Refractory(absolute=25*ms))
    >>> bool(0.45 < compute_isi_statistics(record).cv.value < 0.55)
    True
    """
    n_stimuli, n_latents = check_counts(record.counts).shape
    blocks = [_trains(block, n_latents) for block in _whole_stimuli(record.spikes)]
    stimulus, latent, n, mean, cv, cv2 = map(np.concatenate, zip(*blocks, strict=True))
    sums = np.stack([(n + 1) * cv**2, n - 1, (n - 1) * cv2, n - 1])
    # A train that has no CV2, nor perhaps a CV, takes no part in it.
    sums[:2, np.isnan(cv)] = 0
    sums[2:, np.isnan(cv2)] = 0
    per_neuron = _pooled(_sums_by(latent, sums, n_latents))
    overall = bootstrap(_pooled, _sums_by(stimulus, sums, n_stimuli), seed=record.seed)
    cv_overall, cv2_overall = (
        Estimate(*(float(end[k]) for end in (overall.value, overall.low, overall.high)))
        for k in range(2)
    )
    return IsiStatistics(
        cv=cv_overall,
        cv2=cv2_overall,
        cv_per_neuron=per_neuron[:, 0],
        cv2_per_neuron=per_neuron[:, 1],
        stimulus=stimulus,
        latent=latent,
        n_intervals=n,
        mean_s=mean,
        cv_per_train=cv,
        cv2_per_train=cv2,
    )


def _sums_by(group: np.ndarray, sums: np.ndarray, n_groups: int) -> np.ndarray:
    return np.stack([np.bincount(group, row, n_groups) for row in sums], axis=-1)


def _pooled(sums: np.ndarray) -> np.ndarray:
    """CV and CV2 from the sums, along the last axis, of what is pooled for them."""
    with np.errstate(invalid="ignore"):
        return np.stack(
            [np.sqrt(sums[..., 0] / sums[..., 1]), sums[..., 2] / sums[..., 3]], axis=-1
        )


def _whole_stimuli(times: SpikeTimes) -> Iterator[SpikeTimes]:
    """Yield the spikes in order, those of a stimulus together, and at least once."""
    start, n = 0, len(times)
    while True:
        end = min(start + _BLOCK, n)
        if end < n:
            last = times.stimulus[end]
            end = int(np.searchsorted(times.stimulus, last))
            if end <= start:
                end = int(np.searchsorted(times.stimulus, last, side="right"))
        yield times.rows(slice(start, end))
        start = end
        if start == n:
            return


def _trains(times: SpikeTimes, n_latents: int) -> tuple[np.ndarray, ...]:
    """Stimulus, latent, number and mean of the intervals, CV and CV2 of each train in a block."""
    # Spikes are sorted by stimulus and time already. numpy sorts 16-bit keys by radix, several
    # times as fast.
    key = times.latent.astype(np.uint16) if n_latents <= 2**16 else times.latent
    order = np.argsort(key, kind="stable")
    stimulus, latent = times.stimulus[order], times.latent[order]
    is_new = (latent[1:] != latent[:-1]) | (stimulus[1:] != stimulus[:-1])
    first = np.flatnonzero(np.concatenate([[True], is_new]))[: len(order)]
    n_spikes = np.diff(first, append=len(order))
    has_pair = n_spikes > 2
    first, n = first[has_pair], n_spikes[has_pair] - 1
    stimulus, latent = stimulus[first], latent[first]
    time = times.time[order[np.repeat(has_pair, n_spikes)]]
    train = np.repeat(np.arange(len(n)), n)
    # Between the last spike of a train and the first one of the next there is no interval.
    interval = np.delete(np.diff(time), np.cumsum(n + 1)[:-1] - 1)
    mean = np.bincount(train, interval, len(n)) / n
    with np.errstate(invalid="ignore"):
        spread = np.sqrt(np.bincount(train, (interval - mean[train]) ** 2, len(n)) / n)
        cv = spread / mean
        contrast = 2 * np.abs(np.diff(interval)) / (interval[1:] + interval[:-1])
    is_pair = train[1:] == train[:-1]
    cv2 = np.bincount(train[1:][is_pair], contrast[is_pair], len(n)) / (n - 1)
    by_stimulus = np.lexsort((latent, stimulus))
    return tuple(column[by_stimulus] for column in (stimulus, latent, n, mean, cv, cv2))
