"""Van Hateren files: pixels in their order, whole files only."""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import data


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
