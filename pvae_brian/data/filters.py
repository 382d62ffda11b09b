"""Filters on whole images: whitening, and local contrast normalisation."""

from __future__ import annotations

import numpy as np
from scipy import fft, ndimage


def whiten(image: np.ndarray, cutoff: float = 0.8) -> np.ndarray:
    """Flatten the power spectrum of a natural image, and remove its highest frequencies.

    Every spatial frequency f (cycles/pixel) is multiplied by the gain

        R(f) = f * exp(-(f / f0)^4),    f0 = cutoff * 0.5 cycles/pixel.

    The ramp f undoes the 1/f amplitude spectrum of natural scenes; the low-pass removes the
    corners of the frequency plane, where noise and aliasing prevail. The default f0 = 0.4
    cycles/pixel is the 200 cycles per picture that the source uses for pictures 512 pixels wide.

    The filter sees the image mirrored at its borders: the cosine transform used here is the Fourier
    transform of the image padded by its own reflection to twice its size, where no seam is left.

    Parameters
    ----------
    image : array_like
        Shape (height, width), in any unit.
    cutoff : float
        The frequency f0 as a fraction of the Nyquist frequency, 0.5 cycles/pixel.

    Returns
    -------
    numpy.ndarray
        Float64, shape (height, width), in the unit of `image` times cycles/pixel. Its mean is zero.

    Raises
    ------
    ValueError
        When `image` is not a finite, real, two-dimensional array or `cutoff` is not above zero.

    References
    ----------
    Olshausen, B. A. and Field, D. J. (1997). Sparse coding with an overcomplete basis set: a
    strategy employed by V1? Vision Research 37(23), 3311-3325.

    Examples
    --------
    >>> import numpy as np
    >>> whiten(np.full((2, 3), 7.0))
    array([[0., 0., 0.],
           [0., 0., 0.]])
    """
    image = as_image(image)
    if not 0 < cutoff < np.inf:
        raise ValueError(
            f"cutoff must be a positive fraction of the Nyquist frequency, got {cutoff}; "
            "Olshausen and Field use 0.8"
        )
    f0 = 0.5 * cutoff
    # Cosine k of a transform over n pixels has k half-cycles on them: k / (2n) cycles/pixel.
    vertical, horizontal = (np.arange(n) / (2 * n) for n in image.shape)
    f = np.hypot(vertical[:, np.newaxis], horizontal)
    gain = f * np.exp(-((f / f0) ** 4))
    return fft.idctn(gain * fft.dctn(_offset(image), norm="ortho"), norm="ortho")


def normalize_contrast(
    image: np.ndarray, sigma: float, *, floor: float | None = None
) -> np.ndarray:
    """Subtract the local mean of an image and divide by its local standard deviation.

    With G a normalised Gaussian window of standard deviation `sigma` and * convolution,

        m = G * x,    s = sqrt(G * (x - m)^2),    y = (x - m) / max(s, floor).

    The floor keeps places that are almost flat from being blown up. A flat image becomes zeros.

    Parameters
    ----------
    image : array_like
        Shape (height, width), in any unit; mirrored at its borders.
    sigma : float
        Standard deviation of the window, in pixels.
    floor : float, optional
        Least divisor, in the unit of `image`. By default the mean of s over the image, as in the
        source.

    Returns
    -------
    numpy.ndarray
        Float64, shape (height, width), dimensionless.

    Raises
    ------
    ValueError
        When `image` is not a finite, real, two-dimensional array, `sigma` is not above zero, or
        `floor` is below zero.

    References
    ----------
    Jarrett, K., Kavukcuoglu, K., Ranzato, M. and LeCun, Y. (2009). What is the best multi-stage
    architecture for object recognition? ICCV 2009, 2146-2153.

    Examples
    --------
    >>> import numpy as np
    >>> stripes = np.tile([1.0, 3.0], (8, 4))
    >>> float(normalize_contrast(stripes, sigma=2)[4, 4].round(2))
    -1.03
    """
    image = as_image(image)
    if not 0 < sigma < np.inf:
        raise ValueError(
            f"sigma must be a positive number of pixels, got {sigma}; half a patch is usual"
        )
    centred = _offset(image)
    centred -= ndimage.gaussian_filter(centred, sigma)
    local_std = np.sqrt(ndimage.gaussian_filter(centred**2, sigma))
    floor = local_std.mean() if floor is None else floor
    if not 0 <= floor < np.inf:
        raise ValueError(
            f"floor must be zero or above, in the unit of the image, got {floor}; "
            "leave it out to use the image's mean local standard deviation"
        )
    divisor = np.maximum(local_std, floor)
    return np.divide(centred, divisor, out=np.zeros_like(centred), where=divisor > 0)


def patch_contrast(image: np.ndarray, size: int) -> np.ndarray:
    """Compute the standard deviation of the pixels of every patch in an image.

    Parameters
    ----------
    image : numpy.ndarray
        Float64, shape (height, width).
    size : int
        Height and width of a patch in pixels; at most those of the image.

    Returns
    -------
    numpy.ndarray
        Shape (height - size + 1, width - size + 1), in the unit of `image`: one value for each
        position of a patch's first pixel.

    Examples
    --------
    >>> import numpy as np
    >>> patch_contrast(np.array([[0.0, 2.0, 2.0], [0.0, 2.0, 2.0]]), 2).tolist()
    [[1.0, 0.0]]
    """
    # Two box filters: a table of all patches would be size**2 times as large as the image.
    first = size // 2
    inside = tuple(slice(first, first + length - size + 1) for length in image.shape)
    mean = ndimage.uniform_filter(image, size)[inside]
    mean_square = ndimage.uniform_filter(image**2, size)[inside]
    return np.sqrt(np.maximum(mean_square - mean**2, 0))


def as_image(image: np.ndarray) -> np.ndarray:
    """Return a grey image as finite float64 (height, width), or raise ValueError."""
    image = np.asarray(image)
    if image.ndim != 2 or not image.size or image.dtype.kind not in "buif":
        raise ValueError(
            "an image must be an array of real numbers of shape (height, width), got "
            f"{image.dtype} of shape {image.shape}; turn colours into grey and pass one image"
        )
    image = image.astype(np.float64)
    if not np.isfinite(image).all():
        raise ValueError(
            f"an image must be finite, got {np.count_nonzero(~np.isfinite(image))} NaN or infinite "
            "pixels; replace them first"
        )
    return image


def _offset(image: np.ndarray) -> np.ndarray:
    # Both filters ignore a constant, so any may go first. A pixel's own value (unlike the mean,
    # which is rounded) leaves a flat image exactly zero.
    return image - image[0, 0]
