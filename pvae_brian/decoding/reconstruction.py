"""How well images can be read from the spike counts of a whole window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from pvae_brian._checks import check_images
from pvae_brian.decoding.features import decoder_features
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.spikes import SpikeRecord


@dataclass(frozen=True, eq=False)
class Reconstruction:
    r"""Error of the images decoded from simulated counts. Bootstrapped over stimuli.

    Attributes
    ----------
    error : Estimate
        Mean over stimuli of the squared error, summed over pixels.
    r2 : Estimate
        Share of the variance over stimuli that is explained, all pixels together:
        :math:`1 - \frac{n - 1}{n} \sum\|x - y\|^2 / \sum\|x - \bar x\|^2` for n stimuli, which
        has no bias however few they are. NaN if all images are alike.
    expected_error : Estimate or None
        Mean error that the closed form predicts: of a linear decoder and a neuron model that
        predicts its counts. None otherwise.
    error_by_stimulus : ndarray, shape (n_stimuli,)
        Squared error of each.
    """

    error: Estimate[float]
    r2: Estimate[float]
    expected_error: Estimate[float] | None
    error_by_stimulus: np.ndarray


def compute_reconstruction(
    encoder: Encoder | GaussianEncoder, images: ArrayLike, record: SpikeRecord
) -> Reconstruction:
    r"""Decode the counts of a record and hold the result against its images.

    For a linear decoder the expected error is known,

    .. math:: E\|x - \Phi z\|^2 = \|x - \Phi E z\|^2 + \sum_i \mathrm{Var}(z_i)\, \|\phi_i\|^2,

    with mean and variance of the counts as the neuron model predicts them.

    Parameters
    ----------
    encoder : Encoder
        With a decoder.
    images : array_like
        The stimuli of the record.
    record : SpikeRecord
        Of any simulation.

    Returns
    -------
    Reconstruction

    Raises
    ------
    ValueError
        If the encoder has no decoder, or the images are not as many as the record's stimuli.

    References
    ----------
    Vafaii, Galor, Yates (2024), Poisson Variational Autoencoder, NeurIPS, arXiv:2405.14473.

    Examples
    --------
    >>> from pvae_brian import load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:100]
    >>> record = simulate(encoder.posterior_rates(images))
    >>> bool(0.2 < compute_reconstruction(encoder, images, record).r2.value < 0.7)
    True
    """
    images = check_stimuli(encoder, images, record)
    errors = squared_error(images, encoder.decode(record.counts))
    expected = None
    law = record.prediction
    if law is not None and encoder.has_linear_decoder:
        bias = squared_error(images, encoder.decode(law.mean))
        noise = law.variance @ (decoder_features(encoder) ** 2).sum(axis=1)
        expected = bootstrap(lambda mean: mean, bias + noise, seed=record.seed)
    return Reconstruction(
        error=bootstrap(lambda mean: mean, errors, seed=record.seed),
        r2=bootstrap(explained, errors, variance_by_stimulus(images), seed=record.seed),
        expected_error=expected,
        error_by_stimulus=errors,
    )


def check_stimuli(
    encoder: Encoder | GaussianEncoder, images: ArrayLike, record: SpikeRecord
) -> np.ndarray:
    """Return the images of a record, of shape (n_stimuli, n_inputs), or raise."""
    images = check_images(images, encoder.n_inputs)
    if len(images) != record.n_stimuli:
        raise ValueError(
            f"images must be the stimuli of the record, got {len(images)} images and a record of "
            f"{record.n_stimuli}"
        )
    return images


def squared_error(images: np.ndarray, decoded: np.ndarray) -> np.ndarray:
    """Squared error of each stimulus, summed over pixels."""
    return ((images - decoded) ** 2).sum(axis=1)


def variance_by_stimulus(images: np.ndarray) -> np.ndarray:
    """Squared distance of each stimulus from the mean of all, summed over pixels.

    Times n / (n - 1), for the mean of n stimuli is nearer to them than that of all there are. NaN
    of a single one.
    """
    n = len(images)
    if n == 1:
        return np.array([np.nan])
    return squared_error(images, images.mean(axis=0)) * n / (n - 1)


def explained(error: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Share of variance explained, NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(variance) > 0, 1 - error / variance, np.nan)[()]
