"""Damaged exported modules: no memory is read past its end, and answers are right or refused."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported import ExportedModule, read_exported

from .exported_files import (
    EXPORTED,
    MODEL,
    WEIGHTS,
    changed,
    entries_of,
    make,
    nodes_of,
    result_of,
    save,
    try_out,
    write,
)

pytestmark = EXPORTED


# Weights past their end


@pytest.mark.parametrize(
    ("sizes", "strides", "offset", "message"),
    [
        ([3, 7], [7, 1], 0, "needs 84 bytes and has 72"),
        ([3, 6], [6, 2], 0, "needs 92 bytes"),
        ([3, 6], [6, 1], 1, "needs 76 bytes"),
        ([3, 6], [6, 1], 2**62, "needs 18446744073709551688 bytes"),
        ([3, 6], [2**62, 2**62], 0, "needs .* bytes"),
        ([2**62, 6], [0, 1], 0, "needs .* bytes"),
        ([300, 6], [0, 1], 0, "needs 7200 bytes"),
        ([3, 6], [-6, 1], 17, "sizes"),
        ([3, 6], [6, 1], -1, "sizes"),
        ([-3, -6], [6, 1], 0, "sizes"),
        ([3, 6], [6], 0, "expected integers"),
        ([0, 2**62, 2**62], [2**62, 1, 1], 0, "damaged"),
    ],
)
def test_weights_stay_within_their_bytes(linear, sizes, strides, offset, message):
    def change(config: dict) -> None:
        meta = config["config"]["fc.weight"]["tensor_meta"]
        meta["sizes"] = [{"as_int": size} for size in sizes]
        meta["strides"] = [{"as_int": stride} for stride in strides]
        meta["storage_offset"] = {"as_int": offset}

    with pytest.raises(CheckpointError, match=message):
        read_exported(changed(linear, WEIGHTS, change))


def test_weights_must_be_there_and_of_a_known_type(linear):
    def rewritten(key: str, value: object) -> Callable[[dict], None]:
        def change(config: dict) -> None:
            entry = config["config"]["fc.weight"]
            (entry if key in entry else entry["tensor_meta"])[key] = value

        return change

    for key, value in {
        "dtype": 9,
        "storage_offset": {"as_expr": {"expr_str": "1", "hint": None}},
        "path_name": "../../models/model.json",
    }.items():
        error = try_out(changed(linear, WEIGHTS, rewritten(key, value)))
        assert isinstance(error, CheckpointError)

    def unnamed(config: dict) -> None:
        del config["config"]["fc.weight"]

    assert "lacks a plain tensor 'fc.weight'" in str(try_out(changed(linear, WEIGHTS, unnamed)))


def test_any_byte_makes_a_proper_bool(tmp_path):
    class Masked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("mask", torch.tensor([False, True, True]))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.mask.sum()

    path = save(Masked(), torch.ones(2, 3), tmp_path / "encoder.pt2")
    entries = entries_of(path) | {"data/weights/weight_0": b"\x00\x02\xff"}
    module = read_exported(write(path, entries))
    assert module.state["mask"].view(torch.uint8).tolist() == [0, 1, 1]
    assert module(torch.ones(2, 3)).tolist() == [[2.0] * 3] * 2


def test_normalization_does_not_read_past_its_statistics(normalized):
    assert isinstance(try_out(normalized), Tensor)

    def short(config: dict) -> None:
        config["config"]["0.running_mean"]["tensor_meta"]["sizes"] = [{"as_int": 1}]

    # torch's own operator takes this, and reads what lies behind.
    assert "running_mean should contain 6" in str(try_out(changed(normalized, WEIGHTS, short)))


def test_attention_does_not_read_past_its_values(tmp_path):
    class Attending(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            short = x[:, :, :1]
            return functional.scaled_dot_product_attention(x, x, x) + short

    path = save(Attending(), torch.randn(2, 2, 8, 4), tmp_path / "encoder.pt2")

    def change(model: dict) -> None:
        [call] = [node for node in nodes_of(model) if "scaled_dot" in node["target"]]
        value = next(one for one in call["inputs"] if one["name"] == "value")
        # What is added at the end is the short one.
        value["arg"] = nodes_of(model)[-1]["inputs"][1]["arg"]

    assert isinstance(read_exported(path)(torch.randn(3, 2, 8, 4)), Tensor)
    with pytest.raises(CheckpointError, match="must fit"):
        read_exported(changed(path, MODEL, change))(torch.randn(3, 2, 8, 4))


# Damage


@pytest.fixture(scope="module")
def small(linear) -> bytes:
    return linear.read_bytes()


def outcome(data: bytes) -> Tensor | CheckpointError:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.pt2"
        path.write_bytes(data)
        return try_out(path)


def assert_right_or_refused(found: Tensor | CheckpointError) -> None:
    if isinstance(found, Tensor):
        live, _ = make("linear")
        assert torch.equal(found, result_of(live, torch.ones(5, 6)))


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_truncated_files_are_refused(small, data):
    length = data.draw(st.integers(0, len(small) - 1))
    assert_right_or_refused(outcome(small[:length]))


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_changed_bytes_are_harmless(small, data):
    damaged = bytearray(small)
    # Half of them in the directory at the end, where the names and sizes are.
    for _ in range(data.draw(st.integers(1, 3))):
        low = data.draw(st.sampled_from([0, len(small) - 1500]))
        damaged[data.draw(st.integers(low, len(small) - 1))] = data.draw(st.integers(0, 255))
    assert_right_or_refused(outcome(bytes(damaged)))


def leaves(value: object, path: tuple = ()) -> list[tuple]:
    """Return the paths to all parts of a JSON value, so that each can be changed."""
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, part in inner:
        found.append((*path, key))
        if isinstance(part, dict | list):
            found.extend(leaves(part, (*path, key)))
    return found


# Numbers stay small, since large ones may be granted, with all the memory that they ask for.
# As text, so that no example changes the lists of another.
VALUES = 'null true false -1 0 1 2 3 7 12 40 0.5 "" "x" "linear" "NaN" [] {} [1] {"a":1}'
ANYTHING = st.sampled_from(VALUES.split(" ")).map(json.loads)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_changed_contents_are_harmless(linear, normalized, data):
    entries = entries_of(data.draw(st.sampled_from([linear, normalized])))
    name = data.draw(st.sampled_from([MODEL, WEIGHTS]))
    content = json.loads(entries[name])
    for _ in range(data.draw(st.integers(1, 3))):
        if not (parts := leaves(content)):
            break
        *path, last = data.draw(st.sampled_from(parts))
        part = content
        for key in path:
            part = part[key]
        if data.draw(st.booleans()):
            part[last] = data.draw(ANYTHING)
        else:
            del part[last]
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "encoder.pt2", entries | {name: json.dumps(content).encode()})
        try:
            module = read_exported(path)
        except CheckpointError:
            return
        assert isinstance(module, ExportedModule)
        # A shape that now says something else is no fault of the reader.
        try:
            module(torch.ones(5, 6))
        except (CheckpointError, ValueError, TypeError):
            return
