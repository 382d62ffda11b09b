"""One picture of a simulation: stimuli, spikes, reconstructions, measured against predicted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from pvae_brian._checks import check_images
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.report.pictures import picture_shape
from pvae_brian.report.plots import plot_image, plot_measured_against_predicted, plot_raster
from pvae_brian.spikes import SpikeRecord


def plot_overview(
    encoder: Encoder | GaussianEncoder, images: ArrayLike, record: SpikeRecord, *, n_shown: int = 5
) -> Figure:
    """Plot some stimuli, their rasters, and their reconstructions from the spikes.

    Beside them, measured against predicted spikes of each neuron over all stimuli.

    Parameters
    ----------
    encoder : Encoder
        With a decoder.
    images : array_like
        The stimuli of the record: grey pictures, square ones if they are flat.
    record : SpikeRecord
        With spike times.
    n_shown : int
        How many stimuli to show; those nearest to the median number of spikes.

    Returns
    -------
    Figure
        Not bound to any window; save it with ``figure.savefig(path)``.

    Raises
    ------
    ValueError
        If the record holds counts only or is of another number of images, if the images are not
        square, or if the encoder has no decoder.
    """
    images = check_images(images, encoder.n_inputs)
    if len(images) != record.n_stimuli:
        raise ValueError(
            f"images must be the stimuli of the record, got {len(images)} images and a record of "
            f"{record.n_stimuli}"
        )
    shape = picture_shape(encoder)
    if shape is None:
        raise ValueError(
            f"images must be grey pictures, or square if flat, got shape {encoder.image_shape}"
        )
    shown = typical_stimuli(record, n_shown)
    decoded = encoder.decode(record.counts[shown])

    figure = Figure(figsize=(1.7 * len(shown) + 4.2, 5.6), layout="constrained")
    halves = figure.subfigures(1, 2, squeeze=False, width_ratios=[1.7 * len(shown), 4.2])
    left, right = halves[0]
    axes = left.subplots(3, len(shown), squeeze=False)
    for column, (stimulus, reconstruction) in enumerate(zip(shown, decoded, strict=True)):
        top, middle, bottom = axes[:, column]
        image = images[stimulus].reshape(shape)
        scale = float(np.abs(image).max())
        plot_image(image, top, scale=scale)
        plot_raster(record, stimulus, middle)
        plot_image(reconstruction.reshape(shape), bottom, scale=scale)
        top.set_title(_number(record.counts[stimulus].sum(), "spike", "spikes"), fontsize="medium")
        if column:
            middle.set_ylabel("")
            middle.set_yticklabels([])
    axes[0, 0].set_ylabel("stimulus")
    axes[2, 0].set_ylabel("reconstruction\nfrom its spikes")
    ax = plot_measured_against_predicted(record, right.subplots())
    neurons = _number(record.n_latents, "neuron", "neurons")
    stimuli = _number(record.n_stimuli, "stimulus", "stimuli")
    ax.set_title(f"{neurons}, {stimuli}", fontsize="medium")
    return figure


def check_format(path: Path) -> str:
    """Return the format of a picture by the ending of its name; without one it is png.

    Raises
    ------
    ValueError
        If matplotlib writes no such format.
    """
    name = path.suffix.lstrip(".").lower() or "png"
    known = Figure().canvas.get_supported_filetypes()
    if name not in known:
        raise ValueError(
            f"{path} must end in a picture format, one of {', '.join(known)}; try .png or .svg"
        )
    return name


def typical_stimuli(record: SpikeRecord, n: int) -> np.ndarray:
    """Return the stimuli whose number of spikes is nearest to the median, in their order."""
    spikes = record.counts.sum(axis=1)
    distance = np.abs(spikes - np.median(spikes))
    return np.sort(np.argsort(distance, kind="stable")[:n])


def _number(n: int, one: str, many: str) -> str:
    return f"{n} {one if n == 1 else many}"
