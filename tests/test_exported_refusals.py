"""Exported modules that are no encoder, and other files: refused, and said why."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pvae_brian.models.checkpoints.errors import CheckpointError
from pvae_brian.models.checkpoints.exported import read_exported

from .exported_files import CONSTANTS, EXPORTED, MODEL, WEIGHTS, changed, entries_of, save, write

pytestmark = EXPORTED


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
