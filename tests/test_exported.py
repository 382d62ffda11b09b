"""Modules of `torch.export.save`: the same answers as live."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from pvae_brian.models.checkpoints.exported import read_exported

from .exported_files import (
    CONSTANTS,
    ENCODERS,
    EXPORTED,
    MODEL,
    WEIGHTS,
    entries_of,
    make,
    pickled_by_torch,
    result_of,
    save,
    write,
)

pytestmark = EXPORTED


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
