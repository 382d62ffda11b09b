"""Decoder features at both ends of beta."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot
import numpy as np
import pytest
import torch

from pvae_brian import Encoder
from pvae_brian.decoding import decoder_features
from pvae_brian.report.plots._axes import write_number
from pvae_brian.report.study import (
    plot_features_by_beta,
)

from .chance import fresh_generator, fresh_seed
from .plotted import NO_WARNINGS, new_axes
from .study_figures import NAMES

pytestmark = NO_WARNINGS


def make_encoder(n_latents=9, n_inputs=16, image_shape=None, has_decoder=True) -> Encoder:
    torch.manual_seed(fresh_seed())
    return Encoder.from_module(
        torch.nn.Linear(n_inputs, n_latents).double(),
        fresh_generator().normal(size=n_latents),
        image_shape=image_shape or (n_inputs,),
        decoder=torch.nn.Linear(n_latents, n_inputs).double() if has_decoder else None,
    )


def panels_of(ax, n_rows, n_columns, n_shown, side=4) -> list[list[np.ndarray]]:
    """Cut the image into panels of tiles, from the places of their headings."""
    canvas = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    width = int(np.ceil(np.sqrt(n_shown)))
    panels = []
    for text in ax.texts:
        left, top = (round(x + 0.5) for x in text.xy)
        panels.append(
            [
                canvas[y : y + side, x : x + side]
                for k in range(n_shown)
                for y, x in [(top + (side + 1) * (k // width), left + (side + 1) * (k % width))]
            ]
        )
    assert len(panels) <= n_rows * n_columns
    return panels


def test_features_are_those_of_the_most_active_latents_at_both_ends():
    encoders = {
        (model, beta): make_encoder()
        for model in ("gaussian-relu", "poisson")
        for beta in (4.0, 1.0, 0.5)
    }
    ax = plot_features_by_beta(encoders, new_axes(), n_shown=5)
    order = [("poisson", 0.5), ("poisson", 4.0), ("gaussian-relu", 0.5), ("gaussian-relu", 4.0)]
    panels = panels_of(ax, 2, 2, 5)
    assert len(panels) == 4
    for key, panel, text in zip(order, panels, ax.texts, strict=True):
        encoder = encoders[key]
        features = decoder_features(encoder)[np.argsort(-encoder.prior_rates)[:5]]
        scale = np.abs(features).max()
        for tile, feature in zip(panel, features, strict=True):
            np.testing.assert_allclose(tile.ravel(), feature / scale)
        heading = f"{NAMES[key[0]]}, β = {key[1]:g}: ±{write_number(scale)}"
        assert text.get_text() == heading
    # Nothing else is in the image.
    canvas = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    assert np.isfinite(canvas).sum() == 4 * 5 * 16
    assert ax.get_images()[0].get_clim() == (-1, 1)
    assert "5 of 9 latents, most active first, by prior rates" in ax.get_xlabel()


def test_features_can_be_ordered_by_posterior_rates():
    encoder, images = make_encoder(), fresh_generator().normal(size=(20, 16))
    ax = plot_features_by_beta({("poisson", 1.0): encoder}, new_axes(), images=images, n_shown=4)
    (panel,) = panels_of(ax, 1, 1, 4)
    order = np.argsort(-encoder.posterior_rates(images).mean(axis=0))[:4]
    features = decoder_features(encoder)[order]
    np.testing.assert_allclose([tile.ravel() for tile in panel], features / np.abs(features).max())
    assert "by mean posterior rates" in ax.get_xlabel()


@pytest.mark.parametrize("n_latents", [1, 3])
def test_fewer_latents_than_are_shown_leave_places_empty(n_latents):
    encoders = {("poisson", 0.5): make_encoder(n_latents), ("poisson", 2.0): make_encoder(9)}
    ax = plot_features_by_beta(encoders, new_axes(), n_shown=9)
    canvas = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    assert np.isfinite(canvas).sum() == (n_latents + 9) * 16


def test_no_more_latents_are_shown_than_there_are():
    ax = plot_features_by_beta({("poisson", 1.0): make_encoder(8)}, new_axes())
    assert "8 of 8 latents" in ax.get_xlabel()
    # Three by three tiles of four pixels, and a gap between.
    assert ax.get_images()[0].get_array().shape == (15, 15)


def test_features_need_pictures_of_one_size():
    before = matplotlib.pyplot.get_fignums()
    with pytest.raises(ValueError, match="at least one, got none"):
        plot_features_by_beta({})
    with pytest.raises(ValueError, match=r"square if flat, got \(12,\)"):
        plot_features_by_beta({("poisson", 1.0): make_encoder(n_inputs=12)})
    with pytest.raises(ValueError, match=r"of one size, .* got \(16,\), \(9,\)"):
        plot_features_by_beta(
            {("poisson", 1.0): make_encoder(), ("poisson", 2.0): make_encoder(n_inputs=9)}
        )
    with pytest.raises(ValueError, match="decoder"):
        plot_features_by_beta({("poisson", 1.0): make_encoder(has_decoder=False)})
    with pytest.raises(ValueError, match="n_shown must be at least 1"):
        plot_features_by_beta({("poisson", 1.0): make_encoder()}, n_shown=0)
    assert matplotlib.pyplot.get_fignums() == before
