"""The digits: all there, split by label."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian import data


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
