"""Patches from images: windows, regions that share no pixel, and seeds."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from pvae_brian import data
from pvae_brian.data.filters import patch_contrast
from pvae_brian.data.patches import split_image

from .images import noise


def z_score(patch):
    return (patch - patch.mean()) / patch.std()


@given(rows=st.integers(1, 20), columns=st.integers(1, 20), seed=st.integers(0, 99), draw=st.data())
def test_patch_contrast_agrees_with_the_deviation_of_every_window(rows, columns, seed, draw):
    size = draw.draw(st.integers(1, min(rows, columns)))
    image = noise((rows, columns), seed)
    expected = sliding_window_view(image, (size, size)).std(axis=(-2, -1))
    np.testing.assert_allclose(patch_contrast(image, size), expected, atol=1e-7)


@pytest.mark.parametrize("n", [1, 3])
def test_patch_as_large_as_its_region_is_the_processed_region(n):
    image = noise((8, 16))
    train, test = data.patches_from_images([image], n, n, size=8, test_fraction=0.5)
    for result, region in ((train, image[:, :8]), (test, image[:, 8:])):
        expected = z_score(data.normalize_contrast(data.whiten(region), 4))
        assert result.shape == (n, 8, 8)
        np.testing.assert_allclose(result, np.tile(expected, (n, 1, 1)), atol=1e-6)


def test_every_patch_is_a_z_scored_window_that_is_not_flat():
    image = noise((30, 40))
    image[12:] *= 1e-4
    train, _ = data.patches_from_images([image], 500, 5, size=6, test_fraction=0.3)
    region = data.normalize_contrast(data.whiten(image[:, :28]), 3)
    windows = sliding_window_view(region, (6, 6)).reshape(-1, 6, 6)
    contrast = windows.std(axis=(1, 2))
    assert 0.3 < (contrast < 0.1).mean() < 0.7
    z_scored = np.array([z_score(window) for window in windows])
    distance = np.abs(train[:, None] - z_scored).max(axis=(2, 3))
    assert distance.min(axis=1).max() < 1e-5
    assert contrast[distance.argmin(axis=1)].min() >= 0.1


def test_patches_have_zero_mean_and_unit_deviation_in_float32():
    for patches in data.patches_from_images(noise((3, 40, 60)), 300, 50, size=8):
        assert patches.dtype == np.float32
        assert np.abs(patches.mean(axis=(1, 2), dtype=float)).max() < 1e-6
        assert np.abs(patches.std(axis=(1, 2), dtype=float) - 1).max() < 1e-6


def disturbances(region, rng):
    """Yield very different contents for a region."""
    yield region + 1e-6 * rng.normal(size=region.shape)
    yield 1e6 * rng.normal(size=region.shape)
    spike = np.zeros(region.shape)  # Flat but for one pixel: few places to draw from.
    spike[:, 20, 9] = 1
    yield spike


@pytest.mark.parametrize(("kept", "disturbed"), [(0, 1), (1, 0)], ids=["train kept", "test kept"])
def test_no_pixel_of_one_region_reaches_the_patches_of_the_other(kept, disturbed):
    images = noise((3, 50, 80))
    before = data.patches_from_images(images, 200, 100, size=8)
    # 80 columns at 0.2: the test region is the last 16.
    part = (np.s_[:, :, :64], np.s_[:, :, 64:])[disturbed]
    for content in disturbances(images[part], np.random.default_rng(1)):
        changed = images.copy()
        changed[part] = content
        after = data.patches_from_images(changed, 200, 100, size=8)
        assert np.array_equal(after[kept], before[kept])
        # Shows that the disturbance is felt at all, and by every patch.
        assert (after[disturbed] != before[disturbed]).any(axis=(1, 2)).all()


@given(width=st.integers(2, 400), fraction=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_regions_are_disjoint_and_cover_the_image(width, fraction):
    image = np.arange(2 * width).reshape(2, width)
    train, test = split_image(image, fraction)
    assert np.array_equal(np.hstack([train, test]), image)
    assert abs(test.shape[1] - fraction * width) <= 0.5


def stripes(shape, axis):
    return noise(shape[axis])[:, None] * np.ones(shape) if axis == 0 else stripes(shape[::-1], 0).T


def test_each_region_gives_patches_in_proportion_to_its_area_in_mixed_order():
    images = [stripes((40, 50), 0), stripes((40, 150), 1)]
    for patches in data.patches_from_images(images, 400, 80, size=8):
        is_first = np.ptp(patches, axis=2).max(axis=1) < 1e-3
        assert is_first.sum() == len(patches) / 4
        assert 0 < is_first[: len(patches) // 2].sum() < is_first.sum()


@pytest.mark.parametrize("columns", [np.s_[:], np.s_[:32], np.s_[32:]])
@pytest.mark.parametrize("rounding", [0.0, 1e-16])
def test_flat_region_is_refused(columns, rounding):
    image = noise((30, 40))
    image[:, columns] = 0.3 + rounding * image[:, columns]
    with pytest.raises(
        ValueError, match=r"every image needs contrast .* image 1 has a region of 30"
    ):
        data.patches_from_images([noise((30, 40)), image], 20, 20, size=8)


def test_same_seed_same_patches_other_seed_other_patches():
    images = noise((2, 40, 60))
    first, again, other = (
        data.patches_from_images(images, 50, 20, size=8, seed=seed) for seed in (5, 5, 6)
    )
    for i in range(2):
        assert np.array_equal(first[i], again[i])
        assert (first[i] != other[i]).any(axis=(1, 2)).mean() > 0.9


def test_iterator_of_images_is_never_held_as_a_whole():
    made, alive = [], []

    def make(seed):
        image = noise((40, 60), seed)
        made.append(weakref.ref(image))
        gc.collect()
        alive.append(sum(reference() is not None for reference in made))
        return image

    images = (make(seed) for seed in range(20))
    one_by_one = data.patches_from_images(images, 50, 20, size=8, shapes=[(40, 60)] * 20)
    assert len(alive) == 20
    assert max(alive) <= 3
    together = data.patches_from_images([noise((40, 60), seed) for seed in range(20)], 50, 20, 8)
    assert all(map(np.array_equal, one_by_one, together))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_train": 0}, ValueError, "n_train must be at least 1"),
        ({"n_test": -3}, ValueError, "n_test must be at least 1"),
        ({"n_train": 2.5}, TypeError, "n_train must be an integer"),
        ({"size": 1}, ValueError, "size must be at least 2"),
        ({"size": 13}, ValueError, "size=13, but image 0 is 40 x 60 pixels, 48 columns"),
        ({"size": 41, "test_fraction": 0.5}, ValueError, "take a smaller size"),
        ({"size": 8, "test_fraction": 0.95}, ValueError, "another test_fraction"),
        ({"test_fraction": 0}, ValueError, "test_fraction must be above 0 and below 1, got 0"),
        ({"test_fraction": 1}, ValueError, "test_fraction must be above 0 and below 1, got 1"),
        ({"test_fraction": np.nan}, ValueError, "test_fraction must be"),
        ({"seed": -1}, ValueError, "seed must lie between"),
        ({"images": []}, ValueError, "got none"),
        ({"images": noise((40, 60))}, ValueError, "pass a list of images"),
        ({"images": noise((2, 40, 60, 3))}, ValueError, "turn colours into grey"),
        ({"shapes": [(40, 61)]}, ValueError, "correct shapes"),
        ({"images": np.full((1, 40, 60), np.nan)}, ValueError, "finite"),
    ],
)
def test_wrong_arguments_are_named(options, error, message):
    arguments = {"images": noise((1, 40, 60)), "n_train": 5, "n_test": 5, "size": 8} | options
    with pytest.raises(error, match=message):
        data.patches_from_images(**arguments)


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        (np.zeros((2, 4, 4)), np.zeros((2, 4, 4), np.float32), "train must be a float32 array"),
        (np.zeros((2, 4, 4), np.float32), np.zeros((2, 16), np.float32), "test must be a float32"),
        (np.zeros((2, 4, 4), np.float32), np.zeros((2, 5, 5), np.float32), "one height and width"),
    ],
)
def test_patches_check_their_arrays(train, test, message):
    with pytest.raises(ValueError, match=message):
        data.Patches(train, test, "nowhere")
