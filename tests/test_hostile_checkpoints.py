"""Checkpoints that are damaged, foreign or hostile: refused, and nothing in them is executed."""

from __future__ import annotations

import collections
import contextlib
import functools
import io
import os
import pickle
import sys

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvae_brian import CheckpointError, load_encoder
from pvae_brian.models import read_model

from .checkpoint_files import (
    OFFICIAL,
    SCALAR,
    copy,
    refused,
    synthesise,
    weights_file,
    write_official,
)

# Files that are none --------------------------------------------------------------------------


def test_missing_files_and_empty_folders(tmp_path):
    for name in ("none.pt", "none", "none.pt2"):
        with pytest.raises(FileNotFoundError, match="none"):
            load_encoder(tmp_path / name)
    assert "holds no .pt file" in refused(tmp_path)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(length=st.integers(0, weights_file(OFFICIAL / "pvae_lin_k32_2025").stat().st_size - 1))
def test_truncated_files_are_refused(tmp_path, length):
    folder = tmp_path / "run"
    if not folder.exists():
        copy("pvae_lin_k32_2025", folder)
    whole = weights_file(OFFICIAL / "pvae_lin_k32_2025").read_bytes()
    weights_file(folder).write_bytes(whole[:length])
    assert "not a readable torch checkpoint" in refused(weights_file(folder))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_changes_nothing(tmp_path, data):
    folder = tmp_path / "run"
    if not folder.exists():
        copy("pvae_lin_k32_2025", folder)
    whole = bytearray(weights_file(OFFICIAL / "pvae_lin_k32_2025").read_bytes())
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    weights_file(folder).write_bytes(whole)
    expected = read_model(OFFICIAL / "pvae_lin_k32_2025")[0].state_dict()
    try:
        got = read_model(folder)[0].state_dict()
    except CheckpointError:
        return
    assert all(torch.equal(got[name], expected[name]) for name in expected)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300), start=st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02"]))
def test_random_bytes_are_refused(tmp_path, content, start):
    file = tmp_path / "model.pt"
    file.write_bytes(start + content)
    refused(file)


def torchscript():
    return torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(1, 2))


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda f: torch.save(torch.zeros(3), f), "holds a Tensor, not a checkpoint"),
        (lambda f: torch.save([1, 2], f), "holds a list, not a checkpoint"),
        (lambda f: torch.save({}, f), "a torch file of another kind"),
        (lambda f: torch.save(torch.nn.Linear(2, 2).state_dict(), f), "['bias', 'weight']"),
        (lambda f: torch.save(torch.nn.Linear(2, 2), f), "asks for torch.nn.modules.linear.Linear"),
        (lambda f: torch.save({"model": {"w": np.zeros(3)}}, f), "_reconstruct"),
        (lambda f: torch.save({"model": 1}, f), "no ConfigPoisVAE.json beside"),
        (lambda f: torch.jit.save(torchscript(), f), "not a readable torch checkpoint"),
        (lambda f: np.save(f, np.zeros(3)), "not a readable torch checkpoint"),
        (lambda f: np.savez(f, x=np.zeros(3)), "not a readable torch checkpoint"),
        (lambda f: f.write(b"Dear reader,\nthis is no model.\n"), "not a readable torch"),
        (lambda f: f.write(b'{"model": 1}'), "not a readable torch checkpoint"),
    ],
)
def test_foreign_files_are_refused_without_a_warning(tmp_path, recwarn, write, message):
    file = tmp_path / "model.pt"
    buffer = io.BytesIO()
    write(buffer)
    file.write_bytes(buffer.getvalue())
    recwarn.clear()
    assert message in refused(file)
    assert not recwarn.list


# Hostile files --------------------------------------------------------------------------------


class Call:
    """Pickles into a call of a function, which a careless reader makes."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def touch(marker):
    return Call(os.system, f'"{sys.executable}" -c "open({str(marker)!r}, chr(119))"')


PAYLOADS = {
    "os.system": touch,
    "nested in metadata": lambda m: {"model": {}, "metadata": {"stats": touch(m)}},
    "nested in weights": lambda m: {"model": {"fc_enc.weight": touch(m)}},
    "as our own": lambda m: {"format": "pvae_brian checkpoint", "config": touch(m)},
    "builtins.eval": lambda m: Call(eval, f"open({str(m)!r}, 'w')"),
    "builtins.exec": lambda m: {"model": Call(exec, f"open({str(m)!r}, 'w')")},
    "builtins.open": lambda m: Call(open, str(m), "w"),
    "partial": lambda m: Call(functools.partial(open, str(m)), "w"),
    "dtype of objects": lambda m: Call(SCALAR, np.dtype("O"), Call(open, str(m), "w")),
}


@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("how", ["zip", "legacy", "bare pickle"])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_a_hostile_file_is_executed(tmp_path, payload, how, protocol):
    marker, file = tmp_path / "marker", tmp_path / "model.pt"
    content = PAYLOADS[payload](marker)
    # The payload is live: a careless reader falls for it.
    with contextlib.suppress(TypeError):
        pickle.loads(pickle.dumps(content, protocol))
    assert marker.exists()
    marker.unlink()
    if how == "bare pickle":
        file.write_bytes(pickle.dumps(content, protocol))
    else:
        torch.save(
            content,
            file,
            pickle_protocol=protocol,
            _use_new_zipfile_serialization=how == "zip",
        )
    message = refused(file)
    # Other protocols, bare pickles and odd types are not even recognised as torch files.
    if protocol == 2 and how != "bare pickle" and payload != "dtype of objects":
        assert "nothing of it was executed" in message
    assert not marker.exists()


@pytest.mark.parametrize("factory", [os.system, eval, functools.partial(os.system, "exit 1")])
def test_a_defaultdict_that_would_call_something_is_refused(tmp_path, factory):
    config, state = synthesise(0)
    write_official(tmp_path / "run", config, state)
    file = weights_file(tmp_path / "run")
    data = torch.load(file, weights_only=False)
    data["metadata"]["stats"] = collections.defaultdict(factory)
    torch.save(data, file)
    assert "holds more than data" in refused(file)


def test_what_is_allowed_here_is_not_left_allowed(tmp_path):
    before = set(torch.serialization.get_safe_globals())
    load_encoder(OFFICIAL / "pvae_lin_k48")
    assert set(torch.serialization.get_safe_globals()) == before
    with pytest.raises(pickle.UnpicklingError):
        torch.load(weights_file(OFFICIAL / "pvae_lin_k48"), weights_only=True)
