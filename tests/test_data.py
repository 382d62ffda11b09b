"""Image data: filters, patches, photographs, digits, van Hateren files, the authors' file."""

from __future__ import annotations

import gc
import os
import struct
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib.stride_tricks import sliding_window_view

import pvae_brian.data
from pvae_brian import data
from pvae_brian.data import photographs as photographs_module
from pvae_brian.data.filters import patch_contrast
from pvae_brian.data.patches import split_image
from pvae_brian.data.photographs import load_photographs

ROOT = Path(pvae_brian.data.__file__).parents[2]


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def z_score(patch):
    return (patch - patch.mean()) / patch.std()


def run_python(code):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


# Whitening


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (16, 16), (37, 20)])
@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
def test_flat_image_whitens_to_exact_zeros(shape, value):
    assert not data.whiten(np.full(shape, value)).any()


@given(
    rows=st.integers(1, 40), columns=st.integers(1, 40), cutoff=st.floats(0.1, 2), draw=st.data()
)
@settings(deadline=None)
def test_mirrored_cosine_is_multiplied_by_the_filter_at_its_frequency(rows, columns, cutoff, draw):
    k, m = draw.draw(st.integers(0, rows - 1)), draw.draw(st.integers(0, columns - 1))
    wave = np.outer(
        np.cos(np.pi * k * (np.arange(rows) + 0.5) / rows),
        np.cos(np.pi * m * (np.arange(columns) + 0.5) / columns),
    )
    f = np.hypot(k / (2 * rows), m / (2 * columns))
    gain = f * np.exp(-((f / (cutoff / 2)) ** 4))
    np.testing.assert_allclose(data.whiten(wave, cutoff), gain * wave, atol=1e-12)


@pytest.mark.parametrize(("fy", "fx"), [(0.05, 0.0), (0.07, 0.11), (0.0, 0.3), (0.3, 0.3)])
def test_oblique_sinusoid_far_from_the_borders_has_the_gain_of_the_filter(fy, fx):
    y, x = np.mgrid[:256, :300]
    wave = np.cos(2 * np.pi * (fy * y + fx * x) + 0.4)
    f = np.hypot(fy, fx)
    gain = f * np.exp(-((f / 0.4) ** 4))
    centre = np.s_[100:156, 120:180]
    # Borders reach the centre, 100 pixels away, only through the filter's weak tail.
    np.testing.assert_allclose(data.whiten(wave)[centre], gain * wave[centre], atol=1e-3)


@pytest.mark.parametrize("shape", [(64, 64), (33, 50)])
def test_white_noise_gets_the_spectrum_of_the_filter_by_fft_of_the_mirrored_image(shape):
    image = noise(shape) + 5
    half = np.hstack([image, image[:, ::-1]])
    mirrored = np.vstack([half, half[::-1]])
    f = np.hypot(
        np.fft.fftfreq(mirrored.shape[0])[:, None], np.fft.fftfreq(mirrored.shape[1])[None]
    )
    expected = np.fft.ifft2(np.fft.fft2(mirrored) * f * np.exp(-((f / 0.4) ** 4))).real
    whitened = data.whiten(image)
    np.testing.assert_allclose(whitened, expected[: shape[0], : shape[1]], atol=1e-12)
    assert abs(whitened.mean()) < 1e-12


@pytest.mark.parametrize("cutoff", [0, -1, np.nan, np.inf])
def test_whiten_refuses_a_cutoff_that_is_no_positive_number(cutoff):
    with pytest.raises(ValueError, match="cutoff must be a positive fraction"):
        data.whiten(noise((8, 8)), cutoff)


