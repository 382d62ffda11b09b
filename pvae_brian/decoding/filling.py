"""Decoding from the spikes so far, again and again while the window fills."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.sparse import coo_array

from pvae_brian.decoding.features import decoder_features
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.spikes import SpikeRecord, SpikeTimes


def decode_as_it_fills(
    encoder: Encoder | GaussianEncoder, record: SpikeRecord, n_times: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the spikes so far and the images that they decode to, at evenly spaced times.

    Counts are scaled to the whole window before they are decoded. A linear decoder is not run
    anew each time: what it makes of the new spikes is added, which costs as much as these.

    Parameters
    ----------
    encoder : Encoder
        With a decoder.
    record : SpikeRecord
        With spike times.
    n_times : int
        At how many times, the last of them the window's end.

    Yields
    ------
    n_spikes : ndarray of int64, shape (n_stimuli,)
        Spikes up to then, those exactly then among them.
    decoded : ndarray, shape (n_stimuli, n_inputs)

    Raises
    ------
    ValueError
        If the record holds counts only, or if the encoder has no decoder.
    """
    fractions = np.arange(1, n_times + 1) / n_times
    parts = _in_steps(record.spikes, fractions * record.window_s)
    decode = _decode_linear if encoder.has_linear_decoder else _decode_anew
    n_spikes = np.zeros(record.n_stimuli, dtype=np.int64)
    for part, decoded in zip(parts, decode(encoder, record, parts, fractions), strict=True):
        n_spikes = n_spikes + np.bincount(part.stimulus, minlength=record.n_stimuli)
        yield n_spikes, decoded


def _in_steps(spikes: SpikeTimes, times: np.ndarray) -> list[SpikeTimes]:
    """Part spikes by the time up to which they are the new ones; none is later than the last."""
    step = np.minimum(np.searchsorted(times, spikes.time, side="left"), len(times) - 1)
    order = np.argsort(step, kind="stable")
    ends = np.cumsum(np.bincount(step, minlength=len(times)))
    sorted_spikes = SpikeTimes(*(array[order] for array in spikes.arrays().values()))
    return [
        sorted_spikes.rows(slice(start, end))
        for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


def _decode_linear(
    encoder: Encoder | GaussianEncoder,
    record: SpikeRecord,
    parts: list[SpikeTimes],
    fractions: np.ndarray,
) -> Iterator[np.ndarray]:
    features = decoder_features(encoder)
    silence = encoder.decode(np.zeros((1, encoder.n_latents)))
    added = np.zeros((record.n_stimuli, encoder.n_inputs))
    for part, fraction in zip(parts, fractions, strict=True):
        added += _count(part, record) @ features
        yield silence + added / fraction


def _decode_anew(
    encoder: Encoder | GaussianEncoder,
    record: SpikeRecord,
    parts: list[SpikeTimes],
    fractions: np.ndarray,
) -> Iterator[np.ndarray]:
    counts = np.zeros(record.counts.shape)
    for part, fraction in zip(parts, fractions, strict=True):
        counts += _count(part, record)
        yield encoder.decode(counts / fraction)


def _count(spikes: SpikeTimes, record: SpikeRecord) -> coo_array:
    """Spikes of each stimulus and latent: entries of the same place are summed."""
    ones = np.ones(len(spikes))
    return coo_array((ones, (spikes.stimulus, spikes.latent)), shape=record.counts.shape).tocsr()
