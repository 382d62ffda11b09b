"""The code in the course of the window: error against the energy spent so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pvae_brian._checks import check_positive_integer
from pvae_brian.decoding.filling import decode_as_it_fills
from pvae_brian.decoding.reconstruction import (
    check_stimuli,
    explained,
    squared_error,
    variance_by_stimulus,
)
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.metabolism import MetabolicCost
from pvae_brian.spikes import SpikeRecord

# Shares of the final R2 to look for.
FRACTIONS = (0.5, 0.8, 0.95)


@dataclass(frozen=True, eq=False)
class CodeCourse:
    r"""What the spikes up to a time tell, and what they cost. Bootstrapped over stimuli.

    Attributes
    ----------
    time_s : ndarray, shape (n_times,)
        Seconds since the stimulus was shown, up to the window's end.
    spikes : Estimate of ndarrays, shape (n_times,)
        Spikes per stimulus up to then.
    spiking, energy : Estimate of ndarrays, shape (n_times,)
        What they cost, and what they and rest cost up to then, in `unit`. The latter is NaN where
        the budget does not state what rest costs.
    unit : str
        'ATP' or 'J'.
    budget : str
        Name of the energy budget.
    error, r2 : Estimate of ndarrays, shape (n_times,)
        Squared error and explained variance, as in `Reconstruction`.
    bend_s : Estimate
        Where the error bends: before, spiking noise makes up most of it; after, what the model
        misses even without noise. Beyond the window, if noise prevails to its end. NaN for a
        decoder that is not linear, whose error is no such sum.
    fractions : ndarray, shape (n_fractions,)
        Shares of the final R2 whose first times and costs follow.
    time_to_fraction : Estimate of ndarrays, shape (n_fractions,)
        Seconds until R2 has risen to that share of its final value for good, interpolated, and
        before the first time extrapolated, in 1/t. NaN if the final value is not positive.
    spikes_to_fraction, spiking_to_fraction, energy_to_fraction : Estimate of such ndarrays
        Spikes per stimulus until then, and what they cost without and with rest.
    """

    time_s: np.ndarray
    spikes: Estimate[np.ndarray]
    spiking: Estimate[np.ndarray]
    energy: Estimate[np.ndarray]
    unit: str
    budget: str
    error: Estimate[np.ndarray]
    r2: Estimate[np.ndarray]
    bend_s: Estimate[float]
    fractions: np.ndarray
    time_to_fraction: Estimate[np.ndarray]
    spikes_to_fraction: Estimate[np.ndarray]
    spiking_to_fraction: Estimate[np.ndarray]
    energy_to_fraction: Estimate[np.ndarray]


def compute_code_course(
    encoder: Encoder | GaussianEncoder,
    images: ArrayLike,
    record: SpikeRecord,
    cost: MetabolicCost,
    *,
    n_times: int = 40,
) -> CodeCourse:
    r"""Decode from the spikes up to a time, and add up what they cost.

    With :math:`z(t)` the spikes up to t in a window of T, the decoder gets the counts to be
    expected at its end,

    .. math:: y(t) = \mathrm{decoder}\!\left(\tfrac{T}{t}\, z(t)\right).

    For a linear decoder and Poisson neurons the expected error is
    :math:`\|x - \Phi\lambda\|^2 + \tfrac{T}{t} \sum_i \lambda_i \|\phi_i\|^2`: a part that stays,
    a, and noise, :math:`b\,T/t`. Both are fitted to the mean errors by least squares, relative to
    T/t. Where they are equal, at :math:`t = T\,b/a`, the curve bends: on logarithmic axes its
    slope is -1/2. (A bend by distance from a chord would depend on where the curve is begun.)

    Parameters
    ----------
    encoder : Encoder
        With a decoder.
    images : array_like
        The stimuli of the record.
    record : SpikeRecord
        With spike times.
    cost : MetabolicCost
        Of the same record.
    n_times : int
        Times at which to decode, evenly spaced up to the window's end. R2 is interpolated between
        them in 1/t.

    Returns
    -------
    CodeCourse

    Raises
    ------
    ValueError
        If the record holds counts only, if the encoder has no decoder, if images or cost are of
        another number of stimuli, or if there are fewer than two times.

    Examples
    --------
    >>> from pvae_brian import load_encoder, metabolic_cost, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:100]
    >>> record = simulate(encoder.posterior_rates(images), record="times")
    >>> course = compute_code_course(encoder, images, record, metabolic_cost(record))
    >>> bool(course.energy.value[-1] == metabolic_cost(record).total_per_stimulus.value)
    True
    """
    images = check_stimuli(encoder, images, record)
    _check_cost(cost, record)
    if check_positive_integer(n_times, "n_times") < 2:
        raise ValueError(f"a course needs at least two times, got n_times={n_times}")
    fraction_of_window = np.arange(1, n_times + 1) / n_times
    times = fraction_of_window * record.window_s
    errors = np.empty((record.n_stimuli, n_times))
    spikes = np.empty((record.n_stimuli, n_times))
    for k, (n_spikes, decoded) in enumerate(decode_as_it_fills(encoder, record, n_times)):
        errors[:, k] = squared_error(images, decoded)
        spikes[:, k] = n_spikes
    variance = variance_by_stimulus(images)
    resting = cost.resting * fraction_of_window

    def statistics(error: np.ndarray, spikes: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """All of them in one row, for they are of the same resamples."""
        r2 = explained(error, np.asarray(variance)[..., None])
        reached = [_reaches(r2, times, spikes, share) for share in FRACTIONS]
        time, fired = (np.stack(ends, axis=-1) for ends in zip(*reached, strict=True))
        spent = fired * cost.cost_per_spike + time / record.window_s * cost.resting
        bend = record.window_s * _noise_over_rest(error, fraction_of_window)
        if not encoder.has_linear_decoder:
            bend = np.full_like(bend, np.nan)
        return np.concatenate([spikes, error, r2, bend[..., None], time, fired, spent], axis=-1)

    everything = bootstrap(statistics, errors, spikes, variance, seed=record.seed)
    sizes = [n_times, n_times, n_times, 1] + 3 * [len(FRACTIONS)]
    emitted, error, r2, bend, time, fired, spent = _split(everything, sizes)
    return CodeCourse(
        time_s=times,
        spikes=emitted,
        spiking=emitted.scaled(cost.cost_per_spike),
        energy=emitted.scaled(cost.cost_per_spike).shifted(resting),
        unit=cost.unit,
        budget=cost.budget.name,
        error=error,
        r2=r2,
        bend_s=Estimate(*(float(end[0]) for end in (bend.value, bend.low, bend.high))),
        fractions=np.array(FRACTIONS),
        time_to_fraction=time,
        spikes_to_fraction=fired,
        spiking_to_fraction=fired.scaled(cost.cost_per_spike),
        energy_to_fraction=spent,
    )


def _check_cost(cost: MetabolicCost, record: SpikeRecord) -> None:
    ours = record.n_stimuli, record.n_latents, record.window_s
    theirs = cost.n_stimuli, cost.n_latents, cost.window_s
    if ours != theirs:
        raise ValueError(
            "cost must be of this record of {} stimuli, {} latents and {:g} s, got one of {}, {} "
            "and {:g} s".format(*ours, *theirs)
        )


def _split(estimate: Estimate[np.ndarray], sizes: list[int]) -> list[Estimate[np.ndarray]]:
    ends = np.cumsum(sizes)[:-1]
    parts = (np.split(array, ends) for array in (estimate.value, estimate.low, estimate.high))
    return [Estimate(*part) for part in zip(*parts, strict=True)]


def _noise_over_rest(error: np.ndarray, fraction_of_window: np.ndarray) -> np.ndarray:
    """Fit error = a + b / fraction, each relative to 1 / fraction, and return b / a."""
    # Times fraction: error * fraction = a * fraction + b, an ordinary line.
    scaled = error * fraction_of_window
    centred = fraction_of_window - fraction_of_window.mean()
    stays = (scaled @ centred) / (centred @ centred)
    noise = scaled.mean(axis=-1) - stays * fraction_of_window.mean()
    with np.errstate(divide="ignore", invalid="ignore"):
        # Without an error that stays, noise prevails for ever.
        return np.where(stays > 0, np.maximum(noise, 0.0) / stays, np.inf)[()]


def _reaches(
    r2: np.ndarray, times: np.ndarray, spikes: np.ndarray, share: float
) -> tuple[np.ndarray, np.ndarray]:
    """Time and spikes at which R2 reaches a share of its last value for good; shape (..., 2)."""
    final = r2[..., -1]
    target = share * final
    below = r2 < target[..., None]
    # The last time at which it is below; its successor is not. If it never is, it was reached
    # before the first time, and the line through the first two is followed back.
    last = len(times) - 1 - np.argmax(below[..., ::-1], axis=-1)
    last = np.where(below.any(axis=-1), np.minimum(last, len(times) - 2), 0)

    def at(values: np.ndarray, index: np.ndarray) -> np.ndarray:
        values = np.broadcast_to(values, r2.shape)
        return np.take_along_axis(values, np.asarray(index)[..., None], axis=-1)[..., 0]

    rise = at(r2, last + 1) - at(r2, last)
    with np.errstate(divide="ignore", invalid="ignore"):
        # R2 goes with 1/t. Where it does not rise, there is nothing to follow back.
        weight = np.where(rise > 0, (target - at(r2, last)) / rise, 0.0)
        time = 1 / ((1 - weight) / at(times, last) + weight / at(times, last + 1))
    # The spikes go with t, and from the origin to the first time too.
    along = (time - at(times, last)) / (at(times, last + 1) - at(times, last))
    fired = at(spikes, last) * (1 - along) + at(spikes, last + 1) * along
    fired = np.where(time < times[0], spikes[..., 0] * time / times[0], fired)
    is_defined = final > 0
    return np.where(is_defined, time, np.nan), np.where(is_defined, fired, np.nan)
