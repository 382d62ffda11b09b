"""Cut images into patches for training and for testing.

Train and test patches come from separate regions of every image, and each
region is processed by itself, so that not one test pixel reaches the train set, nor the other way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pvae_brian._checks import check_positive_integer, check_seed
from pvae_brian.data.filters import as_image, normalize_contrast, patch_contrast, whiten

# A patch with less contrast than this (in units of its region's mean local contrast) is clear sky
# or blurred background. Scaled to unit variance, it would show the camera's noise as if it were
# structure.
MIN_CONTRAST = 0.1


@dataclass(frozen=True, eq=False)
class Patches:
    """Hold image patches for training and for testing.

    Attributes
    ----------
    train : numpy.ndarray
        Float32, shape (n_train, height, width). Unless `source` says otherwise, each patch has zero
        mean and unit standard deviation over its pixels (dimensionless).
    test : numpy.ndarray
        Float32, shape (n_test, height, width), in the same units; shares no pixel with `train`.
    source : str
        One line: where the patches come from and how they were processed.

    Raises
    ------
    ValueError
        When an array is not float32, not three-dimensional, or the two hold patches of unlike
        shape.

    Examples
    --------
    >>> import numpy as np
    >>> zeros = np.zeros((3, 16, 16), np.float32)
    >>> Patches(train=zeros, test=zeros[:1], source="nothing").train.shape
    (3, 16, 16)
    """

    train: np.ndarray
    test: np.ndarray
    source: str

    def __post_init__(self) -> None:
        for name, array in (("train", self.train), ("test", self.test)):
            if array.ndim != 3 or array.dtype != np.float32:
                raise ValueError(
                    f"{name} must be a float32 array of shape (n, height, width), got "
                    f"{array.dtype} of shape {array.shape}; convert it with astype and reshape it"
                )
        if self.train.shape[1:] != self.test.shape[1:]:
            raise ValueError(
                "train and test patches must have one height and width, got "
                f"{self.train.shape[1:]} and {self.test.shape[1:]}; cut both with the same size"
            )


def split_image(image: np.ndarray, test_fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Cut an image into a train region (left) and a test region (right).

    The cut is vertical because scenes differ more from sky to ground than from left to right.

    Parameters
    ----------
    image : numpy.ndarray
        Shape (height, width).
    test_fraction : float
        Fraction of the columns that go to the test region, rounded to whole columns.

    Returns
    -------
    train, test : numpy.ndarray
        Views of shape (height, width - n) and (height, n), n = round(test_fraction * width).

    Examples
    --------
    >>> import numpy as np
    >>> train, test = split_image(np.zeros((4, 10)), 0.2)
    >>> train.shape, test.shape
    ((4, 8), (4, 2))
    """
    cut = image.shape[1] - _test_width(image.shape[1], test_fraction)
    return image[:, :cut], image[:, cut:]


