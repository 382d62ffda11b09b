"""Exported projects: they run without torch and this package, with the law of the model."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import venv
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from brian2 import DimensionMismatchError, ms, prefs, second, seed, start_scope, volt
from filelock import FileLock
from scipy.special import ndtr, ndtri

from pvae_brian import Encoder, export, load_encoder
from pvae_brian.cli import main
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.measures.goodness import poisson_fit

from .chance import FALSE_ALARM, fresh_seed
from .checkpoint_files import OFFICIAL
from .images import noise
from .marks import needs_compiler
from .network_models import CHOICES, affine_encoder, small_encoder

POISSON = ["pvae_lin_k48", "pvae_lin_k32_2025", "pvae_mlp_k32"]
FILES = ["README.md", "example_stimulus.npy", "network.py", "weights.npz"]


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory) -> Path:
    """A Python with Brian2 and numpy only, made once for all workers."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder = folder / "bare"
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            venv.create(folder, with_pip=True)
            # With the versions that this environment has.
            names = ["brian2", "numpy", "cython", "sympy", "pyparsing", "jinja2"]
            command = [python, "-m", "pip", "install", "--quiet"]
            result = subprocess.run(
                [*command, *(f"{name}=={version(name)}" for name in names)],
                capture_output=True,
                text=True,
            )
            if result.returncode and "CI" not in os.environ:
                pytest.skip(f"no environment with Brian2 only can be made: {result.stderr[-200:]}")
            assert result.returncode == 0, result.stderr
            (folder / "done").touch()
    return python


def run(python, folder, *arguments):
    return subprocess.run(
        [python, folder / "network.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        # Where it is run from does not matter.
        cwd=folder.parent,
    )


def as_module(folder):
    spec = importlib.util.spec_from_file_location("exported_network", folder / "network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def show(folder, images):
    """Build and run an exported network in this process, compiling nothing."""
    start_scope()
    before, prefs.codegen.target = prefs.codegen.target, "numpy"
    try:
        module = as_module(folder)
        images = np.asarray(images, dtype=float)
        network, parts = module.build(images)
        seed(fresh_seed())
        network.run(len(images) * parts["frames"].dt, namespace={})
        return module.read(parts, len(images))
    finally:
        prefs.codegen.target = before


# In an environment of Brian2 and numpy


@pytest.mark.slow
def test_the_environment_has_neither_torch_nor_this_package(bare_python):
    for name in ("torch", "scipy", "pvae_brian"):
        result = subprocess.run([bare_python, "-c", f"import {name}"], capture_output=True)
        assert b"ModuleNotFoundError" in result.stderr


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", POISSON)
def test_official_models_fire_at_the_authors_rates(name, bare_python, tmp_path):
    with np.load(OFFICIAL / name / "expected.npz") as expected:
        images, rates = expected["x"], expected["rate"].astype(float)
    n_times = 100
    # After some minutes of such windows the times of their starts and of the steps round apart.
    window, n_steps = 100 * ms, 3
    folder = export(load_encoder(OFFICIAL / name), tmp_path / "p", images[0], window, n_steps)
    np.save(tmp_path / "images.npy", np.tile(images, (n_times, 1, 1, 1)))
    result = run(
        bare_python,
        folder,
        tmp_path / "images.npy",
        "--standalone",
        "--seed",
        fresh_seed(),
        "-o",
        tmp_path / "spikes.npz",
    )
    assert result.returncode == 0, result.stderr
    assert f"images shown: {n_times * len(images)}" in result.stdout
    with np.load(tmp_path / "spikes.npz") as spikes:
        counts = spikes["counts"]
        # The authors' are in single precision.
        np.testing.assert_allclose(spikes["rates"], np.tile(rates, (n_times, 1)), rtol=1e-5)
    expected = n_times * rates.sum(axis=0)
    z = (counts.sum(axis=0) - expected) / np.sqrt(expected)
    print(f"{name}: largest of {len(z)} deviations {np.abs(z).max():.2f} standard errors")
    # Four standard errors for one neuron; for the largest of all, Bonferroni's correction.
    assert np.abs(z).max() < ndtri(1 - ndtr(-4) / len(z))
    assert poisson_fit(counts, np.tile(rates, (n_times, 1))).p_value > FALSE_ALARM


@pytest.mark.slow
def test_it_shows_the_example_stimulus_if_asked_for_nothing_else(bare_python, tmp_path):
    folder = export(load_encoder(shipped_model()), tmp_path / "a b's", shipped_patches()[0])
    result = run(bare_python, folder)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("images shown: 1\nspikes per image: ")
    assert "squared error of what they draw: " in result.stdout
    assert sorted(path.name for path in folder.iterdir()) == FILES


@pytest.mark.slow
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 100)), "must hold images of 256 pixels, got (3, 100)"),
        (np.zeros((0, 256)), "must hold images of 256 pixels, got (0, 256)"),
        (np.full((2, 16, 16), np.nan), "holds NaN or infinite values"),
        (np.zeros((2, 256), dtype=complex), "is no .npy file of real numbers"),
        (None, "is no .npy file of real numbers"),
    ],
)
def test_it_says_which_images_it_cannot_show(images, message, tmp_path):
    folder = export(load_encoder(shipped_model()), tmp_path / "project", shipped_patches()[0])
    if images is not None:
        np.save(tmp_path / "images.npy", images)
    result = run(sys.executable, folder, tmp_path / "images.npy")
    assert result.returncode == 1
    assert message in result.stderr
    assert "Traceback" not in result.stderr