@pytest.mark.parametrize("filter_image", [data.whiten, lambda x: data.normalize_contrast(x, 2)])
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros(5), r"shape \(height, width\), got float64 of shape \(5,\)"),
        (np.zeros((4, 4, 3)), "turn colours into grey"),
        (np.zeros((0, 4)), r"of shape \(0, 4\)"),
        (np.zeros((4, 4), complex), "complex128"),
        (np.array([[1.0, np.nan], [np.inf, 0.0]]), "got 2 NaN or infinite"),
    ],
)
def test_filters_refuse_what_is_no_grey_image(filter_image, image, message):
    with pytest.raises(ValueError, match=message):
        filter_image(image)


# Local contrast


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6])
@pytest.mark.parametrize("floor", [None, 0.0, 3.0])
def test_flat_image_has_zero_contrast(value, floor):
    assert not data.normalize_contrast(np.full((9, 13), value), 3, floor=floor).any()


def test_alternating_pixels_become_plus_and_minus_one():
    # Under a wide window the local mean is 5 and the local deviation 3, up to e**(-2 pi**2).
    stripes = np.tile([2.0, 8.0], (40, 20))
    expected = np.tile([-1.0, 1.0], (40, 20))
    inside = np.s_[:, 12:-12]
    result = data.normalize_contrast(stripes, 2)
    np.testing.assert_allclose(result[inside], expected[inside], atol=1e-3)


def test_normalize_contrast_agrees_with_sums_over_the_window():
    image, sigma, radius = noise((15, 11), seed=3), 1.5, 6
    offsets = np.arange(-radius, radius + 1)
    window = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2))
    window /= window.sum()

    def local_mean(x):
        padded = np.pad(x, radius, mode="symmetric")
        return (sliding_window_view(padded, window.shape) * window).sum(axis=(-2, -1))

    centred = image - local_mean(image)
    deviation = np.sqrt(local_mean(centred**2))
    expected = centred / np.maximum(deviation, deviation.mean())
    np.testing.assert_allclose(data.normalize_contrast(image, sigma), expected, atol=1e-12)
    np.testing.assert_allclose(
        data.normalize_contrast(image, sigma, floor=10), centred / 10, atol=1e-12
    )


@given(gain=st.floats(1e-3, 1e3), offset=st.floats(-1e3, 1e3))
@settings(max_examples=20, deadline=None)
def test_normalize_contrast_ignores_gain_and_offset(gain, offset):
    image = noise((12, 12))
    np.testing.assert_allclose(
        data.normalize_contrast(gain * image + offset, 2),
        data.normalize_contrast(image, 2),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [({"sigma": 0}, "sigma must be a positive"), ({"sigma": 2, "floor": -1}, "floor must be zero")],
)
def test_normalize_contrast_refuses_wrong_numbers(options, message):
    with pytest.raises(ValueError, match=message):
        data.normalize_contrast(noise((8, 8)), **options)


# Patches from images


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


# Natural photographs


def test_photographs_are_grey_and_between_black_and_white():
    photographs = load_photographs()
    assert len(photographs) == 8
    for image in photographs.values():
        assert image.ndim == 2
        assert image.dtype == np.float64
        assert 0 <= image.min() < 0.3 < 0.7 < image.max() <= 1


def test_natural_patches_have_the_shapes_asked_for_and_say_their_source():
    patches = data.natural_patches(300, 100, 12, seed=4)
    assert patches.train.shape == (300, 12, 12)
    assert patches.test.shape == (100, 12, 12)
    assert patches.train.dtype == patches.test.dtype == np.float32
    assert "camera.png" in patches.source
    assert "seed 4" in patches.source
    assert "\n" not in patches.source
    again = data.natural_patches(300, 100, 12, seed=4)
    other = data.natural_patches(300, 100, 12, seed=5)
    assert np.array_equal(patches.train, again.train)
    assert np.array_equal(patches.test, again.test)
    assert not np.array_equal(patches.train, other.train)


