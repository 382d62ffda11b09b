"""Images: stimuli, what is read from the spikes, and what one spike adds."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pvae_brian._checks import check_positive_integer
from pvae_brian.metabolism import MetabolicCost
from pvae_brian.report.plots._axes import get_axes, write_number


def plot_image(pixels: np.ndarray, ax: Axes | None = None, *, scale: float | None = None) -> Axes:
    """Plot an image in grey, symmetric about zero.

    Parameters
    ----------
    pixels : ndarray, shape (height, width)
        The image.
    ax : Axes, optional
        Where to plot; a new figure by default.
    scale : float, optional
        Value shown as white; its negative is black. By default the largest there is.

    Returns
    -------
    Axes

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> ax = plot_image(np.array([[-1.0, 0.5]]), Figure().subplots())
    >>> ax.images[0].get_clim()
    (-1.0, 1.0)
    """
    ax = get_axes(ax)
    scale = scale or _largest(pixels) or 1.0
    # 'none': pixels are stored once, and files of vectors leave it to the viewer to enlarge them.
    ax.imshow(pixels, cmap="gray", vmin=-scale, vmax=scale, interpolation="none")
    ax.set_xticks([])
    ax.set_yticks([])
    return ax


def plot_reconstructions(
    images: ArrayLike, decoded: ArrayLike, ax: Axes | None = None, *, n_shown: int = 8
) -> Axes:
    """Plot images above their reconstructions from spikes, all on one grey scale.

    Parameters
    ----------
    images : array_like
        Square images of shape (n_stimuli, n_inputs), or of shape (n_stimuli, height, width).
    decoded : array_like
        Their reconstructions, such as ``encoder.decode(record.counts)``; of the same number and
        size.
    ax : Axes, optional
        Where to plot; a new figure by default.
    n_shown : int
        How many to show, from the first.

    Returns
    -------
    Axes
        With one image: a mosaic, with gaps of NaN between its tiles.

    Raises
    ------
    ValueError
        If images of shape (n_stimuli, n_inputs) are not square, or if the reconstructions are of
        another number or size.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> images = np.random.default_rng(0).normal(size=(10, 16))
    >>> ax = plot_reconstructions(images, images / 2, Figure().subplots(), n_shown=3)
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['stimulus', 'from spikes']
    """
    images = _as_pictures(images, "images")
    decoded = np.asarray(decoded)
    if decoded.shape[:1] != images.shape[:1] or decoded.size != images.size:
        raise ValueError(
            f"decoded must be reconstructions of the images, got shape {decoded.shape} for images "
            f"of shape {images.shape}; pass encoder.decode(record.counts) with images of the record"
        )
    n_shown = min(check_positive_integer(n_shown, "n_shown"), len(images))
    pictures = np.concatenate([images[:n_shown], decoded.reshape(images.shape)[:n_shown]])
    scale = _largest(pictures) or 1.0
    ax = plot_image(_mosaic(pictures, n_shown), ax, scale=scale)
    height = images.shape[1]
    ax.set_yticks(
        [(height - 1) / 2, height + _gap(height) + (height - 1) / 2],
        ["stimulus", "from spikes"],
    )
    ax.set_xlabel(f"pixels from {write_number(-scale)} (black) to {write_number(scale)} (white)")
    _without_frame(ax)
    return ax


def plot_features(
    features: ArrayLike, cost: MetabolicCost, ax: Axes | None = None, *, n_shown: int = 64
) -> Axes:
    """Plot what a spike of each neuron adds to the image, in the order of what its spikes cost.

    Each is on a grey scale of its own, for it is its shape that tells what the neuron is paid for:
    on a common one the strongest would leave most of the others grey.

    Parameters
    ----------
    features : array_like, shape (n_latents, n_inputs)
        Of `decoder_features`; each is a square image.
    cost : MetabolicCost
        Of a record of the same neurons.
    ax : Axes, optional
        Where to plot; a new figure by default.
    n_shown : int
        How many to show: the most expensive ones.

    Returns
    -------
    Axes
        With one image: a mosaic, line by line from the most expensive, with gaps of NaN.

    Raises
    ------
    ValueError
        If features are not square, or not as many as the neurons that the costs are of.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import metabolic_cost, simulate
    >>> cost = metabolic_cost(simulate([[1.0, 8.0, 0.0]] * 100, seed=1))
    >>> ax = plot_features(np.eye(3, 4), cost, Figure().subplots())
    >>> ax.images[0].get_array()[0].tolist()  # Of the second neuron, then of the first.
    [0.0, 1.0, None, 1.0, 0.0]
    """
    features = _as_pictures(features, "features")
    spent = np.asarray(cost.spiking_per_neuron.value)
    if len(features) != len(spent):
        raise ValueError(
            f"cost must be of the neurons whose features these are, got {len(spent)} neurons and "
            f"{len(features)} features"
        )
    n_shown = min(check_positive_integer(n_shown, "n_shown"), len(features))
    order = np.argsort(-spent, kind="stable")[:n_shown]
    shown = np.stack([feature / (_largest(feature) or 1.0) for feature in features[order]])
    ax = plot_image(_mosaic(shown, math.ceil(math.sqrt(n_shown))), ax, scale=1.0)
    first, last = (write_number(spent[order[k]]) for k in (0, -1))
    n = len(features)
    which = f"{n_shown} most expensive of {n} neurons"
    if n_shown == n:
        which = f"all {n} neurons, most expensive first"
    ax.set_xlabel(
        f"by cost of spikes: {first} to {last} {cost.unit} per stimulus\n"
        f"{which}, each on its own scale"
    )
    _without_frame(ax)
    return ax


def _as_pictures(images: ArrayLike, name: str) -> np.ndarray:
    """Return images of shape (n, height, width), or raise."""
    images = np.asarray(images, dtype=float)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim == 2:
        side = math.isqrt(images.shape[1])
        if side**2 != images.shape[1]:
            raise ValueError(
                f"{name} of shape (n, n_inputs) must be square, got {images.shape[1]} pixels; "
                "reshape them to (n, height, width)"
            )
        images = images.reshape(-1, side, side)
    if images.ndim != 3 or images.size == 0:
        raise ValueError(
            f"{name} must have shape (n, n_inputs) or (n, height, width) with something in it, got "
            f"{images.shape}; for one image pass image[None]"
        )
    return images


def _mosaic(pictures: np.ndarray, n_columns: int) -> np.ndarray:
    """Lay pictures out line by line; what is between them, and where there are none, is NaN."""
    n, height, width = pictures.shape
    n_rows = math.ceil(n / n_columns)
    gap = _gap(height)
    cells = np.full((n_rows * n_columns, height + gap, width + gap), np.nan)
    cells[:n, :height, :width] = pictures
    grid = cells.reshape(n_rows, n_columns, height + gap, width + gap).swapaxes(1, 2)
    return grid.reshape(n_rows * (height + gap), n_columns * (width + gap))[:-gap, :-gap]


def _gap(height: int) -> int:
    return max(1, height // 12)


def _largest(pixels: np.ndarray) -> float:
    """Largest distance from 0; what is not finite has no grey."""
    pixels = np.abs(np.asarray(pixels, dtype=float))
    return float(pixels[np.isfinite(pixels)].max(initial=0.0))


def _without_frame(ax: Axes) -> None:
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
