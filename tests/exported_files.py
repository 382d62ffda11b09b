"""Modules to export, and their files as they are or changed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported import read_exported

TORCH = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
# Marks of every module that exports.
EXPORTED = [
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


def result_of(module: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.no_grad():
        return module(images)


# Trying files out


def try_out(path: Path, width: int = 6) -> Tensor | CheckpointError:
    """Read a file and run it; return the output, or the error that refused it."""
    try:
        return read_exported(path)(torch.ones(5, width))
    except CheckpointError as error:
        return error


def assert_right(path: Path) -> None:
    live, _ = make("linear")
    assert torch.equal(read_exported(path)(torch.ones(5, 6)), result_of(live, torch.ones(5, 6)))


def pickled_by_torch(value: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file)
    return file.getvalue()
