"""Hostile exported modules: nothing in a file is executed, so the marker never appears."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported import read_exported

from .exported_files import (
    CONSTANTS,
    EXPORTED,
    MODEL,
    SAMPLE_INPUTS,
    WEIGHTS,
    assert_right,
    changed,
    entries_of,
    make,
    nodes_of,
    pickled_by_torch,
    tensor,
    try_out,
    with_target,
    write,
)

pytestmark = EXPORTED


class Payload:
    """Unpickling this makes a file."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self) -> tuple:
        return open, (str(self.marker), "w")


@pytest.fixture
def marker(tmp_path) -> Path:
    path = tmp_path / "marker"
    pickle.loads(pickle.dumps(Payload(path))).close()
    assert path.exists(), "the payload does work"
    path.unlink()
    return path


def test_pickled_weights_are_not_executed(linear, marker):
    entries = entries_of(linear)
    config = json.loads(entries[WEIGHTS])
    config["config"]["fc.weight"]["use_pickle"] = True
    path = linear.with_name("hostile.pt2")
    for payload in (pickle.dumps(Payload(marker), protocol=2), pickled_by_torch(Payload(marker))):
        hostile = entries | {
            WEIGHTS: json.dumps(config).encode(),
            "data/weights/weight_0": payload,
        }
        assert "was not executed" in str(try_out(write(path, hostile)))
        # The layout of torch 2.8 keeps all weights in one pickle.
        old = {name: data for name, data in entries.items() if name != WEIGHTS}
        old["data/weights/model.pt"] = payload
        assert "was not executed" in str(try_out(write(path, old)))
    assert not marker.exists()


def test_a_pickled_tensor_is_data(linear):
    live, _ = make("linear")
    entries = entries_of(linear)
    config = json.loads(entries[WEIGHTS])
    config["config"]["fc.weight"]["use_pickle"] = True
    entries[WEIGHTS] = json.dumps(config).encode()
    path = linear.with_name("hostile.pt2")
    assert_right(write(path, entries | {"data/weights/weight_0": pickled_by_torch(live.fc.weight)}))
    for value in ([1, 2], live.fc.weight.to_sparse(), live.fc.weight.to("meta"), 1j * live.fc.bias):
        data = pickled_by_torch(value)
        assert isinstance(
            try_out(write(path, entries | {"data/weights/weight_0": data})), CheckpointError
        )


def test_what_is_not_needed_is_not_read(linear, marker):
    entries = entries_of(linear)
    payload = pickle.dumps(Payload(marker), protocol=2)
    constants = {
        name: {"path_name": name, "is_param": False, "use_pickle": True, "tensor_meta": None}
        for name in ("custom_obj_0", "opaque_obj_0", "tensor_0")
    }
    entries |= {f"data/constants/{name}": payload for name in constants}
    entries[CONSTANTS] = json.dumps({"config": constants}).encode()
    entries[SAMPLE_INPUTS] = payload
    entries["data/aotinductor/model/model.so"] = b"\x7fELF"
    entries["extra/code.py"] = b"raise SystemExit"
    path = write(linear.with_name("hostile.pt2"), entries)
    assert_right(path)

    def uses(kind: str, value: dict) -> Callable[[dict], None]:
        def change(model: dict) -> None:
            model["graph_module"]["signature"]["input_specs"].append({kind: value})

        return change

    for name in constants:
        constant = {"arg": {"name": "c"}, "tensor_constant_name": name}
        assert "not executed" in str(
            try_out(changed(path, MODEL, uses("tensor_constant", constant)))
        )
        custom = {"arg": {"name": "c", "class_fqn": "evil"}, "custom_obj_name": name}
        assert "'custom_obj'" in str(try_out(changed(path, MODEL, uses("custom_obj", custom))))
    assert "'token'" in str(try_out(changed(path, MODEL, uses("token", {"arg": {"name": "c"}}))))
    assert not marker.exists()


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "os.system",
        "builtins.eval",
        "_operator.methodcaller",
        "_operator.attrgetter",
        "_operator.pow",
        "torch.load",
        "torch.ops.load_library",
        "torch.ops.aten.from_file.default",
        "torch.ops.aten.save.default",
        "torch.ops.aten.relu.default.__class__",
        "torch.ops.aten.__class__.mro",
        "torch.ops.aten._dir.append",
        "torch.ops.aten.relu.__class__",
        "torch.ops.aten.relu._schema",
        "torch.ops.aten.relu.out",
        "torch.ops.aten.relu.default\n",
        "torch.ops.aten.exp.",
        "torch.ops.aten.exp",
        "torch.ops.aten.\uff45xp.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten.resize_.default",
        "torch.ops.aten.empty.memory_format",
        "torch.ops.aten.as_strided.default",
        "torch.ops.aten._reshape_alias.default",
        "torch.ops.aten.view.dtype",
        "torch.ops.aten.to.prim_dtype",
        "torch.ops.aten.remainder.int",
        "torch.ops.aten.mul.left_t",
        "torch.ops.aten.lstm.input",
        "torch.ops.aten._embedding_bag.default",
        "torch.ops.aten.repeat_interleave.Tensor",
        "torch.ops.prims.exp.default",
        "torch.ops.higher_order.cond",
        "",
    ],
)
def test_other_functions_are_not_called(linear, marker, target):
    arguments = {"self": tensor("linear"), "filename": {"as_string": str(marker)}}
    for inputs in (None, arguments, {"command": {"as_string": f"touch {marker}"}}):
        error = try_out(changed(linear, MODEL, with_target(target, inputs)))
        assert isinstance(error, CheckpointError)
        assert "its graph calls" in str(error)
    assert not marker.exists()


