"""Read one array of numbers from a ``.npy`` file, of which nothing is executed."""

from __future__ import annotations

import os

import numpy as np


def load_array(path: str | os.PathLike[str]) -> np.ndarray:
    """Read a ``.npy`` file that holds numbers.

    Parameters
    ----------
    path : str or path
        The file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is another kind of file, damaged, or holds pickled objects, which are not run.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise ValueError(
            f"{path} is not a readable .npy file of numbers ({error}); write it with numpy.save"
        ) from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{path} is an .npz archive; save its array alone with numpy.save")
    return array