@pytest.mark.parametrize(("kept", "disturbed"), [("train", "test"), ("test", "train")])
def test_natural_train_and_test_patches_share_no_pixel(monkeypatch, kept, disturbed):
    before = data.natural_patches(400, 400)
    photographs = load_photographs()
    for image in photographs.values():
        train_width = image.shape[1] - round(0.2 * image.shape[1])
        part = np.s_[:, train_width:] if disturbed == "test" else np.s_[:, :train_width]
        image[part] = noise(image[part].shape)
    monkeypatch.setattr(photographs_module, "load_photographs", lambda: photographs)
    after = data.natural_patches(400, 400)
    assert np.array_equal(getattr(after, kept), getattr(before, kept))
    changed = getattr(after, disturbed) != getattr(before, disturbed)
    assert changed.any(axis=(1, 2)).all()


def test_whitening_flattens_the_spectrum_of_the_photographs():
    # Power in two octaves: natural scenes have about four times as much per frequency in the lower
    # one (1/f^2); whitened, the ratio must be far nearer to one.
    def octave_ratio(image):
        power = np.abs(np.fft.fft2(image * np.outer(*map(np.hanning, image.shape)))) ** 2
        f = np.hypot(np.fft.fftfreq(image.shape[0])[:, None], np.fft.fftfreq(image.shape[1])[None])
        return power[(f > 0.05) & (f < 0.1)].mean() / power[(f > 0.1) & (f < 0.2)].mean()

    images = load_photographs().values()
    raw = np.mean([np.log(octave_ratio(image - image.mean())) for image in images])
    white = np.mean([np.log(octave_ratio(data.whiten(image))) for image in images])
    assert raw > np.log(3)
    assert abs(white) < 0.5 * raw


def test_patch_that_does_not_fit_into_a_photograph_is_refused():
    with pytest.raises(ValueError, match="size=100, but image 3 is 300 x 451 pixels"):
        data.natural_patches(10, 10, 100)


def test_photograph_that_the_wheel_lacks_is_named(monkeypatch):
    monkeypatch.setattr(photographs_module, "PHOTOGRAPHS", ("nowhere.png",))
    with pytest.raises(FileNotFoundError, match=r"data/nowhere.png, but the installed version"):
        data.natural_patches(10, 10)


# Digits


def raw_digits():
    from sklearn.datasets import load_digits

    return load_digits(return_X_y=True)


def test_digits_are_all_there_and_z_scored_by_the_train_set_alone():
    digits = data.load_digits()
    assert digits.train.dtype == digits.test.dtype == np.float32
    assert abs(digits.train.mean(dtype=float)) < 1e-6
    assert abs(digits.train.std(dtype=float) - 1) < 1e-6
    # One grey level (raw values are 0 to 16) is the same step in both sets, and 0 the same value.
    step = np.ptp(digits.train) / 16
    raw = np.concatenate([digits.train, digits.test]).reshape(-1, 64)
    raw = np.rint((raw - digits.train.min()) / step).astype(int)
    labels = np.concatenate([digits.train_labels, digits.test_labels])
    found = np.column_stack([raw, labels])
    expected = np.column_stack(raw_digits()).astype(int)
    assert np.array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])
    np.testing.assert_allclose(digits.test.min(), digits.train.min(), atol=1e-6)


@pytest.mark.parametrize("fraction", [0.01, 0.2, 0.5])
def test_digits_are_split_by_label(fraction):
    digits = data.load_digits(test_fraction=fraction)
    share = fraction * np.bincount(raw_digits()[1])
    assert np.abs(np.bincount(digits.test_labels, minlength=10) - share).max() <= 1


def test_digits_depend_on_the_seed_only():
    first, again, other = (data.load_digits(seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.train, again.train)
    assert np.array_equal(first.test_labels, again.test_labels)
    assert not np.array_equal(first.train, other.train)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_fraction": 0}, "above 0 and below 1"),
        ({"test_fraction": 0.001}, "room for all 10 labels.* leaves 1795 and 2 digits"),
        ({"test_fraction": 0.999}, "nearer to 0.2"),
        ({"seed": 2**32}, "seed must lie between"),
    ],
)
def test_digits_refuse_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        data.load_digits(**options)