def patches_from_images(
    images: Iterable[np.ndarray],
    n_train: int,
    n_test: int,
    size: int = 16,
    *,
    seed: int = 0,
    test_fraction: float = 0.2,
    shapes: Sequence[tuple[int, int]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Cut whitened, contrast-normalised patches at random places of images.

    1. Each image is cut into a train region and a test region by `split_image`.
    2. Each region by itself is whitened by `whiten` and contrast-normalised by `normalize_contrast`
       with a window of sigma = size / 2 pixels.
    3. Each region gives a number of patches in proportion to its area. Their places are drawn
       uniformly and with replacement, except those where the patch is flat (its contrast is below
       a tenth of the mean local contrast of its region).
    4. Each patch x becomes (x - mean(x)) / std(x), over its own pixels. The order is shuffled.

    Every region has its own random stream, so the train patches are the same to the last bit
    whatever the test regions hold, and the other way round.

    Parameters
    ----------
    images : iterable of numpy.ndarray
        Grey images, each of shape (height, width) and in any unit.
    n_train, n_test : int
        Number of patches, 1 or more each.
    size : int
        Height and width of a patch in pixels, 2 or more.
    seed : int
        Seed of the places and the order of the patches, from 0 to 2**32 - 1.
    test_fraction : float
        Fraction of every image's columns that is kept for testing, between 0 and 1.
    shapes : sequence of (int, int), optional
        Shape of every image. Given these, `images` may be an iterator: its images are taken one by
        one and never held all together.

    Returns
    -------
    train, test : numpy.ndarray
        Float32, shapes (n_train, size, size) and (n_test, size, size), dimensionless.

    Raises
    ------
    TypeError
        When a number or the seed is not an integer.
    ValueError
        When an argument is out of its range, a patch does not fit into a region, an image is not
        what `shapes` says, or a region is flat everywhere.

    Examples
    --------
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).normal(size=(2, 64, 100))
    >>> train, test = patches_from_images(noise, n_train=50, n_test=10, size=8)
    >>> train.shape, test.shape
    ((50, 8, 8), (10, 8, 8))
    """
    n_train = check_positive_integer(n_train, "n_train")
    n_test = check_positive_integer(n_test, "n_test")
    size = check_positive_integer(size, "size")
    if size == 1:
        raise ValueError("size must be at least 2, got 1: one pixel has no contrast; take 16")
    seed = check_seed(seed)
    check_fraction(test_fraction)
    if shapes is None:
        images = list(images)
        shapes = [np.shape(image) for image in images]
    if not len(shapes):
        raise ValueError("patches are cut from one or more images, got none; pass some images")
    for index, shape in enumerate(shapes):
        _check_fit(index, shape, size, test_fraction)

    heights, widths = np.transpose(shapes)
    test_widths = np.array([_test_width(width, test_fraction) for width in widths])
    streams = np.random.SeedSequence(seed).spawn(2)
    sets = [np.empty((n, size, size), np.float32) for n in (n_train, n_test)]
    plans = [
        _plan(n_train, heights * (widths - test_widths), streams[0]),
        _plan(n_test, heights * test_widths, streams[1]),
    ]
    for index, (image, shape) in enumerate(zip(images, shapes, strict=True)):
        image = as_image(image)
        if image.shape != tuple(shape):
            raise ValueError(
                f"image {index} must have the shape given in shapes, {tuple(shape)}, got "
                f"{image.shape}; correct shapes"
            )
        regions = split_image(image, test_fraction)
        for region, patches, plan in zip(regions, sets, plans, strict=True):
            slots, stream = plan[index]
            if len(slots):
                patches[slots] = _draw(region, len(slots), size, stream, index)
    return sets[0], sets[1]


def _plan(
    n: int, areas: np.ndarray, stream: np.random.SeedSequence
) -> list[tuple[np.ndarray, np.random.SeedSequence]]:
    """Give every region its slots among n shuffled patches, by area, and its own random stream."""
    order, *streams = stream.spawn(1 + len(areas))
    # Rounding the running sum, not the shares, makes the shares add up to n.
    bounds = np.rint(n * np.cumsum(areas) / np.sum(areas)).astype(int)
    slots = np.split(np.random.default_rng(order).permutation(n), bounds[:-1])
    return list(zip(slots, streams, strict=True))


def _draw(
    region: np.ndarray, n: int, size: int, stream: np.random.SeedSequence, index: int
) -> np.ndarray:
    """Return n standardised patches (n, size, size) from random places of one region."""
    # A spread of this order is rounding (a grey value computed from colours), not contrast.
    flat = np.ptp(region) <= 1e-12 * np.abs(region).max()
    if not flat:
        region = normalize_contrast(whiten(region), sigma=size / 2)
        contrast = patch_contrast(region, size)
        places = np.flatnonzero(contrast >= MIN_CONTRAST)
        flat = not len(places)
    if flat:
        raise ValueError(
            f"every image needs contrast in its train region and its test region, but image "
            f"{index} has a region of {region.shape[0]} x {region.shape[1]} pixels where every "
            f"{size} x {size} patch is flat; leave that image out, or change "
            "test_fraction"
        )
    chosen = np.random.default_rng(stream).choice(places, n)
    rows, columns = np.unravel_index(chosen, contrast.shape)
    patches = sliding_window_view(region, (size, size))[rows, columns]
    patches -= patches.mean(axis=(1, 2), keepdims=True)
    patches /= patches.std(axis=(1, 2), keepdims=True)
    return patches


def check_fraction(test_fraction: float) -> None:
    """Say what is wrong with a test fraction that is not between 0 and 1.

    Raises
    ------
    ValueError
        When it is 0 or less, 1 or more, or not a number.

    Examples
    --------
    >>> check_fraction(0.2)
    """
    if not 0 < test_fraction < 1:
        raise ValueError(
            f"test_fraction must be above 0 and below 1, got {test_fraction}; 0.2 keeps a fifth "
            "for testing"
        )


def _test_width(width: int, test_fraction: float) -> int:
    return round(test_fraction * width)


def _check_fit(index: int, shape: tuple[int, ...], size: int, test_fraction: float) -> None:
    if len(shape) != 2:
        raise ValueError(
            f"an image must have the shape (height, width), but image {index} has {tuple(shape)}; "
            "turn colours into grey and pass a list of images"
        )
    height, width = shape
    test_width = _test_width(width, test_fraction)
    if min(height, test_width, width - test_width) < size:
        raise ValueError(
            f"a patch must fit into the train and the test region of every image: size={size}, but "
            f"image {index} is {height} x {width} pixels, {width - test_width} columns for "
            f"training and {test_width} for testing at test_fraction={test_fraction}; "
            "take a smaller size, larger images or another test_fraction"
        )
