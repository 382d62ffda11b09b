"""Modules of `torch.export.save`: the same answers as live, and nothing in a file is executed."""

from __future__ import annotations

import io
import json
import pickle
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported import ExportedModule, read_exported

TORCH = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
pytestmark = [
    pytest.mark.skipif(TORCH < (2, 9), reason="older torch writes other files"),
    # What torch itself warns of, as it exports.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:No complete tensor found"),
]

MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"
SAMPLE_INPUTS = "data/sample_inputs/model.pt"


# Making files


def save(
    module: nn.Module, images: Tensor, path: Path, *, dynamic: bool = True, core: bool = False
) -> Path:
    """Export with a dynamic batch or not, and in core operators or not."""
    shapes = ({0: torch.export.Dim("batch")},) if dynamic else None
    program = torch.export.export(module, (images,), dynamic_shapes=shapes)
    torch.export.save(program.run_decompositions() if core else program, path)
    return path


def entries_of(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def write(path: Path, entries: dict[str, bytes], root: str = "encoder/") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(root + name, data)
    return path


def changed(source: Path, name: str, change: Callable[[Any], Any]) -> Path:
    """Rewrite one JSON entry of a file; its checksums are right again."""
    entries = entries_of(source)
    content = json.loads(entries[name])
    # A change alters the content in place, or returns another one.
    entries[name] = json.dumps(change(content) or content).encode()
    return write(source.with_name("changed.pt2"), entries)


def nodes_of(model: dict) -> list[dict]:
    return model["graph_module"]["graph"]["nodes"]


def with_target(target: str, inputs: dict[str, Any] | None = None) -> Callable[[dict], None]:
    """Make the last node call something else, with other inputs."""

    def change(model: dict) -> None:
        nodes_of(model)[-1]["target"] = target
        if inputs is not None:
            nodes_of(model)[-1]["inputs"] = [
                {"name": name, "arg": arg, "kind": 1} for name, arg in inputs.items()
            ]

    return change


def tensor(name: str) -> dict:
    return {"as_tensor": {"name": name}}


# Modules to export


class Linear(nn.Module):
    """The smallest one. Its two nodes are easy to edit."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.exp(self.fc(x))


class Residual(nn.Module):
    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(n, n, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(n)
        self.conv2 = nn.Conv2d(n, n, 3, padding=1, groups=2)
        self.norm2 = nn.BatchNorm2d(n)

    def forward(self, x: Tensor) -> Tensor:
        h = functional.relu(self.norm1(self.conv1(x)), inplace=True)
        h = self.norm2(self.conv2(h))
        h += x
        return functional.relu_(h)


class Convolutional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 5, stride=2, padding=2)
        self.blocks = nn.Sequential(Residual(8), nn.MaxPool2d(2), Residual(8), nn.AvgPool2d(2, 1))
        self.head = nn.Linear(8 * 4, 6)

    def forward(self, x: Tensor) -> Tensor:
        h = self.blocks(self.stem(x.view(x.shape[0], 1, 16, 16)))
        h = functional.adaptive_avg_pool2d(h, (2, 2))
        return self.head(h.view(h.size(0), -1))


class Mixed(nn.Module):
    """Layers and operations that other encoders are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 8, 3, padding="same", padding_mode="reflect")
        self.same = nn.Conv2d(8, 8, (3, 5), padding="same", dilation=(2, 1))
        self.squeeze, self.excite = nn.Linear(8, 2), nn.Linear(2, 8)
        self.group = nn.GroupNorm(2, 8)
        self.slope = nn.PReLU(8)

    def forward(self, x: Tensor) -> Tensor:
        h = self.slope(self.group(self.same(self.conv(x))))
        weight = torch.sigmoid(self.excite(torch.relu(self.squeeze(h.mean((2, 3))))))
        h = functional.interpolate(h * weight[:, :, None, None], scale_factor=2, mode="bilinear")
        h = functional.interpolate(h, size=(9, 9))
        first, second = functional.gelu(h, approximate="tanh").chunk(2, dim=1)
        third, _, fourth = torch.split(first, (1, 1, 2), dim=1)
        h = torch.cat([second, third, fourth], dim=1).flatten(1)
        values, _ = h.masked_fill(h < 0, -float("inf")).softmax(-1).topk(5)
        return torch.einsum("bi,bj->bij", values, values).transpose(1, 2)[..., 1:].reshape(-1, 20)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.InstanceNorm1d(4, affine=True)
        self.attend = nn.MultiheadAttention(8, 2, dropout=0.5, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        h = functional.scaled_dot_product_attention(x, x, x, attn_mask=torch.ones(4, 4).tril() > 0)
        return self.attend(h, h, h, need_weights=False)[0].mean(1)


class Tensors(nn.Module):
    """Every way to hold a tensor, and sizes that depend on the batch."""

    def __init__(self) -> None:
        super().__init__()
        self.log_rate = nn.Parameter(torch.randn(4))
        self.tied = nn.Linear(4, 4, bias=False)
        self.twin = nn.Linear(4, 4, bias=False)
        self.twin.weight = self.tied.weight
        self.sliced = nn.Parameter(torch.randn(8, 4).t()[:, 2:6])
        self.register_buffer("kept", torch.randn(4))
        self.register_buffer("dropped", torch.tensor([True, False, True, True]), persistent=False)
        self.constant = torch.arange(4)

    def forward(self, x: Tensor) -> Tensor:
        h = self.twin(self.tied(x)) @ self.sliced + self.kept * self.constant
        h = torch.where(self.dropped, h, torch.tensor([1.0, 2.0, 3.0, 4.0]))
        h = torch.cat([h.reshape(2 * h.shape[0], -1), torch.ones(2 * h.shape[0], 1)], dim=1)
        h = h.view(h.shape[0] // 2, -1) / (1.0 * x.shape[0] + 2)
        h[:, 0] = x[:, -1]
        return h[:, [3, 0, 1]] ** 2 + h[:, :3].clamp_(min=0).to(torch.float64).to(h.dtype)


def perceptron() -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(10, 16), nn.LayerNorm(16), nn.SiLU(), nn.Dropout(0.5), nn.Linear(16, 4))
    )


