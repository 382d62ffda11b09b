"""Modules saved by `torch.export.save`, read as data: nothing in the file is executed.

`torch.export.load` unpickles parts of the file and evaluates strings in it as Python, so that a
file can do whatever its author likes. Here the file is taken for what it is: `archive`
opens a zip of JSON (the graph) and raw bytes (the weights), and `graph` runs the graph,
of only the operators that `operators` lists. Example inputs, custom objects, guards and
symbolic expressions are never looked at. What a file can still do is ask for much memory or time.
"""

from __future__ import annotations

import math
import os
import zipfile
from typing import Any

import torch
from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported.archive import (
    EXPORT_AGAIN,
    Archive,
    read_dtype,
    read_sizes,
    read_tensors,
)
from pvae_brian.models.checkpoints.exported.graph import Graph, read_graph
from pvae_brian.models.checkpoints.exported.operators import show

_SCHEMA_VERSION = 8
_MAX_PIXELS = 2**31
# The part of each weight's entry in the graph's signature that holds its name in the module.
_WEIGHT_NAMES = {
    "parameter": "parameter_name",
    "buffer": "buffer_name",
    "tensor_constant": "tensor_constant_name",
}


class ExportedModule(torch.nn.Module):
    """A module read from a file, from images (n, ...) to whatever it was exported with.

    It runs on the CPU, without gradients, in the precision of its export. Calls never change its
    weights or the images.

    Attributes
    ----------
    input_shape : tuple of int or None
        Shape of its input; None where any size will do.
    input_dtype : torch.dtype
        Type of its input.
    state : dict of str to Tensor
        Its parameters, buffers and constants by their names in the original module.
    """

    def __init__(
        self,
        graph: Graph,
        state: dict[str, Tensor],
        *,
        parameters: list[str],
        input_shape: tuple[int | None, ...],
        input_dtype: torch.dtype,
        output_shape: tuple[int | None, ...],
    ):
        super().__init__()
        self.input_shape = input_shape
        self.input_dtype = input_dtype
        self.state = state
        self._graph = graph
        # Exported with a batch of one size, it takes others in blocks of that size. This holds
        # only for a batch: what does not come out again is some other dimension.
        in_blocks = input_shape and output_shape and input_shape[0] == output_shape[0]
        self._block = (input_shape[0] or None) if in_blocks else None
        # For `parameters()`, which tells what precision a module works in.
        self._listed = torch.nn.ParameterList(
            torch.nn.Parameter(state[name], requires_grad=False) for name in parameters
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the output of the exported module.

        Parameters
        ----------
        images : Tensor
            Of ``input_shape`` and ``input_dtype``; other floating types are converted. The first
            dimension may have any size if it was exported as dynamic, or if it has the same size
            in input and output. In this case images go through in blocks of that size, the last
            one filled up, so that a module that mixes the images of a batch needs whole batches.

        Raises
        ------
        TypeError
            If ``images`` is no tensor, or cannot be converted.
        ValueError
            If ``images`` has another shape.
        CheckpointError
            If an operator refuses its arguments.
        """
        images = self._checked(images)
        with torch.no_grad():
            if self._block is None:
                return self._graph.run(images, self.state)
            n = len(images)
            blocks = []
            for block in images.split(self._block) if n else [images]:
                # Filled up with an image of the batch, since it is sure to be a valid input.
                filler = block[-1:] if n else images.new_zeros(1, *images.shape[1:])
                filler = filler.expand(self._block - len(block), *images.shape[1:])
                blocks.append(self._graph.run(torch.cat([block, filler]), self.state))
            return torch.cat(blocks)[:n]

    def _checked(self, images: Tensor) -> Tensor:
        if not isinstance(images, Tensor):
            raise TypeError(f"images must be a tensor, got {type(images).__name__}")
        expected = list(self.input_shape)
        if self._block is not None:
            expected[0] = None
        if len(expected) != images.ndim or any(
            size not in (None, actual) for size, actual in zip(expected, images.shape, strict=True)
        ):
            shape = ", ".join("any" if size is None else str(size) for size in expected)
            raise ValueError(
                f"the exported module takes images of shape ({shape}), got {tuple(images.shape)}; "
                "reshape them, or export the module for this shape"
            )
        if images.dtype != self.input_dtype and not (
            images.is_floating_point() and self.input_dtype.is_floating_point
        ):
            raise TypeError(f"images must be of {self.input_dtype}, got {images.dtype}")
        return images.to("cpu", self.input_dtype)


def read_exported(path: str | os.PathLike[str]) -> ExportedModule:
    """Read a module that `torch.export.save` wrote, without executing anything in the file.

    Parameters
    ----------
    path : path-like
        A ``.pt2`` file of torch 2.8 or newer, of a module with one tensor in and one tensor out.

    Returns
    -------
    ExportedModule

    Raises
    ------
    CheckpointError
        If the file is missing, damaged, hostile, of an older format or compiled; or if its module
        holds custom objects or operators that are not on the list of `operators`, is in
        training mode, or has more than one input or output.

    Examples
    --------
    >>> import tempfile
    >>> encoder = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 8)).eval()
    >>> images = torch.rand(3, 8, 8)
    >>> shapes = {0: torch.export.Dim("batch")}
    >>> program = torch.export.export(encoder, (images,), dynamic_shapes=(shapes,))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.export.save(program, f"{folder}/encoder.pt2")
    ...     module = read_exported(f"{folder}/encoder.pt2")
    >>> module.input_shape
    (None, 8, 8)
    >>> torch.equal(module(images), encoder(images))
    True
    """
    path = os.fspath(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _read_module(Archive(archive, os.path.getsize(path)))
    except CheckpointError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error.__cause__
    except OSError as error:
        raise CheckpointError(
            f"{path} cannot be opened: {error.strerror or error}; check its name"
        ) from error
    except zipfile.BadZipFile as error:
        raise CheckpointError(
            f"{path} is damaged or no .pt2 file: {error}; copy it again, or {EXPORT_AGAIN}"
        ) from error
    # What is inside can be any nonsense, which trips the look-ups below with nearly any error.
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged: {type(error).__name__} {show(str(error))}; {EXPORT_AGAIN}"
        ) from error


def _read_module(archive: Archive) -> ExportedModule:
    models = [name for name in archive if name.startswith("models/") and name.endswith(".json")]
    if len(models) != 1:
        raise CheckpointError(f"it holds {len(models)} modules, expected one; {EXPORT_AGAIN}")
    program = archive.json(models[0])
    if (version := program["schema_version"])["major"] != _SCHEMA_VERSION:
        raise CheckpointError(
            f"it has schema version {show(version)}, this pvae_brian reads {_SCHEMA_VERSION}; "
            f"install a newer pvae_brian, or {EXPORT_AGAIN}"
        )
    nodes = program["graph_module"]["graph"]["nodes"]
    metas = program["graph_module"]["graph"]["tensor_values"]
    signature = program["graph_module"]["signature"]
    image, weights, parameters = _read_inputs(signature["input_specs"])
    output = _read_output(signature["output_specs"])
    graph = read_graph(nodes, weights, image, output)
    model = models[0].removeprefix("models/").removesuffix(".json")
    input_shape = read_sizes(metas[image]["sizes"])
    if math.prod(size or 1 for size in input_shape) > _MAX_PIXELS:
        raise CheckpointError(
            f"its input has the shape {show(input_shape)}, which is more than fits into memory; "
            "export it again with a smaller batch, or with the batch dimension dynamic"
        )
    return ExportedModule(
        graph,
        read_tensors(archive, model, weights.values()),
        parameters=parameters,
        input_shape=input_shape,
        input_dtype=read_dtype(metas[image]),
        output_shape=read_sizes(metas[output]["sizes"]),
    )


def _read_inputs(specs: list[dict[str, Any]]) -> tuple[str, dict[str, str], list[str]]:
    """Return what the graph calls its input; its weights as in `Graph`; and the parameters."""
    images, weights, parameters = [], {}, []
    for spec in specs:
        [(kind, value)] = spec.items()
        if kind == "user_input" and "as_tensor" in value["arg"]:
            images.append(value["arg"]["as_tensor"]["name"])
        elif kind in _WEIGHT_NAMES:
            weights[value["arg"]["name"]] = name = value[_WEIGHT_NAMES[kind]]
            if kind == "parameter":
                parameters.append(name)
        else:
            raise CheckpointError(
                f"its module takes a {show(kind)} that is no tensor; export a module of tensors "
                "that takes one tensor, the images"
            )
    if len(images) != 1 or images[0] in weights:
        raise CheckpointError(
            f"its module takes {len(images)} inputs, expected one; export a module that takes the "
            "images only"
        )
    return images[0], weights, parameters


def _read_output(specs: list[dict[str, Any]]) -> str:
    outputs = []
    for spec in specs:
        [(kind, value)] = spec.items()
        if kind == "user_output" and "as_tensor" in value["arg"]:
            outputs.append(value["arg"]["as_tensor"]["name"])
        # A change of the input stays inside: the graph works on a copy.
        elif kind != "user_input_mutation":
            raise CheckpointError(
                f"its module gives a {show(kind)} that is no tensor or changes its own state; "
                "export a module in evaluation mode that returns one tensor"
            )
    if len(outputs) != 1:
        raise CheckpointError(
            f"its module gives {len(outputs)} outputs, expected one; export a module that returns "
            "the log-gains only"
        )
    return outputs[0]
