"""Plots of images: each in its place, on its scale."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian.report.plots import plot_features, plot_image, plot_reconstructions
from pvae_brian.report.plots._axes import write_number

from .plotted import NO_WARNINGS, make_run, new_axes

pytestmark = NO_WARNINGS


@pytest.fixture(scope="module")
def example():
    # So many spikes that there are some by the first time of the course, with any seed.
    return make_run(log_rate=2.5)


def test_image_is_symmetric_about_zero():
    pixels = np.array([[-1.0, 0.5], [0.0, 3.0]])
    (image,) = plot_image(pixels, new_axes()).get_images()
    assert image.get_clim() == (-3, 3)
    np.testing.assert_array_equal(image.get_array(), pixels)
    assert plot_image(pixels, new_axes(), scale=5.0).get_images()[0].get_clim() == (-5, 5)
    assert plot_image(np.zeros((2, 2)), new_axes()).get_images()[0].get_clim() == (-1, 1)


def test_image_without_numbers_has_a_scale_too():
    pixels = np.array([[np.nan, 2.0], [np.inf, -1.0]])
    assert plot_image(pixels, new_axes()).get_images()[0].get_clim() == (-2, 2)
    assert plot_image(np.full((1, 1), np.nan), new_axes()).get_images()[0].get_clim() == (-1, 1)


def tiles_of(ax, n_columns, height, width) -> list[np.ndarray]:
    """Cut a mosaic into its tiles; all that is between them must be empty."""
    mosaic = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    n_rows = round((mosaic.shape[0] + 1) / (height + 1))
    rows = [row * (height + 1) for row in range(n_rows)]
    columns = [column * (width + 1) for column in range(n_columns)]
    inside = np.zeros(mosaic.shape, dtype=bool)
    tiles = []
    for top in rows:
        for left in columns:
            tiles.append(mosaic[top : top + height, left : left + width].copy())
            inside[top : top + height, left : left + width] = True
    assert np.isnan(mosaic[~inside]).all()
    return tiles


def test_reconstructions_stand_below_their_images(example):
    ax = plot_reconstructions(example.images, example.decoded, new_axes(), n_shown=5)
    tiles = tiles_of(ax, 5, 4, 4)
    assert len(tiles) == 10
    for k in range(5):
        np.testing.assert_allclose(tiles[k].ravel(), example.images[k])
        np.testing.assert_allclose(tiles[5 + k].ravel(), example.decoded[k])
    largest = max(np.abs(example.images[:5]).max(), np.abs(example.decoded[:5]).max())
    assert ax.get_images()[0].get_clim() == (-largest, largest)
    assert write_number(largest) in ax.get_xlabel()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["stimulus", "from spikes"]
    # In the middle of their rows; between pixels 1 and 2 of 0 to 3, and of 5 to 8.
    np.testing.assert_allclose(ax.get_yticks(), [1.5, 6.5])


def test_reconstructions_are_as_many_as_there_are(example):
    ax = plot_reconstructions(example.images, example.decoded, new_axes(), n_shown=50)
    assert len(tiles_of(ax, 12, 4, 4)) == 24


@pytest.mark.parametrize("shape", [(12, 4, 4), (12, 1, 4, 4)])
def test_reconstructions_take_images_in_their_shape(example, shape):
    flat = plot_reconstructions(example.images, example.decoded, new_axes())
    shaped = plot_reconstructions(example.images.reshape(shape), example.decoded, new_axes())
    np.testing.assert_array_equal(
        flat.get_images()[0].get_array(), shaped.get_images()[0].get_array()
    )
    oblong = plot_reconstructions(example.images.reshape(12, 2, 8), example.decoded, new_axes())
    np.testing.assert_allclose(tiles_of(oblong, 8, 2, 8)[8].ravel(), example.decoded[0])


def test_reconstructions_need_square_images_and_as_many(example):
    images, decoded = example.images, example.decoded
    with pytest.raises(ValueError, match="square, got 15 pixels"):
        plot_reconstructions(images[:, :15], decoded[:, :15])
    with pytest.raises(ValueError, match=r"\(11, 16\) for images of shape \(12, 4, 4\)"):
        plot_reconstructions(images, decoded[:11])
    with pytest.raises(ValueError, match="reconstructions of the images"):
        plot_reconstructions(images, decoded[:, :4])
    with pytest.raises(ValueError, match="one image"):
        plot_reconstructions(images[0], decoded[0])
    with pytest.raises(ValueError, match="something in it"):
        plot_reconstructions(images[:0], decoded[:0])
    with pytest.raises(ValueError, match="n_shown must be at least 1"):
        plot_reconstructions(images, decoded, n_shown=0)


def test_features_are_in_the_order_of_what_their_neurons_cost(example):
    cost, features = example.costs[0], example.features
    ax = plot_features(features, cost, new_axes(), n_shown=5)
    # Three columns, so there is an empty place at the end.
    *tiles, last = tiles_of(ax, 3, 4, 4)
    assert np.isnan(last).all()
    totals = example.record.counts.sum(axis=0)
    order = np.argsort(-totals, kind="stable")[:5]
    for tile, neuron in zip(tiles, order, strict=True):
        expected = features[neuron] / np.abs(features[neuron]).max()
        np.testing.assert_allclose(tile.ravel(), expected)
    assert ax.get_images()[0].get_clim() == (-1, 1)
    first, final = (write_number(cost.spiking_per_neuron.value[k]) for k in order[[0, -1]])
    assert ax.get_xlabel() == (
        f"by cost of spikes: {first} to {final} ATP per stimulus\n"
        "5 most expensive of 6 neurons, each on its own scale"
    )


def test_all_features_are_shown_if_they_are_few_and_what_is_zero_stays_so(example):
    ax = plot_features(np.zeros((6, 16)), example.costs[0], new_axes())
    for tile in tiles_of(ax, 3, 4, 4):
        assert (tile == 0).all()
    assert "all 6 neurons, most expensive first" in ax.get_xlabel()


def test_features_must_be_those_of_the_costs(example):
    with pytest.raises(ValueError, match="6 neurons and 5 features"):
        plot_features(example.features[:5], example.costs[0])
    with pytest.raises(ValueError, match="square, got 15 pixels"):
        plot_features(example.features[:, :15], example.costs[0])