# The same network as that of this package, whatever the layers


@pytest.mark.parametrize("name", CHOICES)
def test_the_project_comes_to_the_rates_of_the_model_and_draws_its_images(name, tmp_path):
    encoder = small_encoder(fresh_seed(), **CHOICES[name])
    images = noise((4, 9), fresh_seed())
    found = show(export(encoder, tmp_path / "p", images[0], 100 * ms, 4), images)
    # torch's softplus leaves out up to 2e-9, and rates pass two of them.
    np.testing.assert_allclose(found["rates"], encoder.posterior_rates(images), rtol=1e-8)
    first = encoder.model.decoder.head
    drawn = found["counts"] @ first.effective_weight().detach().numpy().T
    drawn = drawn + (0 if first.bias is None else first.bias.detach().numpy())
    np.testing.assert_allclose(found["drawn"], drawn, rtol=1e-9, atol=1e-12)
    if encoder.has_linear_decoder:
        np.testing.assert_allclose(drawn, encoder.decode(found["counts"]), rtol=1e-9, atol=1e-12)


def test_a_model_without_weights_and_decoder(tmp_path):
    encoder = affine_encoder(np.zeros((2, 3)), np.zeros(2), np.log([2.0, 3.0]))
    folder = export(encoder, tmp_path / "p", np.zeros(3), n_steps=2)
    found = show(folder, noise((3, 3)))
    np.testing.assert_allclose(found["rates"], encoder.posterior_rates(np.zeros((3, 3))))
    assert "drawn" not in found
    assert "The model has no decoder" in (folder / "README.md").read_text()


@pytest.mark.parametrize("n_steps", [1, 7])
def test_counts_are_poisson(n_steps, tmp_path):
    rates = np.tile([0.05, 0.3, 1, 5, 50, 150], 100)
    encoder = affine_encoder(noise((600, 2)) * 0.05, np.zeros(600), np.log(rates))
    images = noise((50, 2), fresh_seed())
    found = show(export(encoder, tmp_path / "p", images[0], 30 * ms, n_steps), images)
    assert poisson_fit(found["counts"], encoder.posterior_rates(images)).p_value > FALSE_ALARM


# What is written


@pytest.mark.parametrize("name", CHOICES)
def test_the_code_is_short_and_clean(name, tmp_path):
    folder = export(small_encoder(1, **CHOICES[name]), tmp_path / "p", np.zeros(9))
    assert sorted(path.name for path in folder.iterdir()) == FILES
    source = (folder / "network.py").read_text(encoding="utf-8")
    assert source.count("\n") < (260 if "encoder" in CHOICES[name] else 220)
    assert "pvae_brian." not in source
    for text in (source, (folder / "README.md").read_text(encoding="utf-8")):
        assert "{{" not in text
        assert "{%" not in text
    options = ["--line-length", "100", "--isolated"]
    for command in (["check"], ["format", "--check"]):
        result = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *options, folder], capture_output=True
        )
        assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("shape", [(9,), (3, 3), (1, 3, 3), (1, 1, 3, 3), (9, 1, 1)])