# van Hateren files


def write_van_hateren(path, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 2**16, (1024, 1536)).astype(">u2")
    pixels.tofile(path)
    return pixels


@pytest.mark.parametrize("name", ["imk00001.iml", "imk00001.imc", "IMK00001.IML"])
def test_van_hateren_file_round_trip(tmp_path, name):
    pixels = write_van_hateren(tmp_path / name)
    image = data.load_van_hateren(tmp_path / name)
    assert image.shape == (1024, 1536)
    assert image.dtype == np.float64
    assert image.dtype.isnative
    assert np.array_equal(image, pixels)


@given(
    pixels=st.lists(
        st.tuples(st.integers(0, 1023), st.integers(0, 1535), st.integers(0, 2**16 - 1)),
        unique_by=lambda pixel: pixel[:2],
        max_size=20,
    )
)
@settings(max_examples=20, deadline=None)
def test_van_hateren_pixels_lie_row_by_row_with_the_high_byte_first(tmp_path_factory, pixels):
    content = bytearray(3_145_728)
    for row, column, value in pixels:
        struct.pack_into(">H", content, 2 * (1536 * row + column), value)
    path = tmp_path_factory.mktemp("van_hateren") / "image.iml"
    path.write_bytes(content)
    image = data.load_van_hateren(str(path))
    path.unlink()
    for row, column, value in pixels:
        assert image[row, column] == value
        image[row, column] = 0
    assert not image.any()


@pytest.mark.parametrize("n_bytes", [0, 1, 3_145_726, 3_145_727, 3_145_729, 6_291_456])
def test_van_hateren_file_of_the_wrong_length_is_refused(tmp_path, n_bytes):
    path = tmp_path / "image.imc"
    path.touch()
    os.truncate(path, n_bytes)
    with pytest.raises(ValueError, match=rf"3145728 bytes .* image.imc is {n_bytes}; .* again"):
        data.load_van_hateren(path)


def test_van_hateren_path_that_is_no_image_is_refused(tmp_path):
    write_van_hateren(tmp_path / "image.raw")
    (tmp_path / "folder.iml").mkdir()
    with pytest.raises(ValueError, match=r"suffix .iml or .imc, got 'image.raw'"):
        data.load_van_hateren(tmp_path / "image.raw")
    for name in ("missing.iml", "folder.iml"):
        with pytest.raises(FileNotFoundError, match=f"there is no file .*{name}"):
            data.load_van_hateren(tmp_path / name)


def test_van_hateren_patches_come_from_the_log_intensities_in_order_of_name(tmp_path):
    second = write_van_hateren(tmp_path / "imk00002.iml", seed=2)
    first = write_van_hateren(tmp_path / "imk00001.IMC", seed=1)
    (tmp_path / "README.txt").write_text("not an image")
    (tmp_path / "old.iml").mkdir()
    patches = data.van_hateren_patches(tmp_path, 60, 20, 10, seed=3, test_fraction=0.25)
    train, test = data.patches_from_images(
        [np.log(1.0 + first), np.log(1.0 + second)], 60, 20, 10, seed=3, test_fraction=0.25
    )
    np.testing.assert_allclose(patches.train, train, atol=1e-4)
    np.testing.assert_allclose(patches.test, test, atol=1e-4)
    assert "2 van Hateren images (imk00001.IMC to imk00002.iml)" in patches.source
    assert str(tmp_path) not in patches.source


def test_van_hateren_folder_without_whole_images_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        data.van_hateren_patches(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"has none; pass .* natural_patches"):
        data.van_hateren_patches(tmp_path)
    (tmp_path / "image.iml").write_bytes(b"short")
    with pytest.raises(ValueError, match=r"image.iml is 5; the file is damaged"):
        data.van_hateren_patches(tmp_path)


