"""`load_data`: images by the name that a user gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvae_brian import data
from pvae_brian.data.choose import load_data


def save_numbered(path, n, shape=(4,)):
    """Images that can be told apart."""
    np.save(path, np.arange(n, dtype=float).reshape(n, *[1] * len(shape)) * np.ones(shape))
    return path


def numbers(images) -> list[int]:
    return images.reshape(len(images), -1)[:, 0].astype(int).tolist()


def test_natural_patches_are_those_of_their_own_function():
    images = load_data("natural", 50, 20, seed=3)
    expected = data.natural_patches(50, 20, seed=3)
    np.testing.assert_array_equal(images.train, expected.train)
    np.testing.assert_array_equal(images.test, expected.test)
    assert images.source == expected.source


def test_without_test_images_the_others_are_the_same():
    images = load_data("natural", 50, 0, seed=3)
    np.testing.assert_array_equal(images.train, load_data("natural", 50, 20, seed=3).train)
    assert images.test.shape == (0, 16, 16)


def test_digits():
    expected = data.load_digits(seed=1)
    images = load_data("digits", seed=1)
    np.testing.assert_array_equal(images.train, expected.train)
    np.testing.assert_array_equal(images.test, expected.test)
    few = load_data("digits", 10, 5, seed=1)
    assert (few.train.shape, few.test.shape) == ((10, 8, 8), (5, 8, 8))


@given(n=st.integers(2, 60), n_train=st.integers(1, 60), n_test=st.integers(1, 60))
def test_a_file_is_split_without_overlap(tmp_path_factory, n, n_train, n_test):
    path = save_numbered(tmp_path_factory.mktemp("images") / "x.npy", n, (2, 3))
    everything = load_data(str(path), seed=7)
    assert sorted(numbers(everything.train) + numbers(everything.test)) == [*range(n)]
    assert len(everything.test) == max(1, round(0.2 * n))
    images = load_data(str(path), n_train, n_test, seed=7)
    assert len(images.train) == min(n_train, len(everything.train))
    assert len(images.test) == min(n_test, len(everything.test))
    # No more images to train on make others to test on.
    assert set(numbers(images.train)) <= set(numbers(everything.train))
    assert set(numbers(images.test)) <= set(numbers(everything.test))
    assert images.train.dtype == images.test.dtype == np.float32
    again = load_data(str(path), n_train, n_test, seed=7)
    assert numbers(again.train) == numbers(images.train)


def test_another_seed_draws_others(tmp_path):
    path = save_numbered(tmp_path / "x.npy", 500)
    one, other = (load_data(str(path), 100, 50, seed=seed) for seed in (0, 1))
    # Alike by chance once in more than 1e20 times.
    assert set(numbers(one.train)) != set(numbers(other.train))
    assert set(numbers(one.test)) != set(numbers(other.test))


def test_a_file_is_whole_where_no_test_images_are_wanted(tmp_path):
    path = save_numbered(tmp_path / "x.npy", 9)
    images = load_data(str(path), n_test=0)
    assert numbers(images.train) == [*range(9)]
    assert len(images.test) == 0


def test_the_authors_file_has_their_split(tmp_path):
    path = save_numbered(tmp_path / "processed.npy", 1000)
    images, expected = load_data(str(path)), data.load_processed(path)
    np.testing.assert_array_equal(images.train, expected.train)
    np.testing.assert_array_equal(images.test, expected.test)


def test_a_folder_of_van_hateren_files(tmp_path):
    generator = np.random.default_rng(0)
    pixels = generator.integers(1, 4000, (1024, 1536)).astype(">u2")
    pixels.tofile(tmp_path / "imk00001.iml")
    images = load_data(str(tmp_path), 30, 10, seed=2)
    expected = data.van_hateren_patches(tmp_path, 30, 10, seed=2)
    np.testing.assert_array_equal(images.train, expected.train)
    np.testing.assert_array_equal(images.test, expected.test)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(5), "must hold an array of images, got shape"),
        (np.zeros((1, 4)), "must hold two images at least"),
        (np.array([["a"], ["b"]]), "images must be real numbers"),
    ],
)
def test_files_of_no_images(tmp_path, array, message):
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(ValueError, match=message):
        load_data(str(tmp_path / "x.npy"))


def test_no_such_data():
    with pytest.raises(ValueError, match="data must be 'natural', 'digits'"):
        load_data("clouds")
    with pytest.raises(FileNotFoundError):
        load_data("nothing.npy")
    with pytest.raises(ValueError, match="n_train must be at least 1"):
        load_data("digits", 0)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e39])
def test_images_that_are_not_finite_are_named_by_their_place_in_the_file(tmp_path, value):
    images = np.zeros((20, 9))
    images[13, 4] = value
    np.save(tmp_path / "x.npy", images)
    with pytest.raises(ValueError, match=r"1 of 20 images in .*x\.npy \(the first is number 13\)"):
        load_data(str(tmp_path / "x.npy"))
