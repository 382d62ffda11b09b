"""`load_data`: images by the name that a user gives, for commands that train."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pvae_brian._checks import check_positive_integer, check_seed
from pvae_brian.data.arrays import load_array
from pvae_brian.data.digits import Digits, load_digits
from pvae_brian.data.patches import Patches
from pvae_brian.data.photographs import natural_patches
from pvae_brian.data.processed import load_processed
from pvae_brian.data.van_hateren import van_hateren_patches

# Names that are no files.
BUILT_IN = ("natural", "digits")
# Patches that are cut where no number is asked for.
_CUT = (100_000, 10_000)
_TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Hold images of any kind for training and for testing.

    Attributes
    ----------
    train, test : numpy.ndarray
        Float32, shapes (n_train, ...) and (n_test, ...), in the unit of their source.
    source : str
        One line: where the images come from and how they were processed.
    """

    train: np.ndarray
    test: np.ndarray
    source: str


def load_data(
    name: str, n_train: int | None = None, n_test: int | None = None, *, seed: int = 0
) -> ImageSet:
    """Load images by name.

    Parameters
    ----------
    name : str
        'natural' (`natural_patches`), 'digits' (`load_digits`), a folder of van Hateren's files
        (`van_hateren_patches`), a file ``processed.npy`` (`load_processed`), or another ``.npy``
        file of images of shape (n, ...). The last has no test images of its own: a fifth of its
        images, drawn by ``seed``, is for testing.
    n_train, n_test : int, optional
        Images of each kind. Patches are cut in these numbers, by default 100 000 and 10 000. Of
        sets that have an end, so many are drawn by ``seed``, and all there are by default or if
        they are fewer. With ``n_test=0`` there are no test images, and a ``.npy`` file is not
        split.
    seed : int
        Of the places of patches, and of what is drawn.

    Returns
    -------
    ImageSet

    Raises
    ------
    ImportError
        If 'natural' or 'digits' need a package that is not installed.
    FileNotFoundError
        If there is no such file.
    ValueError
        If there are no such data, a file cannot be read, or images in it are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> np.save("images.npy", np.zeros((50, 16)))
    >>> images = load_data("images.npy", n_train=30)
    >>> images.train.shape, images.test.shape
    ((30, 16), (10, 16))
    """
    n_train = None if n_train is None else check_positive_integer(n_train, "n_train")
    n_test = n_test if n_test in (None, 0) else check_positive_integer(n_test, "n_test")
    seed = check_seed(seed)
    path = Path(name).expanduser()
    if name == "natural":
        return _cut(natural_patches, n_train, n_test, seed)
    if name == "digits":
        return _drawn(load_digits(seed=seed), n_train, n_test, seed)
    if path.is_dir():
        return _cut(lambda *n, **seed: van_hateren_patches(path, *n, **seed), n_train, n_test, seed)
    if path.name == "processed.npy":
        return _drawn(load_processed(path), n_train, n_test, seed)
    if path.suffix == ".npy":
        return _drawn(_split(path, n_test != 0, seed), n_train, n_test, seed)
    raise ValueError(
        f"data must be 'natural', 'digits', a .npy file or a folder, got {name!r}; check the name"
    )


def _cut(
    cut: Callable[..., Patches], n_train: int | None, n_test: int | None, seed: int
) -> ImageSet:
    # The loaders cut one test patch at least; what they cut for training is the same.
    patches = cut(n_train or _CUT[0], _CUT[1] if n_test is None else n_test or 1, seed=seed)
    return ImageSet(patches.train, patches.test[:n_test], patches.source)


def _drawn(
    images: ImageSet | Digits | Patches, n_train: int | None, n_test: int | None, seed: int
) -> ImageSet:
    streams = np.random.SeedSequence(seed).spawn(3)[1:]
    train, test = (
        _at_most(part, n, np.random.default_rng(stream))
        for part, n, stream in zip(
            (images.train, images.test), (n_train, n_test), streams, strict=True
        )
    )
    return ImageSet(train, test, images.source)


def _at_most(images: np.ndarray, n: int | None, generator: np.random.Generator) -> np.ndarray:
    if n is None or n >= len(images):
        return images
    return images[generator.choice(len(images), n, replace=False)]


def _split(path: Path, has_test: bool, seed: int) -> ImageSet:
    images = load_array(path)
    if images.ndim < 2:
        raise ValueError(f"{path} must hold an array of images, got shape {images.shape}")
    if images.dtype.kind not in "buif":
        raise ValueError(f"images must be real numbers, got an array of type {images.dtype}")
    # Values beyond float32 become infinite.
    with np.errstate(over="ignore"):
        images = images.astype(np.float32)
    bad = ~np.isfinite(images).all(axis=tuple(range(1, images.ndim)))
    if bad.any():
        raise ValueError(
            f"images must be finite in single precision, got others in {bad.sum()} of "
            f"{len(images)} images in {path} (the first is number {np.argmax(bad)}); remove or "
            "repair them"
        )
    if not has_test:
        return ImageSet(images, images[:0], path.name)
    n_test = max(1, round(_TEST_FRACTION * len(images)))
    if len(images) < 2:
        raise ValueError(
            f"{path} must hold two images at least, one to train and one to test on, got "
            f"{len(images)}; add some"
        )
    stream = np.random.SeedSequence(seed).spawn(3)[0]
    order = np.random.default_rng(stream).permutation(len(images))
    source = f"{path.name} ({len(images)} images), test_fraction {_TEST_FRACTION}, seed {seed}"
    return ImageSet(images[order[n_test:]], images[order[:n_test]], source)
