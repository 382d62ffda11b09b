"""Running the graph of an exported module, node by node, as data that names operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported.operators import (
    Operator,
    check_arguments,
    find_operator,
    show,
)

T = TypeVar("T")

# The numbers that stand for these in the files, as of schema 8.
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    12: torch.bool,
    13: torch.bfloat16,
}
_LAYOUTS = {7: torch.strided}
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
# Operators compute with sizes, and some take a result beyond 64 bits for a small one.
_LARGEST = 2**31 - 1
_UNUSUAL_FLOATS = {"Infinity": float("inf"), "-Infinity": float("-inf"), "NaN": float("nan")}


@dataclass(frozen=True)
class Reference:
    """The value of this name, which a node before has computed."""

    name: str


@dataclass(frozen=True)
class Step:
    """One node: which operator to call with what, and what to call its results."""

    operator: Operator
    arguments: dict[str, Any]
    results: list[Any]
    finished: frozenset[str] = frozenset()

    def run(self, values: dict[str, Any]) -> None:
        """Add the results to ``values``, and drop what no later step needs."""
        arguments = {name: _resolve(value, values) for name, value in self.arguments.items()}
        # Files can hold any nonsense, and the operators raise nearly any error on nonsense.
        try:
            found: Any = self.operator.function(**arguments)
            found = (found,) if len(self.results) == 1 else found
            for result, value in zip(self.results, found, strict=True) if self.results else ():
                if isinstance(result, list):
                    values |= {one.name: item for one, item in zip(result, value, strict=True)}
                elif result is not None:
                    values[result.name] = _within_bounds(value)
        except Exception as error:
            reason = show(str(error).partition("\n")[0])
            raise CheckpointError(
                f"the exported graph fails at {show(self.operator.target)}: {reason}; export it "
                "again, with the batch dimension dynamic"
            ) from error
        for name in self.finished:
            del values[name]


@dataclass(frozen=True)
class Graph:
    """The steps from images to log-gains.

    Attributes
    ----------
    image, output : str
        The names of its input and of its answer.
    weights : dict of str to str
        The names of its weights, and what each is called in the module.
    steps : list of Step
        In order.
    """

    image: str
    weights: dict[str, str]
    output: str
    steps: list[Step]

    def run(self, images: Tensor, state: dict[str, Tensor]) -> Tensor:
        """Return the output for images, given the weights by their names in the module.

        Raises
        ------
        CheckpointError
            If an operator refuses its arguments.
        """
        values = {name: state[weight] for name, weight in self.weights.items()}
        values[self.image] = images
        # Operators in place would leave their traces in the weights, or in the caller's images.
        # Without them a copy of the output is enough to keep the weights from leaking out.
        if any(step.operator.changes for step in self.steps):
            values = {name: value.clone() for name, value in values.items()}
        for step in self.steps:
            step.run(values)
        output = values[self.output]
        if not isinstance(output, Tensor):
            raise CheckpointError(
                f"the exported graph ends in a {type(output).__name__}, expected a tensor"
            )
        return output.clone()


def read_graph(
    nodes: list[dict[str, Any]], weights: dict[str, str], image: str, output: str
) -> Graph:
    """Read the nodes of an exported graph; no operator runs yet.

    Parameters
    ----------
    nodes : list of dict
        As they stand in the file.
    weights, image, output
        As in `Graph`.

    Returns
    -------
    Graph

    Raises
    ------
    CheckpointError
        If a node calls an operator that is not allowed, or an argument is of an unknown kind.
    """
    known = {image, *weights}
    steps = []
    for node in nodes:
        operator = find_operator(node["target"])
        arguments = {one["name"]: _read_argument(one["arg"]) for one in node["inputs"]}
        check_arguments(operator, arguments)
        _check_names(operator, arguments, known, weights)
        results = [_read_argument(result) for result in node["outputs"]]
        steps.append(Step(operator, arguments, results))
        known.update(_names(results))
    if output not in known:
        raise CheckpointError(f"its graph never computes its output {show(output)}; copy it again")
    return Graph(image, weights, output, _with_finished(steps, output))


def _check_names(
    operator: Operator, arguments: dict[str, Any], known: set[str], weights: dict[str, str]
) -> None:
    for argument, value in arguments.items():
        for name in _names(value):
            if name not in known:
                raise CheckpointError(
                    f"its graph gives {show(operator.target)} a value {show(name)} that no node "
                    "before it computes; export it again"
                )
            if argument in operator.changes and name in weights:
                raise CheckpointError(
                    f"its graph changes its own weight or buffer {show(name)}, so that an answer "
                    "would depend on those before; call module.eval() or take this out of forward, "
                    "and export it again"
                )


def _with_finished(steps: list[Step], output: str) -> list[Step]:
    needed = {output}
    backwards = []
    for step in reversed(steps):
        names = {*_names(list(step.arguments.values())), *_names(step.results)}
        backwards.append(replace(step, finished=frozenset(names - needed)))
        needed |= names
    return backwards[::-1]


def _names(value: object) -> Iterator[str]:
    """Yield the names in a `Reference`, or in nested lists of references and others."""
    if isinstance(value, Reference):
        yield value.name
    elif isinstance(value, list):
        for item in value:
            yield from _names(item)


def _resolve(value: object, values: dict[str, Any]) -> object:
    if isinstance(value, Reference):
        return values[value.name]
    if isinstance(value, list):
        return [_resolve(item, values) for item in value]
    return value


def _within_bounds(value: T) -> T:
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise CheckpointError(f"its graph holds {show(value)}, expected an integer of 32 bits")
    return value


def _integer(value: int) -> int:
    if type(value) is not int:
        raise CheckpointError(f"its graph holds {show(value)}, expected an integer")
    # A slice without an end has the largest integer of 64 bits in its place.
    return _within_bounds(_LARGEST if value == 2**63 - 1 else value)


def _float(value: float | str) -> float:
    return _UNUSUAL_FLOATS[value] if isinstance(value, str) else float(value)


def _of_type(kind: type[T]) -> Callable[[object], T]:
    def read(value: object) -> T:
        if type(value) is not kind:
            raise CheckpointError(f"its graph holds {show(value)}, expected a {kind.__name__}")
        return value

    return read


def _reference(name: str) -> Reference:
    return Reference(_of_type(str)(name))


def _tensor(value: dict[str, str]) -> Reference:
    return _reference(value["name"])


def _list_of(read: Callable[[Any], T]) -> Callable[[list[Any]], list[T]]:
    return lambda values: [read(value) for value in values]


def _read_argument(argument: dict[str, Any]) -> object:
    """Return one argument as a plain value, a `Reference`, or a list of these."""
    [(kind, value)] = argument.items()
    if kind not in _READERS:
        raise CheckpointError(
            f"its graph holds an argument of the kind {show(kind)}, expected tensors, numbers and "
            "names; export it again without custom objects and without control flow in forward"
        )
    try:
        return _READERS[kind](value)
    except KeyError as error:
        raise CheckpointError(
            f"its graph holds an unknown {show(kind)} {error}; export it again, or install a newer "
            "pvae_brian"
        ) from error


_READERS: dict[str, Callable[[Any], object]] = {
    "as_none": lambda value: None,
    "as_int": _integer,
    "as_float": _float,
    "as_bool": _of_type(bool),
    "as_string": _of_type(str),
    "as_name": _reference,
    "as_tensor": _tensor,
    "as_sym_int": _read_argument,
    "as_sym_float": _read_argument,
    "as_sym_bool": _read_argument,
    "as_optional_tensor": _read_argument,
    "as_scalar_type": DTYPES.__getitem__,
    "as_memory_format": _MEMORY_FORMATS.__getitem__,
    "as_layout": _LAYOUTS.__getitem__,
    # Whatever it was exported on, it runs on the CPU.
    "as_device": lambda value: torch.device("cpu"),
    "as_ints": _list_of(_integer),
    "as_floats": _list_of(_float),
    "as_bools": _list_of(_of_type(bool)),
    "as_tensors": _list_of(_tensor),
    "as_sym_ints": _list_of(_read_argument),
    "as_sym_floats": _list_of(_read_argument),
    "as_sym_bools": _list_of(_read_argument),
    "as_optional_tensors": _list_of(_read_argument),
}
