"""Handwritten digits of 8 x 8 pixels, carried by scikit-learn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pvae_brian._checks import check_seed
from pvae_brian._extras import needs_extra
from pvae_brian.data.patches import check_fraction


@dataclass(frozen=True, eq=False)
class Digits:
    """Hold labelled digits for training and for testing.

    Attributes
    ----------
    train, test : numpy.ndarray
        Float32, shapes (n_train, 8, 8) and (n_test, 8, 8): pixel values in standard deviations from
        the mean of all train pixels (dimensionless).
    train_labels, test_labels : numpy.ndarray
        Int64, shapes (n_train,) and (n_test,): the digit shown, 0 to 9.
    source : str
        One line: where the digits come from and how they were processed.
    """

    train: np.ndarray
    test: np.ndarray
    train_labels: np.ndarray
    test_labels: np.ndarray
    source: str


def load_digits(*, test_fraction: float = 0.2, seed: int = 0) -> Digits:
    """Load the 1797 digits of scikit-learn, split into train and test by label.

    With mu and sigma the mean and the standard deviation of all pixels of all train digits (one
    number each), every pixel x of both sets becomes (x - mu) / sigma.

    Parameters
    ----------
    test_fraction : float
        Fraction of the digits kept for testing; 10 digits or more on either side. Every label has
        this share in the test set, to within one digit.
    seed : int
        Seed of the split, from 0 to 2**32 - 1.

    Returns
    -------
    Digits
        Images (n, 8, 8), float32, dimensionless, with their labels.

    Raises
    ------
    ImportError
        When scikit-learn is not installed.
    ValueError
        When an argument is out of its range.

    References
    ----------
    Alpaydin, E. and Kaynak, C. (1998). Optical recognition of handwritten digits. UCI Machine
    Learning Repository, https://doi.org/10.24432/C50P49 (its test part, as carried by
    scikit-learn).

    Examples
    --------
    >>> digits = load_digits()
    >>> digits.train.shape, digits.test.shape, digits.test_labels.shape
    ((1438, 8, 8), (359, 8, 8), (359,))
    """
    check_fraction(test_fraction)
    seed = check_seed(seed)
    with needs_extra("data", "the digits come with scikit-learn"):
        from sklearn import datasets
        from sklearn.model_selection import train_test_split

    images, labels = datasets.load_digits(return_X_y=True)
    images = images.reshape(-1, 8, 8)
    labels = labels.astype(np.int64)
    n_test = round(test_fraction * len(labels))
    n_labels = len(np.unique(labels))
    if not n_labels <= n_test <= len(labels) - n_labels:
        raise ValueError(
            f"train and test must each have room for all {n_labels} labels, but test_fraction="
            f"{test_fraction} leaves {len(labels) - n_test} and {n_test} digits; "
            "take a value nearer to 0.2"
        )
    train, test, train_labels, test_labels = train_test_split(
        images, labels, test_size=n_test, stratify=labels, random_state=seed
    )
    mean, std = train.mean(), train.std()
    return Digits(
        train=((train - mean) / std).astype(np.float32),
        test=((test - mean) / std).astype(np.float32),
        train_labels=train_labels,
        test_labels=test_labels,
        source=(
            f"{len(labels)} digits of scikit-learn (UCI handwritten digits), "
            "z-scored with mean and standard deviation of the train pixels; "
            f"seed {seed}, test_fraction {test_fraction}"
        ),
    )
