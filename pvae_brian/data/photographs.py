"""Natural-image patches that need no download: photographs carried by scikit-image.

The wheel of scikit-image holds a few photographs as files. These eight are pictures of real
scenes and surfaces; the licence is the one that the documentation of `skimage.data` states:

=============  =============================  ==========================================
file           scene                          licence
=============  =============================  ==========================================
astronaut.png  portrait (NASA)                public domain
brick.png      brick wall (CC0Textures)       CC0
camera.png     man with camera on a meadow    CC0, Lav Varshney
chelsea.png    face of a cat                  CC0, Stefan van der Walt
coffee.png     cup on a wooden table          CC0, Rachel Michetti
grass.png      grass (linolafett)             CC0
gravel.png     gravel (CC0Textures)           CC0
rocket.jpg     launch pad at dusk (SpaceX)    public domain
=============  =============================  ==========================================

Left out: drawings, text, microscope, X-ray and telescope pictures; coins.png (a plate of objects
on a painted ground); lfw_subset.npy (25 pixel faces); and the stereo pair
motorcycle_left/right.png, for which no licence is stated and whose two views show the same scene
twice.
"""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np

from pvae_brian._extras import needs_extra
from pvae_brian.data.patches import Patches, patches_from_images

PHOTOGRAPHS = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "grass.png",
    "gravel.png",
    "rocket.jpg",
)


def load_photographs() -> dict[str, np.ndarray]:
    """Load the natural photographs that scikit-image carries, in grey.

    Returns
    -------
    dict of str to numpy.ndarray
        File name to grey image: float64, shape (height, width), luminance from 0 (black) to 1
        (white).

    Raises
    ------
    ImportError
        When scikit-image is not installed.
    FileNotFoundError
        When the installed scikit-image does not carry a photograph.

    Examples
    --------
    >>> load_photographs()["camera.png"].shape
    (512, 512)
    """
    with needs_extra("data", "the natural photographs come with scikit-image"):
        import skimage
        from skimage.color import rgb2gray
        from skimage.io import imread
        from skimage.util import img_as_float

    # Not skimage.data.data_dir or its functions: with pooch installed these turn to a download
    # cache.
    folder = Path(skimage.__file__).parent / "data"
    photographs = {}
    for name in PHOTOGRAPHS:
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"scikit-image must carry the photograph data/{name}, but the installed version "
                f"{version('scikit-image')} does not; install another with: "
                'pip install --force-reinstall "pvae_brian[data]"'
            )
        image = imread(folder / name)
        photographs[name] = rgb2gray(image) if image.ndim == 3 else img_as_float(image)
    return photographs


def natural_patches(
    n_train: int = 100_000,
    n_test: int = 10_000,
    size: int = 16,
    *,
    seed: int = 0,
    test_fraction: float = 0.2,
) -> Patches:
    """Cut patches from natural photographs, without any download.

    The right part of every photograph (`test_fraction` of its columns) is kept for testing. Each
    part is whitened and contrast-normalised by itself, and every patch x becomes (x - mean(x)) /
    std(x); `patches_from_images` has the details and the equations.

    Eight photographs are few: the patches overlap among themselves, and they suit demonstrations
    and tests better than publication. `van_hateren_patches` reads the usual collection.

    The same seed gives the same patches with the same versions of NumPy, SciPy and scikit-image.

    Parameters
    ----------
    n_train, n_test : int
        Number of patches, 1 or more each.
    size : int
        Height and width of a patch in pixels, 2 or more.
    seed : int
        Seed of the places and the order of the patches, from 0 to 2**32 - 1.
    test_fraction : float
        Fraction of every photograph's columns that is kept for testing, between 0 and 1.

    Returns
    -------
    Patches
        Shapes (n_train, size, size) and (n_test, size, size), float32, dimensionless.

    Raises
    ------
    ImportError
        When scikit-image is not installed.
    ValueError
        When an argument is out of its range, or a patch does not fit into a region.

    Examples
    --------
    >>> patches = natural_patches(n_train=100, n_test=20)
    >>> patches.train.shape, patches.test.shape
    ((100, 16, 16), (20, 16, 16))
    """
    photographs = load_photographs()
    train, test = patches_from_images(
        photographs.values(), n_train, n_test, size, seed=seed, test_fraction=test_fraction
    )
    source = (
        f"{len(photographs)} photographs of scikit-image ({', '.join(photographs)}), grey, "
        f"whitened, contrast-normalised, patches z-scored; "
        f"seed {seed}, test_fraction {test_fraction}"
    )
    return Patches(train, test, source)