@pytest.mark.parametrize(
    "argument",
    [
        {"as_string": "text"},
        {"as_strings": ["text"]},
        {"as_custom_obj": {"name": "c", "class_fqn": "evil"}},
        {"as_operator": "torch.os.system"},
        {"as_graph": {"name": "g", "graph": {}}},
        {"as_complex": {"real": 1.0, "imag": 1.0}},
        {"as_expr": {"expr_str": "__import__('os').abort()"}},
        {"as_scalar_type": 99},
        {"as_layout": 1},
        {"as_int": 2**40},
        {"as_int": "1"},
        {"as_float": "1e3"},
        {"as_tensor": {"name": "unknown"}},
        {"as_sym_int": {"as_name": "unknown"}},
        {"as_sym_int": {"as_expr": {"expr_str": "1"}}},
        {"as_tensors": [{"name": "linear"}]},
        {"as_device": {"type": "cuda", "index": 0}},
        {"as_none": True, "as_int": 1},
        {},
        [],
        None,
    ],
)
def test_arguments_must_be_plain_and_known(linear, argument):
    change = with_target("torch.ops.aten.exp.default", {"self": argument})
    assert isinstance(try_out(changed(linear, MODEL, change)), CheckpointError)


@pytest.mark.parametrize(
    "inputs",
    [
        # torch itself crashes on the first.
        {"self": tensor("linear"), "memory_format": {"as_int": 4}},
        {"self": tensor("linear"), "memory_format": {"as_scalar_type": 7}},
        {"self": tensor("linear"), "memory_format": tensor("linear")},
        {"self": {"as_string": "linear"}},
        {"self": {"as_memory_format": 1}},
    ],
)
def test_nothing_stands_for_another_kind(linear, inputs):
    change = with_target("torch.ops.aten.clone.default", inputs)
    with pytest.raises(CheckpointError, match="of a wrong kind"):
        read_exported(changed(linear, MODEL, change))


def test_sizes_stay_small(linear):
    def product(a: int, b: int) -> Callable[[dict], None]:
        inputs = [{"name": name, "arg": {"as_int": n}} for name, n in (("a", a), ("b", b))]
        outputs = [{"as_sym_int": {"as_name": "product"}}]
        node = {"target": "_operator.mul", "inputs": inputs, "outputs": outputs}
        return lambda model: nodes_of(model).insert(0, node)

    assert isinstance(try_out(changed(linear, MODEL, product(2**30, 1))), Tensor)
    for a, b in ((2**30, 2), (2**31, 0), (-(2**62), 4)):
        assert "integer of 32 bits" in str(try_out(changed(linear, MODEL, product(a, b))))


def test_strings_that_torch_would_evaluate_are_not(linear, marker):
    code = f"open({str(marker)!r}, 'w')"
    eval(code).close()
    assert marker.exists(), "the code does work"
    marker.unlink()

    def evil_everywhere(model: dict) -> dict:
        symbols = {size["as_expr"]["expr_str"] for size in symbolic_sizes(model)}
        assert symbols
        model["guards_code"] = [code]
        model["torch_version"] = code
        model["graph_module"]["metadata"] = {code: code}
        for call in model["graph_module"]["module_call_graph"]:
            call["fqn"] = code
        for node in nodes_of(model):
            node["metadata"] = {"stack_trace": code, "torch_fn": code, "nn_module_stack": code}
            node["name"] = code
        text = json.dumps(model)
        for symbol in symbols:
            text = text.replace(json.dumps(symbol), json.dumps(code))
        # Placeholders and results, wherever they are named.
        for name in ("x", "linear", "exp", "p_fc_weight"):
            text = text.replace(json.dumps(name), json.dumps(f"{name}\n{code}"))
        return json.loads(text)

    assert_right(changed(linear, MODEL, evil_everywhere))
    assert not marker.exists()


def symbolic_sizes(model: dict) -> list[dict]:
    metas = model["graph_module"]["graph"]["tensor_values"].values()
    return [size for meta in metas for size in meta["sizes"] if "as_expr" in size]