# The authors' processed.npy


def save(folder, array):
    path = folder / "processed.npy"
    np.save(path, array)
    return path


@pytest.mark.parametrize("layout", [(-1, 16, 16), (-1, 1, 16, 16), (-1, 256)])
def test_processed_is_split_within_each_of_a_hundred_blocks(tmp_path, layout):
    # 1037 patches: 99 blocks of 10 (8 + 2) and a last one of 47 (38 + 9).
    images = np.arange(1037.0)[:, None] + np.arange(256) / 256
    patches = data.load_processed(save(tmp_path, images.reshape(layout)))
    block_test = [10 * block + i for block in range(99) for i in (8, 9)]
    test = np.array(block_test + list(range(1028, 1037)))
    train = np.setdiff1d(np.arange(1037), test)
    assert patches.train.dtype == np.float32
    assert patches.train.shape == (len(train), 16, 16)
    assert np.array_equal(patches.train, images[train].astype("f4").reshape(-1, 16, 16))
    assert np.array_equal(patches.test, images[test].astype("f4").reshape(-1, 16, 16))
    assert patches.source.startswith("processed.npy (1037 patches")


@pytest.mark.parametrize(("n", "n_test"), [(2, 1), (3, 2), (5, 2), (7, 4)])
def test_half_patches_round_to_even_as_in_the_source(tmp_path, n, n_test):
    path = save(tmp_path, np.zeros((n, 2, 2)))
    assert len(data.load_processed(path, test_fraction=0.5, n_blocks=1).test) == n_test


@given(
    n=st.integers(2, 150),
    height=st.integers(1, 5),
    width=st.integers(1, 5),
    n_blocks=st.integers(1, 20),
    fraction=st.floats(0.05, 0.95),
    layout=st.sampled_from(["plain", "channel", "flat"]),
    dtype=st.sampled_from(["<f4", ">f4", "f8", "f2", "u1", "i4"]),
    order=st.sampled_from("CF"),
)
@settings(deadline=None)
def test_processed_keeps_every_patch_once_in_order(
    tmp_path_factory, n, height, width, n_blocks, fraction, layout, dtype, order
):
    height = width if layout == "flat" else height
    images = np.random.default_rng(0).integers(0, 100, (n, height, width)).astype(dtype)
    images[:, 0, 0] = np.arange(n)
    shape = {"plain": images.shape, "channel": (n, 1, height, width), "flat": (n, height * width)}
    path = tmp_path_factory.getbasetemp() / "any.npy"
    np.save(path, np.asarray(images.reshape(shape[layout]), order=order))
    lengths = [n // n_blocks] * (n_blocks - 1) + [n - (n_blocks - 1) * (n // n_blocks)]
    n_test = sum(round(length * fraction) for length in lengths)
    if n_test in (0, n):
        with pytest.raises(ValueError, match="train and test must each have a patch"):
            data.load_processed(path, test_fraction=fraction, n_blocks=n_blocks)
        return
    patches = data.load_processed(path, test_fraction=fraction, n_blocks=n_blocks)
    assert len(patches.test) == n_test
    for part in (patches.train, patches.test):
        assert part.dtype == np.float32
        assert part.dtype.isnative
        assert type(part) is np.ndarray
        assert (np.diff(part[:, 0, 0]) > 0).all()
    together = np.concatenate([patches.train, patches.test])
    assert np.array_equal(together[np.argsort(together[:, 0, 0])], images)


@given(images=hnp.arrays(np.float32, (10, 2, 3), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
@settings(deadline=None)
def test_processed_keeps_every_bit(tmp_path_factory, images):
    path = save(tmp_path_factory.getbasetemp(), images)
    patches = data.load_processed(path, n_blocks=1)
    assert patches.train.tobytes() + patches.test.tobytes() == images.tobytes()


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((100, 15)), r"square number of pixels, none of them 0, but .* has \(100, 15\)"),
        (np.zeros((100, 3, 4, 4)), "reshape the array"),
        (np.zeros((100, 1, 1, 4, 4)), "patches must have the shape"),
        (np.zeros(100), "patches must have the shape"),
        (np.array(1.0), "patches must have the shape"),
        (np.zeros((0, 4, 4)), "patches must have the shape"),
        (np.zeros((100, 0)), "patches must have the shape"),
        (np.zeros((100, 4), complex), "must be real numbers, but processed.npy holds complex128"),
        (np.full((100, 4), "a"), "must be real numbers"),
        (np.array([None] * 100, object), "cannot be read"),
        (np.full((100, 4), np.nan), "holds 400 values that are NaN"),
        (np.full((100, 4), np.inf), "must be finite"),
        (np.full((100, 4), 1e300), "too large"),
        (np.zeros((1, 4)), "train and test must each have a patch"),
    ],
)
def test_processed_refuses_arrays_that_are_no_patches(tmp_path, array, message):
    with pytest.raises(ValueError, match=message):
        data.load_processed(save(tmp_path, array), n_blocks=2)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_blocks": 0}, ValueError, "n_blocks must be at least 1"),
        ({"n_blocks": 1.5}, TypeError, "n_blocks must be an integer"),
        ({"test_fraction": 1.2}, ValueError, "test_fraction must be above 0"),
    ],
)
def test_processed_refuses_wrong_arguments(tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        data.load_processed(save(tmp_path, np.zeros((100, 4))), **options)


@given(length=st.integers(0, 128 + 3200 - 1))
@settings(deadline=None)
def test_processed_that_is_cut_off_anywhere_is_refused(tmp_path_factory, length):
    path = save(tmp_path_factory.getbasetemp(), np.ones((100, 4)))
    assert path.stat().st_size == 128 + 3200
    os.truncate(path, length)
    with pytest.raises(ValueError, match=r"one whole .npy array of numbers"):
        data.load_processed(path)


@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"\x93NUMPY\x01\x00", b"PK"]))
@settings(deadline=None)
def test_processed_that_is_something_else_is_refused(tmp_path_factory, content, start):
    path = tmp_path_factory.getbasetemp() / "else.npy"
    path.write_bytes(start + content)
    with pytest.raises(ValueError, match=r"one whole .npy array of numbers"):
        data.load_processed(path)