ENCODERS = {
    "linear": (Linear, (6,)),
    "perceptron": (perceptron, (10,)),
    "convolutional": (Convolutional, (256,)),
    "mixed": (Mixed, (2, 8, 8)),
    "attention": (Attention, (4, 8)),
    "tensors": (Tensors, (4,)),
}


def make(name: str) -> tuple[nn.Module, Tensor]:
    """Return a module in evaluation mode, as if it had been trained, and images for it."""
    torch.manual_seed(1)
    factory, shape = ENCODERS[name]
    module = factory()
    images = torch.randn(5, *shape)
    with torch.no_grad():
        for _ in range(3 if name == "convolutional" else 0):
            module(images + 1)
    return module.eval(), images


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Callable[..., tuple[nn.Module, Tensor, Path]]:
    """Export each module once, since that is what takes long."""
    folder = tmp_path_factory.mktemp("exported")

    def get(name: str, *, core: bool = False) -> tuple[nn.Module, Tensor, Path]:
        live, images = make(name)
        path = folder / f"{name}_{core}.pt2"
        return live, images, path if path.exists() else save(live, images, path, core=core)

    return get


def result_of(module: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return module(images)


# The same answers as live


@pytest.mark.parametrize("core", [False, True], ids=["as_exported", "core_operators"])
@pytest.mark.parametrize("name", ENCODERS)
def test_agrees_with_the_live_module(exported, name, core):
    if core and name == "attention":
        pytest.skip("its core operators believe what they are given, and are refused")
    live, images, path = exported(name, core=core)
    module = read_exported(path)
    assert module.input_shape == (None, *images.shape[1:])
    weights = {name: value.clone() for name, value in module.state.items()}
    loaded = torch.export.load(path).module()
    for batch in (images, images[:2], torch.cat([images, 3 * images])):
        before = batch.clone()
        torch.testing.assert_close(module(batch), result_of(live, batch), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(module(batch), result_of(loaded, batch), rtol=1e-6, atol=1e-6)
        assert torch.equal(batch, before)
    assert all(torch.equal(module.state[name], weights[name]) for name in weights)


def test_one_batch_size_serves_all(tmp_path):
    live, images = make("convolutional")
    module = read_exported(save(live, images, tmp_path / "encoder.pt2", dynamic=False))
    assert module.input_shape == (5, 256)
    for n in (1, 3, 5, 10, 12):
        batch = torch.randn(n, 256)
        torch.testing.assert_close(module(batch), result_of(live, batch), rtol=1e-5, atol=1e-6)
    assert module(torch.zeros(0, 256)).shape == (0, 6)


def test_a_fixed_size_that_is_no_batch_stays_fixed(tmp_path):
    class Summed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.sum(0)

    module = read_exported(
        save(Summed(), torch.randn(5, 3), tmp_path / "encoder.pt2", dynamic=False)
    )
    assert module(torch.ones(5, 3)).tolist() == [5, 5, 5]
    with pytest.raises(ValueError, match=r"shape \(5, 3\), got \(4, 3\)"):
        module(torch.ones(4, 3))


def test_an_export_from_a_gpu_runs_on_the_cpu(exported, tmp_path):
    live, images, path = exported("tensors")
    entries = entries_of(path)
    for name in (MODEL, WEIGHTS, CONSTANTS):
        assert b'"type": "cpu", "index": null' in entries[name]
        entries[name] = entries[name].replace(
            b'"type": "cpu", "index": null', b'"type": "cuda", "index": 1'
        )
    module = read_exported(write(tmp_path / "gpu.pt2", entries))
    assert torch.equal(module(images), result_of(live, images))


def test_keeps_the_precision_of_the_export(tmp_path):
    live, images = make("perceptron")
    live, images = live.double(), images.double()
    module = read_exported(save(live, images, tmp_path / "encoder.pt2"))
    assert module.input_dtype == next(module.parameters()).dtype == torch.float64
    assert torch.equal(module(images), result_of(live, images))
    assert module(images.float()).dtype == torch.float64
    # Its precision is part of the graph, and no other can be given to it.
    assert torch.equal(module.float()(images), result_of(live, images))


def test_state_has_the_names_of_the_module(exported):
    live, _, path = exported("tensors")
    module = read_exported(path)
    expected = live.state_dict() | {"dropped": live.dropped, "constant": live.constant}
    # No operator uses log_rate, which says how active the prior is.
    assert "log_rate" in module.state
    for name, value in expected.items():
        assert torch.equal(module.state[name], value), name


def test_neither_weights_nor_images_leak_out_or_change(tmp_path):
    class Views(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(3))

        def forward(self, x: Tensor) -> Tensor:
            x.relu_()
            return self.weight.view(1, 3).expand_as(x).detach()

    class Identity(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.view(-1, 3)

    images = -torch.ones(2, 3)
    module = read_exported(save(Views(), images.clone(), tmp_path / "views.pt2"))
    module(images).zero_()
    assert (images == -1).all()
    assert (module(images) == 1).all()
    module = read_exported(save(Identity(), images, tmp_path / "identity.pt2"))
    module(images).zero_()
    assert (images == -1).all()


def test_reads_the_layout_of_torch_2_8(exported, tmp_path):
    live, images, path = exported("tensors")
    state = read_exported(path).state
    weights = {name: value for name, value in state.items() if name in live.state_dict()}
    constants = {name: value for name, value in state.items() if name not in weights}
    entries = {name: data for name, data in entries_of(path).items() if "config" not in name}
    entries["data/weights/model.pt"] = pickled_by_torch(weights)
    entries["data/constants/model.pt"] = pickled_by_torch(constants)
    module = read_exported(write(tmp_path / "old.pt2", entries))
    assert torch.equal(module(images), result_of(live, images))


def pickled_by_torch(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()


# What is refused, and what is said


@pytest.fixture(scope="module")
def linear(exported) -> Path:
    return exported("linear")[2]


@pytest.fixture(scope="module")
def normalized(tmp_path_factory) -> Path:
    """A file with a batch normalization in core operators."""
    torch.manual_seed(1)
    module = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 3)).eval()
    path = tmp_path_factory.mktemp("normalized") / "encoder.pt2"
    return save(module, torch.randn(5, 6), path, core=True)


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (torch.zeros(5, 7), ValueError, r"shape \(any, 6\), got \(5, 7\)"),
        (torch.zeros(6), ValueError, r"got \(6,\)"),
        (torch.zeros(5, 6, dtype=torch.int64), TypeError, "torch.float32, got torch.int64"),
        ([[0.0] * 6], TypeError, "must be a tensor, got list"),
    ],
)
def test_images_must_fit(linear, images, error, message):
    with pytest.raises(error, match=message):
        read_exported(linear)(images)


