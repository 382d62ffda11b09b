"""Reading torch files as data: nothing in them is ever executed."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pvae_brian.models.checkpoints.errors import CheckpointError


def _plain_dict(default_factory: object = None) -> dict[Any, Any]:
    return {}


# numpy's function for pickled numbers; the versions of numpy differ in its name.
_SCALAR: Any = np.float64(0).__reduce__()[0]

# What the official checkpoints hold besides tensors: all of them plain containers and numbers.
# torch's unpickler fills no defaultdict even where it is allowed, so a dict stands in for it.
_ALLOWED_GLOBALS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    (_plain_dict, "collections.defaultdict"),
    dict,
    np.dtype,
    *(type(np.dtype(kind)) for kind in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "bool")),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    (_SCALAR, "numpy.core.multiarray.scalar"),
]


def load_data(path: str | os.PathLike[str]) -> Any:
    """Read a ``torch.save`` file with the weights-only unpickler and a short list of types.

    Parameters
    ----------
    path : path-like
        The file.

    Returns
    -------
    object
        Containers, numbers, strings and CPU tensors.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    CheckpointError
        If the file is damaged, foreign, or holds anything but data. It is not executed.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no checkpoint at {path}; check the name")
    try:
        _check_sums(path)
        with warnings.catch_warnings(), torch.serialization.safe_globals(_ALLOWED_GLOBALS):
            # Of what torch finds unusual in a file only an error matters here.
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (PermissionError, MemoryError, CheckpointError):
        raise
    except Exception as error:
        # torch explains at length how to switch its own safety off; that is not our advice.
        forbidden = re.search(r"GLOBAL (\S+)", str(error))
        if isinstance(error, pickle.UnpicklingError) and forbidden:
            raise CheckpointError(
                f"{path} holds more than data: it asks for {forbidden[1]}, which might run code; "
                "nothing of it was executed. Take a file of tensors and plain values"
            ) from error
        raise CheckpointError(
            f"{path} is not a readable torch checkpoint: it is truncated, damaged or of another "
            "kind; copy it again, or check the name"
        ) from error


def _check_sums(path: Path) -> None:
    """Raise if a weight is not the one that was written: torch itself does not look."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        damaged = archive.testzip()
    if damaged is not None:
        raise CheckpointError(
            f"{path} is damaged: the checksum of {damaged} is wrong; copy it again"
        )