class Trap:
    """Make a folder when unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_processed_with_pickled_objects_is_refused_and_runs_nothing(tmp_path):
    sprung = tmp_path / "sprung"
    path = save(tmp_path, np.array([Trap(sprung)] * 100, object))
    with pytest.raises(ValueError, match="cannot be read"):
        data.load_processed(path)
    assert not sprung.exists()
    np.load(path, allow_pickle=True)
    assert sprung.exists()  # The trap works where pickles are allowed.


def test_missing_processed_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*processed.npy.*README"):
        data.load_processed(tmp_path / "processed.npy")


# Imports


def test_importing_the_data_room_imports_nothing_heavy():
    code = (
        "import sys, pvae_brian.data; "
        "print(*{'torch', 'brian2', 'matplotlib', 'skimage', 'sklearn'} & set(sys.modules))"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == ""


@pytest.mark.parametrize(
    ("missing", "call"), [("skimage", "natural_patches(10, 10)"), ("sklearn", "load_digits()")]
)
def test_missing_extra_is_named_and_the_rest_works(missing, call):
    code = (
        f"import sys; sys.modules['{missing}'] = None\n"
        "import numpy as np\n"
        "from pvae_brian import data\n"
        "data.patches_from_images(np.random.default_rng(0).normal(size=(1, 40, 90)), 3, 3)\n"
        f"try: data.{call}\n"
        "except ImportError as error: print(error)"
    )
    result = run_python(code)
    assert result.returncode == 0, result.stderr
    assert 'pip install "pvae_brian[data]"' in result.stdout
