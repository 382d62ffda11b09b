"""Filters of images: whitening and local contrast."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from pvae_brian import data

from .images import noise

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
