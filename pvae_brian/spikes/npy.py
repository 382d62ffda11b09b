"""Arrays in ``.npy`` files: made at their full size, grown piece by piece, read as memory maps."""

from __future__ import annotations

import contextlib
import math
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import DTypeLike

_ZEROS = bytes(2**20)


def create(path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> np.memmap:
    """Make a file of zeros and return a memory map to write to.

    All its space is taken at once: a disk that fills up later would end the process, for no
    Python error can come from a memory map.

    Raises
    ------
    OSError
        If there is too little space.
    """
    n_bytes = math.prod(shape) * np.dtype(dtype).itemsize
    with open(path, "xb") as file:
        _write_header(file, shape, dtype)
        file.flush()
        _allocate(file, n_bytes)
    return npy_format.open_memmap(path, mode="r+")


def sync(array: np.memmap) -> None:
    """Return when all that was written to a memory map is on disk."""
    array.flush()
    # One that `create` made has a file.
    with open(str(array.filename), "r+b") as file:
        os.fsync(file.fileno())


def read(path: Path, shape: tuple[int, ...] | None, dtype: DTypeLike) -> np.memmap:
    """Return a read-only memory map of a whole array file.

    Parameters
    ----------
    path : Path
        A ``.npy`` file.
    shape : tuple of int, or None
        What its shape must be; None for any of two dimensions.
    dtype : dtype_like
        What its type must be.

    Raises
    ------
    ValueError
        If it is missing, or of another shape, type or size.
    """
    # Only a plain file: to open a pipe would wait for ever.
    if not path.is_file():
        raise ValueError(f"there is no file {path.name}")
    array = npy_format.open_memmap(path, mode="r")
    if array.dtype != dtype or (array.ndim != 2 and shape is None):
        raise ValueError(f"{path.name} holds {array.dtype} of shape {array.shape}")
    if shape is not None and array.shape != shape:
        raise ValueError(f"{path.name} must have shape {shape}, got {array.shape}")
    if path.stat().st_size != array.offset + array.nbytes:
        raise ValueError(f"{path.name} has another size than its array")
    return array


class GrowingArray:
    """A one-dimensional array in a file, of a length that is known when it is closed.

    Examples
    --------
    >>> from pathlib import Path
    >>> array = GrowingArray(Path("grown.npy"), np.float64)
    >>> array.append(np.array([1.0, 2.0]))
    >>> array.append(np.array([3.0]))
    >>> array.finish()
    >>> np.load("grown.npy")
    array([1., 2., 3.])
    """

    def __init__(self, path: Path, dtype: DTypeLike):
        self._dtype = np.dtype(dtype)
        self._length = 0
        self._file = open(path, "xb")  # noqa: SIM115, for it stays open
        _write_header(self._file, (0,), self._dtype)

    def __len__(self) -> int:
        return self._length

    def append(self, values: np.ndarray) -> None:
        """Write values behind those that are there; OSError if the disk is full."""
        self._file.write(np.ascontiguousarray(values, dtype=self._dtype).data)
        self._length += len(values)

    def finish(self) -> None:
        """Write the length, put all on disk, and close the file."""
        self._file.seek(0)
        # numpy leaves room for any length, so that headers of all lengths are of one size.
        _write_header(self._file, (self._length,), self._dtype)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def close(self) -> None:
        """Close the file as it is."""
        # What is buffered may have no room on a full disk, and is of no use.
        with contextlib.suppress(OSError):
            self._file.close()


def _write_header(file: BinaryIO, shape: tuple[int, ...], dtype: DTypeLike) -> None:
    descr = npy_format.dtype_to_descr(np.dtype(dtype))
    npy_format.write_array_header_1_0(
        file, {"descr": descr, "fortran_order": False, "shape": shape}
    )


def _allocate(file: BinaryIO, n_bytes: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), file.tell(), n_bytes)
        return
    for start in range(0, n_bytes, len(_ZEROS)):
        file.write(_ZEROS[: n_bytes - start])
