"""Read the patches that the authors of the Poisson VAE share, `processed.npy`."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from pvae_brian._checks import check_positive_integer
from pvae_brian.data.patches import Patches, check_fraction


def load_processed(
    path: str | os.PathLike[str], *, test_fraction: float = 0.2, n_blocks: int = 100
) -> Patches:
    """Load the authors' `processed.npy` and split it into train and test as they do.

    The n patches are cut into `n_blocks` runs of floor(n / n_blocks), the last of which takes the
    remainder. The last round(test_fraction * length) patches of every run are for testing. The
    order of the file and the values, which the authors have whitened and normalised, stay as they
    are.

    Parameters
    ----------
    path : str or path
        A `.npy` file of shape (n, height, width), (n, 1, height, width), or (n, pixels) where
        pixels is a square number. It is data only: a file with pickled objects is refused.
    test_fraction : float
        Fraction of every block that is kept for testing, between 0 and 1.
    n_blocks : int
        Number of blocks, 1 or more.

    Returns
    -------
    Patches
        Shapes (n_train, height, width) and (n_test, height, width), float32, in the unit of the
        file.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the file is not a whole `.npy` file of finite real numbers in one of these shapes, or
        the split leaves one side empty.

    References
    ----------
    Vafaii, H., Galor, D. and Yates, J. L. (2024). Poisson variational autoencoder. NeurIPS 2024;
    the split is that of `base/dataset.py` in https://github.com/hadivafaii/PoissonVAE.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/processed.npy", np.zeros((1000, 1, 16, 16), np.float32))
    ...     patches = load_processed(f"{folder}/processed.npy")
    >>> patches.train.shape, patches.test.shape
    ((800, 16, 16), (200, 16, 16))
    """
    check_fraction(test_fraction)
    n_blocks = check_positive_integer(n_blocks, "n_blocks")
    path = Path(path)
    array = _read(path)
    images = array.reshape(-1, *_image_shape(array.shape, path.name))

    is_test = _test_mask(len(images), n_blocks, test_fraction)
    if is_test.all() or not is_test.any():
        raise ValueError(
            f"train and test must each have a patch, but {path.name} has {len(images)} patches, of "
            f"which {is_test.sum()} are for testing at test_fraction={test_fraction} and "
            f"n_blocks={n_blocks}; take fewer blocks or another test_fraction"
        )
    # Values beyond float32 become infinite without a warning, and are refused below.
    with np.errstate(over="ignore"):
        train, test = (
            images[chosen].astype(np.float32, copy=False) for chosen in (~is_test, is_test)
        )
    n_bad = sum(np.count_nonzero(~np.isfinite(part)) for part in (train, test))
    if n_bad:
        raise ValueError(
            f"patches must be finite in float32, but {path.name} holds {n_bad} values that are "
            "NaN, infinite or too large; get the file again, or leave those patches out"
        )
    source = (
        f"{path.name} ({len(images)} patches as processed by their authors), "
        f"test_fraction {test_fraction} of each of {n_blocks} blocks"
    )
    return Patches(train, test, source)


def _read(path: Path) -> np.ndarray:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {str(path)!r}; pass the path of processed.npy, found by way of the "
            "README of https://github.com/hadivafaii/PoissonVAE"
        )
    try:
        # Mapped, not read: a cut-off file shows at once, whatever length its header claims, and
        # only the float32 copy takes memory. Mapping also refuses pickled objects, which could
        # run code.
        array = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, TypeError, OverflowError, EOFError) as error:
        raise ValueError(
            f"the file must be one whole .npy array of numbers, but {path.name} cannot be read so "
            f"({error}); get it again, or save the array with numpy.save"
        ) from error
    if array.dtype.kind not in "iuf":
        raise ValueError(
            f"patches must be real numbers, but {path.name} holds {array.dtype}; "
            "save them as float32"
        )
    return np.asarray(array)


def _image_shape(shape: tuple[int, ...], name: str) -> tuple[int, int]:
    if len(shape) == 3:
        image_shape = shape[1:]
    elif len(shape) == 4 and shape[1] == 1:
        image_shape = shape[2:]
    elif len(shape) == 2 and math.isqrt(shape[1]) ** 2 == shape[1]:
        image_shape = (math.isqrt(shape[1]),) * 2
    else:
        image_shape = None
    if image_shape is None or 0 in (shape[0], *image_shape):
        raise ValueError(
            "patches must have the shape (n, height, width), (n, 1, height, width) or (n, pixels) "
            f"with a square number of pixels, none of them 0, but {name} has {shape}; reshape the "
            "array and save it again"
        )
    return image_shape


def _test_mask(n: int, n_blocks: int, test_fraction: float) -> np.ndarray:
    """Mark the patches, shape (n,), that are for testing."""
    mask = np.zeros(n, bool)
    starts = np.arange(n_blocks) * (n // n_blocks)
    for start, stop in zip(starts, [*starts[1:], n], strict=True):
        # round() takes halves to the even neighbour, as the authors' numpy.round does.
        mask[stop - round((stop - start) * test_fraction) : stop] = True
    return mask
