"""Patches from the raw files of the van Hateren natural image collection.

The collection comes in two kinds: `.iml` (linear in light intensity) and `.imc` (the same,
corrected for the blur of the lens). The user gets the files; nothing is downloaded here.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pvae_brian.data.patches import Patches, patches_from_images

SUFFIXES = (".iml", ".imc")
SHAPE = (1024, 1536)
PIXEL = np.dtype(">u2")
N_BYTES = SHAPE[0] * SHAPE[1] * PIXEL.itemsize


def load_van_hateren(path: str | os.PathLike[str]) -> np.ndarray:
    """Load one raw van Hateren image, an `.iml` or `.imc` file.

    Such a file is 1024 rows of 1536 big-endian unsigned 16-bit integers, without a header:
    3 145 728 bytes.

    Parameters
    ----------
    path : str or path
        The file, with the suffix `.iml` or `.imc` in any case.

    Returns
    -------
    numpy.ndarray
        Float64, shape (1024, 1536): the numbers of the file, proportional to light intensity.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        When the suffix or the number of bytes is wrong.

    References
    ----------
    van Hateren, J. H. and van der Schaaf, A. (1998). Independent component filters of natural
    images compared with simple cells in primary visual cortex. Proc. R. Soc. Lond. B 265,
    359-366.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.full((1024, 1536), 258, dtype=">u2").tofile(f"{folder}/imk00001.iml")
    ...     image = load_van_hateren(f"{folder}/imk00001.iml")
    >>> image.shape, float(image.max())
    ((1024, 1536), 258.0)
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"a van Hateren image has the suffix .iml or .imc, got {path.name!r}; "
            "pass a raw file of the collection"
        )
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no file {str(path)!r}; check the path, or download the image from a copy of "
            "the van Hateren collection"
        )
    n_bytes = path.stat().st_size
    if n_bytes != N_BYTES:
        raise ValueError(
            f"a van Hateren image must be {N_BYTES} bytes ({SHAPE[0]} x {SHAPE[1]} 16-bit pixels), "
            f"but {path.name} is {n_bytes}; the file is damaged or not raw: get it again"
        )
    return np.fromfile(path, PIXEL).reshape(SHAPE).astype(np.float64)


def van_hateren_patches(
    folder: str | os.PathLike[str],
    n_train: int = 100_000,
    n_test: int = 10_000,
    size: int = 16,
    *,
    seed: int = 0,
    test_fraction: float = 0.2,
) -> Patches:
    """Cut patches from all van Hateren images in a folder.

    The intensities x become log(1 + x). From there on all is as in `natural_patches`: the right
    part of every image is kept for testing, each part is whitened and contrast-normalised by
    itself, and every patch is z-scored (`patches_from_images` has the details). The images are
    read one by one, and never held all together.

    Train and test never share a pixel of a file. Files that show one scene twice, as some series of
    the collection do, are for the user to leave out.

    Parameters
    ----------
    folder : str or path
        Folder with `.iml` or `.imc` files, which are taken in order of their names. Other files
        in it are passed over, and so are folders inside it.
    n_train, n_test : int
        Number of patches, 1 or more each.
    size : int
        Height and width of a patch in pixels, 2 or more.
    seed : int
        Seed of the places and the order of the patches, from 0 to 2**32 - 1.
    test_fraction : float
        Fraction of every image's columns that is kept for testing, between 0 and 1.

    Returns
    -------
    Patches
        Shapes (n_train, size, size) and (n_test, size, size), float32, dimensionless.

    Raises
    ------
    FileNotFoundError
        When the folder does not exist or holds no `.iml` or `.imc` file.
    ValueError
        When a file has the wrong number of bytes, an argument is out of its range, or an image is
        flat.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> noise = np.random.default_rng(0).integers(0, 2**16, (1024, 1536))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise.astype(">u2").tofile(f"{folder}/imk00001.iml")
    ...     patches = van_hateren_patches(folder, n_train=20, n_test=5)
    >>> patches.train.shape, patches.test.shape
    ((20, 16, 16), (5, 16, 16))
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(
            f"there is no folder {str(folder)!r}; pass the folder that holds the .iml or .imc files"
        )
    paths = sorted(
        (p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file()),
        key=lambda path: path.name,
    )
    if not paths:
        raise FileNotFoundError(
            f"a van Hateren folder must hold .iml or .imc files, but {str(folder)!r} has none; "
            "pass the folder with the files themselves, or use natural_patches instead"
        )
    train, test = patches_from_images(
        (np.log1p(load_van_hateren(path)) for path in paths),
        n_train,
        n_test,
        size,
        seed=seed,
        test_fraction=test_fraction,
        shapes=[SHAPE] * len(paths),
    )
    source = (
        f"{len(paths)} van Hateren images ({paths[0].name} to {paths[-1].name}), "
        "log(1 + intensity), whitened, contrast-normalised, patches z-scored; "
        f"seed {seed}, test_fraction {test_fraction}"
    )
    return Patches(train, test, source)