def test_the_example_may_have_any_shape(shape, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = export(small_encoder(1), "~/p", np.arange(9).reshape(shape))
    assert folder == tmp_path / "p"
    assert np.load(folder / "example_stimulus.npy").tolist() == list(range(9))


def test_the_settings_are_in_it(tmp_path):
    folder = export(small_encoder(1), tmp_path / "p", np.zeros((3, 3)), 30 * ms, 7)
    module = as_module(folder)
    assert module.WINDOW / second == pytest.approx(0.03)
    assert module.N_STEPS == 7


def test_no_name_of_a_file_can_break_out_of_the_texts(tmp_path):
    encoder = replace(small_encoder(1), details={"file": 'x"""\nraise SystemExit(3)\n`"'})
    folder = export(encoder, tmp_path / "p", np.zeros(9))
    assert as_module(folder).N_STEPS == 100
    assert "\nraise" not in (folder / "README.md").read_text()


# Where it is written


def test_nothing_is_replaced_unless_asked_and_never_anything_else(tmp_path):
    encoder, place = small_encoder(1), tmp_path / "p"
    export(encoder, place, np.zeros(9))
    with pytest.raises(FileExistsError, match="force=True"):
        export(encoder, place, np.zeros(9))
    export(encoder, place, np.ones(9), force=True)
    assert np.load(place / "example_stimulus.npy").all()
    (place / "mine.txt").touch()
    with pytest.raises(FileExistsError, match=r"other files than an exported project \(mine.txt\)"):
        export(encoder, place, np.zeros(9), force=True)
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="is no folder"):
        export(encoder, tmp_path / "file", np.zeros(9), force=True)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        export(encoder, tmp_path / "none" / "p", np.zeros(9))
    (tmp_path / "empty").mkdir()
    assert export(encoder, tmp_path / "empty", np.zeros(9), force=True).is_dir()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr(np, "save", fail)
    with pytest.raises(OSError, match="disk is full"):
        export(small_encoder(1), tmp_path / "p", np.zeros(9))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        (
            {"image": np.zeros(8)},
            ValueError,
            r"the 9 pixels that this model sees, got shape \(8,\)",
        ),
        ({"image": np.zeros(9) * volt}, DimensionMismatchError, "images carry no unit"),
        ({"image": np.full(9, np.inf)}, ValueError, "images must be finite"),
        ({"window": 0 * second}, ValueError, "window must be a positive"),
        ({"window": 1}, DimensionMismatchError, "window must be a time"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(settings, error, message, tmp_path):
    with pytest.raises(error, match=message):
        export(
            **(
                {"encoder": small_encoder(1), "folder": tmp_path / "p", "image": np.zeros(9)}
                | settings
            )
        )
    assert not list(tmp_path.iterdir())


def test_models_without_a_counterpart_in_synapses_are_refused(tmp_path):
    import torch

    module = torch.nn.Sequential(torch.nn.Linear(9, 2))
    encoder = Encoder.from_module(module, np.zeros(2), image_shape=(9,))
    with pytest.raises(ValueError, match="got an encoder of type Sequential"):
        export(encoder, tmp_path / "p", np.zeros(9))
    with pytest.raises(TypeError, match="got GaussianEncoder"):
        export(load_encoder(OFFICIAL / "grelu_lin_k32"), tmp_path / "p", np.zeros(256))
    assert not list(tmp_path.iterdir())


# The command


def test_the_command_writes_a_project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", noise((3, 16, 16)))
    model = str(shipped_model())
    assert main(["export", model, "-o", "mine"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Project: mine. Next: python mine/network.py\nIts example stimulus is")
    np.testing.assert_array_equal(
        np.load("mine/example_stimulus.npy"), shipped_patches()[0].ravel()
    )
    command = ["export", model, "-o", "other", "--images", "images.npy", "--window", "0.5"]
    assert main([*command, "--steps", "5"]) == 0
    np.testing.assert_array_equal(
        np.load("other/example_stimulus.npy"), np.load("images.npy")[0].ravel()
    )
    assert "WINDOW = 0.5 * second\nN_STEPS = 5\n" in Path("other/network.py").read_text()


def test_the_command_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    np.save("flat.npy", np.zeros(256))
    model = str(shipped_model())
    for arguments, message in (
        (["-o", "x", "--images", "flat.npy"], "--images must hold images of shape"),
        (["-o", "x", "--images", "none.npy"], "none.npy"),
        (["-o", "none/x"], "the folder none does not exist"),
        (["-o", "flat.npy"], "exists"),
        (["-o", "x", "--window", "nan"], "window must be a positive, finite time"),
    ):
        assert main(["export", model, *arguments]) == 1
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not Path("x").exists()
