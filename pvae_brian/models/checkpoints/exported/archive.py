"""The PT2 archive of `torch.export.save`, read as no more than it is: a zip of JSON and bytes."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any, TypeGuard

import torch
from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported.graph import DTYPES
from pvae_brian.models.checkpoints.exported.operators import show

EXPORT_AGAIN = (
    "export it again with torch >= 2.8: "
    "torch.export.save(torch.export.export(module.eval(), (images,)), path)"
)
_VERSIONS = {"archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little"}


class Archive:
    """The entries of a PT2 archive by their names below its root folder.

    Parameters
    ----------
    file : zipfile.ZipFile
        The open file.
    n_bytes : int
        Its size on disk.

    Raises
    ------
    CheckpointError
        If it is another kind of zip file, or was tampered with.
    """

    def __init__(self, file: zipfile.ZipFile, n_bytes: int):
        self._file = file
        entries = [entry for entry in file.infolist() if not entry.is_dir()]
        names = [entry.filename for entry in entries]
        for name in names:
            if name.startswith("/") or "\\" in name or ".." in name.split("/"):
                raise CheckpointError(
                    f"it holds an entry named {show(name)}, which points out of it; do not trust it"
                )
        if len(set(names)) < len(names):
            raise CheckpointError("it holds two entries of one name; do not trust it")
        # The example inputs are a zip file within, which is found where the end is missing.
        if min((entry.header_offset for entry in entries), default=0) > 0:
            raise CheckpointError(
                "its end is missing, or something stands before it; copy it again"
            )
        _refuse_other_kinds(names)
        # PyTorch stores entries as they are, so that none can swell to more than the file.
        if sum(entry.file_size for entry in entries) > n_bytes:
            raise CheckpointError(f"it was packed by another program; {EXPORT_AGAIN}")
        self._entries = {entry.filename.partition("/")[2]: entry for entry in entries}
        for name, expected in _VERSIONS.items():
            if (value := self.read(name).strip()) != expected:
                raise CheckpointError(
                    f"its {name} is {show(value)}, expected {expected!r}; {EXPORT_AGAIN}"
                )

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def read(self, name: str) -> bytes:
        """Return the bytes of an entry."""
        if name not in self._entries:
            raise CheckpointError(f"it lacks {show(name)}; {EXPORT_AGAIN}")
        return self._file.read(self._entries[name])

    def json(self, name: str) -> dict[str, Any]:
        """Return the content of a JSON entry."""
        return json.loads(self.read(name))


def _refuse_other_kinds(names: list[str]) -> None:
    if "serialized_exported_program.json" in names:
        raise CheckpointError(f"it was written by torch 2.7 or older; {EXPORT_AGAIN}")
    roots = {name.partition("/")[0] for name in names}
    if len(roots) == 1 and any(name.split("/")[1:2] == ["models"] for name in names):
        return
    if any("/data/aotinductor/" in name for name in names):
        raise CheckpointError(f"it was compiled and holds machine code; {EXPORT_AGAIN}")
    raise CheckpointError(
        f"it is a zip file of another kind, with {show(sorted(names)[:3])}; {EXPORT_AGAIN}"
    )


def read_tensors(archive: Archive, model: str, names: Iterable[str]) -> dict[str, Tensor]:
    """Read the parameters, buffers and constants of a module.

    Parameters
    ----------
    archive : Archive
        The file.
    model : str
        The module's name in the archive.
    names : iterable of str
        The tensors that its graph uses. Others are not looked at.

    Returns
    -------
    dict of str to Tensor
        CPU tensors of ordinary types, each with memory of its own or shared as in the module.

    Raises
    ------
    CheckpointError
        If one is missing, is not the size that it should be, or holds more than data.
    """
    names = list(names)
    tensors: dict[str, Tensor] = {}
    for folder in ("data/weights", "data/constants"):
        # torch 2.8 kept all of them in one pickle; newer ones keep each in an entry of its own.
        if (pickled := f"{folder}/{model}.pt") in archive:
            found = _unpickle(archive.read(pickled), dict)
            tensors |= {name: found[name] for name in names if name in found}
        else:
            config = archive.json(f"{folder}/{model}_{folder[5:]}_config.json")["config"]
            storages: dict[str, bytearray] = {}
            for name in names:
                if name in config:
                    tensors[name] = _read_tensor(archive, folder, config[name], storages)
    for name in names:
        if not _is_plain(tensors.get(name)):
            raise CheckpointError(f"it lacks a plain tensor {show(name)}; {EXPORT_AGAIN}")
    return {name: _with_clean_bools(tensors[name].detach()) for name in names}


def _read_tensor(
    archive: Archive, folder: str, entry: dict[str, Any], storages: dict[str, bytearray]
) -> Tensor:
    path = f"{folder}/{entry['path_name']}"
    if entry["use_pickle"]:
        return _unpickle(archive.read(path), Tensor)
    if path not in storages:
        storages[path] = bytearray(archive.read(path))
    data = storages[path]
    meta = entry["tensor_meta"]
    dtype, shape = read_dtype(meta), read_sizes(meta["sizes"])
    strides, [offset] = read_sizes(meta["strides"]), read_sizes([meta["storage_offset"]])
    if (
        offset is None
        or not (_are_known(shape) and _are_known(strides))
        or len(shape) != len(strides)
    ):
        raise CheckpointError(
            f"a weight has shape {show(shape)}, strides {show(strides)} and offset {show(offset)}, "
            f"expected integers; {EXPORT_AGAIN}"
        )
    if 0 in shape:
        return torch.zeros(shape, dtype=dtype)
    # Both of where it ends and how much it holds, since strides of zero make much of little.
    end = offset + 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    needed = max(end, math.prod(shape)) * dtype.itemsize
    if needed > len(data):
        raise CheckpointError(
            f"a weight of shape {show(shape)} and strides {show(strides)} needs {needed} bytes and "
            f"has {len(data)}; copy the file again, or make its weights contiguous and export it"
        )
    return torch.frombuffer(data, dtype=dtype).as_strided(shape, strides, offset)


def _are_known(sizes: tuple[int | None, ...]) -> TypeGuard[tuple[int, ...]]:
    return None not in sizes


def _unpickle(data: bytes, kind: type) -> Any:
    # The weights-only unpickler makes tensors and containers, and refuses all else by many errors.
    try:
        value = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"it holds a pickle of more than data, which was not executed; {EXPORT_AGAIN}"
        ) from error
    if not isinstance(value, kind):
        raise CheckpointError(
            f"it holds a {type(value).__name__}, expected a {kind.__name__}; {EXPORT_AGAIN}"
        )
    return value


def _is_plain(value: Any) -> bool:
    return (
        type(value) in (Tensor, torch.nn.Parameter)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in DTYPES.values()
    )


def _with_clean_bools(tensor: Tensor) -> Tensor:
    # The byte of a bool may be 0 or 1 only, and that of a file can be any.
    return tensor.view(torch.uint8) != 0 if tensor.dtype == torch.bool else tensor


def read_sizes(sizes: list[dict[str, Any]]) -> tuple[int | None, ...]:
    """Return sizes or strides; None for a symbolic one, whose expression stays unread."""
    numbers = [size.get("as_int") for size in sizes]
    if any(type(number) is int and number < 0 for number in numbers):
        raise CheckpointError(f"it holds a tensor with the sizes {show(numbers)}; {EXPORT_AGAIN}")
    return tuple(number if type(number) is int else None for number in numbers)


def read_dtype(meta: dict[str, Any]) -> torch.dtype:
    """Return the type in a tensor's description."""
    if meta["dtype"] not in DTYPES:
        raise CheckpointError(
            f"it holds a tensor of the unknown type {show(meta['dtype'])}; export a module of "
            "ordinary floats and integers"
        )
    return DTYPES[meta["dtype"]]