class Noisy(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x + torch.randn_like(x)


class Two(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x + 1, x + 2


class Counting(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.count += 1
        return x * self.count


class Blocked(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            h = x * 2
        return h + 1


class Spectrum(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.fft.rfft(x).abs()


@pytest.mark.parametrize(
    ("module", "core", "message"),
    [
        (nn.Sequential(nn.Dropout(0.5)), False, r"training mode .* call module.eval\(\)"),
        (nn.Sequential(nn.BatchNorm1d(4)), False, r"num_batches_tracked.* call module.eval\(\)"),
        (nn.Sequential(nn.BatchNorm1d(4, track_running_stats=False)), False, "rest of its batch"),
        (nn.Sequential(nn.RReLU()), False, "training mode"),
        (Noisy(), False, "draws random numbers .*randn_like"),
        (Two(), False, "gives 2 outputs, expected one"),
        (Counting(), False, "changes its own weight or buffer 'b_count'"),
        (Counting(), True, "'buffer_mutation' that .* changes its own state"),
        (Blocked(), False, "higher-order operator .*no_grad"),
        (Spectrum(), False, "fft_rfft.* not among the operators"),
    ],
)
def test_refuses_what_is_no_encoder(tmp_path, module, core, message):
    path = save(module.train(), torch.randn(5, 4), tmp_path / "encoder.pt2", core=core)
    with pytest.raises(CheckpointError, match=message):
        read_exported(path)


def test_refuses_two_inputs_and_other_inputs(tmp_path):
    class Sum(nn.Module):
        def forward(self, x: Tensor, y: Tensor | int) -> Tensor:
            return x + y

    path = tmp_path / "encoder.pt2"
    for second, message in ((torch.ones(3), "takes 2 inputs"), (7, "'constant_input'")):
        torch.export.save(torch.export.export(Sum(), (torch.ones(3), second)), path)
        with pytest.raises(CheckpointError, match=message):
            read_exported(path)


def test_refuses_other_files(tmp_path, linear):
    def refused(path: Path, message: str) -> None:
        with pytest.raises(CheckpointError, match=message):
            read_exported(path)

    path = tmp_path / "encoder.pt2"
    refused(path, "cannot be opened: No such file")
    refused(tmp_path, "cannot be opened")
    for data in (b"", b"PK\x03\x04", b"no zip at all", linear.read_bytes()[:200]):
        path.write_bytes(data)
        refused(path, "is damaged or no .pt2 file.* export it again with torch >= 2.8")
    for data in (linear.read_bytes()[:-30], b"#!/bin/sh\n" + linear.read_bytes()):
        path.write_bytes(data)
        refused(path, "its end is missing, or something stands before it")
    torch.save({"weight": torch.ones(2)}, path)
    refused(path, "zip file of another kind")
    refused(write(path, {}), "zip file of another kind")
    refused(write(path, {"serialized_exported_program.json": b"{}"}, root=""), "torch 2.7 or older")
    compiled = {"archive_format": b"pt2", "data/aotinductor/model/model.so": b"\x7fELF"}
    refused(write(path, compiled), "holds machine code")

    entries = entries_of(linear)
    refused(write(path, entries | {"byteorder": b"big"}), "byteorder is b'big'")
    refused(write(path, entries | {"archive_version": b"1"}), "archive_version is b'1'")
    refused(write(path, entries | {"archive_format": b"pt3"}), "archive_format is b'pt3'")
    refused(write(path, entries | {"models/second.json": b"{}"}), "holds 2 modules")
    refused(write(path, entries | {"../evil": b""}), "'encoder/../evil', which points out of it")
    refused(write(path, entries | {"a\\b": b""}), "points out of it")
    refused(write(path, entries, root="/encoder/"), "points out of it")
    for missing in ("byteorder", WEIGHTS, CONSTANTS, "data/weights/weight_0"):
        rest = {name: data for name, data in entries.items() if name != missing}
        refused(write(path, rest), f"it lacks '{missing}'")
    with warnings.catch_warnings(), zipfile.ZipFile(write(path, entries), "a") as archive:
        warnings.simplefilter("ignore")
        archive.writestr(f"encoder/{MODEL}", b"{}")
    refused(path, "two entries of one name")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(f"encoder/{name}", data)
    refused(path, "packed by another program")
    for name in (MODEL, WEIGHTS):
        for data in (b"", b"{", b"[]", b"{}", b"null", b"\xff", b"[" * 100_000):
            refused(write(path, entries | {name: data}), "is damaged")

    def newer(model: dict) -> None:
        model["schema_version"]["major"] = 9

    refused(changed(linear, MODEL, newer), "schema version .* install a newer pvae_brian")


# Hostile files: the marker never appears


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


def try_out(path: Path, width: int = 6) -> Tensor | CheckpointError:
    """Read a file and run it; return the output, or the error that refused it."""
    try:
        return read_exported(path)(torch.ones(5, width))
    except CheckpointError as error:
        return error


def assert_right(path: Path) -> None:
    live, _ = make("linear")
    assert torch.equal(read_exported(path)(torch.ones(5, 6)), result_of(live, torch.ones(5, 6)))


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
