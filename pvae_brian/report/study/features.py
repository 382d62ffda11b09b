"""What latents add to the image, at the lowest and at the highest beta of each family."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from pvae_brian._checks import check_positive_integer
from pvae_brian.decoding import decoder_features
from pvae_brian.report.pictures import as_pictures, picture_shape
from pvae_brian.report.plots._axes import get_axes, write_number
from pvae_brian.report.plots.images import plot_image
from pvae_brian.report.study._series import family_of, in_order

if TYPE_CHECKING:
    from pvae_brian.encoder import Encoder
    from pvae_brian.gaussian_encoder import GaussianEncoder

# Between panels, as a share of the height of one: for the line of text above each.
_GAP = 0.17


def plot_features_by_beta(
    encoders: Mapping[tuple[str, float], Encoder | GaussianEncoder],
    ax: Axes | None = None,
    *,
    images: ArrayLike | None = None,
    n_shown: int = 25,
) -> Axes:
    """Plot what latents add to the image, a panel for each model, the most active ones first.

    Parameters
    ----------
    encoders : mapping of (str, float) to Encoder
        By family and beta: a row for each family, its lowest and its highest beta side by side.
        Of others nothing is shown.
    ax : Axes, optional
        Where to plot; a new figure by default.
    images : array_like, optional
        Stimuli by whose mean posterior rates latents are ordered; by default it is their prior
        rates. Controls, whose prior rates are all alike, are then ordered by the size of what their
        latents add, and a plain Gaussian VAE always.
    n_shown : int
        How many latents of each model, if it has so many.

    Returns
    -------
    Axes
        With one image: all panels, with gaps of NaN. Each panel has a grey scale of its own, from
        minus its largest pixel to plus it, written above it.

    Raises
    ------
    ValueError
        If there are no encoders, if one has no decoder, or if images are no grey pictures of one
        size (flat ones must be square).

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import load_encoder
    >>> from pvae_brian.data import shipped_model
    >>> encoders = {("poisson", 1.0): load_encoder(shipped_model())}
    >>> ax = plot_features_by_beta(encoders, Figure().subplots(), n_shown=9)
    >>> ax.texts[0].get_text()[:14]
    'P-VAE, β = 1: '
    """
    n_shown = check_positive_integer(n_shown, "n_shown")
    shape = _common_shape(encoders)
    betas = {model: sorted(b for m, b in encoders if m == model) for model, _ in encoders}
    families = in_order(betas)
    most = max(encoder.n_latents for encoder in encoders.values())
    n_shown = min(n_shown, most)
    columns = math.ceil(math.sqrt(n_shown))
    rows = math.ceil(n_shown / columns)
    tile = np.array(shape) + max(1, shape[0] // 12)
    panel = np.array([rows, columns]) * tile
    step = panel + math.ceil(_GAP * panel[0])
    n_columns = max(len(_ends(each)) for each in betas.values())
    canvas = np.full(step * (len(families), n_columns), np.nan)
    headings = []
    for row, family in enumerate(families):
        for column, beta in enumerate(_ends(betas[family])):
            features, scale = _most_active(encoders[family, beta], images, n_shown, shape)
            top, left = step * (row, column)
            for k, feature in enumerate(features):
                y, x = tile * divmod(k, columns) + (top, left)
                canvas[y : y + shape[0], x : x + shape[1]] = feature
            heading = f"{family_of(family).name}, β = {beta:g}: ±{write_number(scale)}"
            headings.append((left - 0.5, top - 0.5, heading))
    height, width = canvas.shape - (step - panel)
    ax = plot_image(canvas[:height, :width], get_axes(ax), scale=1.0)
    for x, y, heading in headings:
        ax.annotate(heading, (x, y), (0, 3), textcoords="offset points", fontsize="small")
    by = "prior rates" if images is None else "mean posterior rates"
    by_size = [f for f in families if f == "gaussian" or (f != "poisson" and images is None)]
    if by_size:
        by += f",\nthose of the {' and the '.join(family_of(f).name for f in by_size)} by size"
    which = f"{n_shown} of {most} latents"
    ax.set_xlabel(
        "pixel units per spike, black to white as above each panel\n"
        f"{which}, most active first, by {by}"
    )
    ax.set_frame_on(False)
    return ax


def _common_shape(
    encoders: Mapping[tuple[str, float], Encoder | GaussianEncoder],
) -> tuple[int, int]:
    if not encoders:
        raise ValueError("encoders must hold at least one, got none; pass {(model, beta): encoder}")
    shapes = {picture_shape(encoder) for encoder in encoders.values()}
    shape = shapes.pop()
    if shapes or shape is None:
        sizes = sorted({str(encoder.image_shape) for encoder in encoders.values()})
        raise ValueError(
            f"encoders must take grey pictures of one size, square if flat, got {', '.join(sizes)}"
        )
    return shape


def _ends(betas: list[float]) -> list[float]:
    """The lowest and the highest; of one there is only itself."""
    return list(dict.fromkeys((betas[0], betas[-1])))


def _most_active(
    encoder: Encoder | GaussianEncoder,
    images: ArrayLike | None,
    n_shown: int,
    shape: tuple[int, int],
) -> tuple[np.ndarray, float]:
    """Return features of the most active latents in parts of their largest pixel, and that."""
    features = decoder_features(encoder)
    if encoder.family != "gaussian" and images is not None:
        activity = encoder.posterior_rates(images).mean(axis=0)
    elif encoder.family == "poisson":
        activity = encoder.prior_rates
    else:
        activity = np.square(features).sum(axis=1)
    shown = as_pictures(features[np.argsort(-activity, kind="stable")[:n_shown]], shape)
    scale = float(np.abs(shown).max())
    return shown / (scale or 1.0), scale
