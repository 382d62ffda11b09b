"""The authors' processed.npy: their split, every bit, and no pickles."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pvae_brian import data


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
