"""The authors' checkpoints: what they compute, where they lie, and what options change."""

from __future__ import annotations

import collections
import json
import os
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pvae_brian import load_encoder, save_checkpoint

from .checkpoint_files import (
    ACTIVATIONS,
    EPS32,
    GENERATIONS,
    OFFICIAL,
    SCALAR,
    assert_authors,
    copy,
    read_official_dict,
    refused,
    small_model,
    synthesise,
    weights_file,
    write_official,
)
from .gaussian_files import assert_authors_gaussian, synthesise_gaussian, write_gaussian

POISSON = ["pvae_lin_k48", "pvae_lin_k32_2025", "pvae_mlp_k32"]


# The authors' checkpoints against what their code computes ------------------------------------


@pytest.fixture(scope="module", params=POISSON)
def official(request):
    with np.load(OFFICIAL / request.param / "expected.npz") as expected:
        return load_encoder(OFFICIAL / request.param), dict(expected)


def test_rates_and_gains_are_the_authors(official):
    encoder, expected = official
    # Their float32 log-rates pass clamps at 10 and 5, which round to units of 1e-6.
    assert encoder.prior_rates == pytest.approx(expected["prior_rate"], rel=1e-5)
    assert encoder.posterior_rates(expected["x"]) == pytest.approx(expected["rate"], rel=1e-5)
    gains = np.exp(expected["log_dr"].astype(np.float64))
    assert encoder.gains(expected["x"]) == pytest.approx(gains, rel=1e-5)


def test_the_clamp_is_seen_in_the_rates(official):
    # Without it they are off by a hundred times the tolerance above: it can fail.
    encoder, expected = official
    unclamped = encoder.posterior_rates(expected["x"], clamped=False)
    assert np.abs(unclamped / expected["rate"] - 1).max() > 1e-3


def test_kl_is_the_authors(official):
    encoder, expected = official
    kl = encoder.kl_divergence(expected["x"])
    # Theirs adds r (1 + dr (ln dr - 1)) in float32, where terms cancel. Each carries the rounding
    # of ln dr, two steps of 4 units of eps near the clamp at 10: 16 eps of the sum of terms.
    gains, prior = encoder.gains(expected["x"]), encoder.prior_rates
    terms = (prior * (1 + gains * (1 + np.abs(np.log(gains))))).sum(axis=1)
    error = np.abs(kl - expected["kl"])
    assert np.all(error <= 16 * EPS32 * terms)
    assert error.max() <= 1e-5 * expected["kl"].max()


def test_mean_reconstruction_is_the_authors(official):
    encoder, expected = official
    rates = encoder.posterior_rates(expected["x"])
    theirs = expected["recon_mean"].reshape(64, -1)
    error = np.abs(encoder.decode(rates) - theirs)
    # As above, with two clamps: 32 eps of the sum of terms.
    weight = encoder.model.decoder.head.weight.detach().numpy()
    assert np.all(error <= 32 * EPS32 * (rates @ np.abs(weight).T))
    assert error.max() <= 1e-5 * np.abs(theirs).max()


@pytest.fixture(scope="module")
def control():
    with np.load(OFFICIAL / "grelu_lin_k32" / "expected.npz") as expected:
        return load_encoder(OFFICIAL / "grelu_lin_k32"), dict(expected)


def test_scales_and_activity_of_the_control_are_the_authors(control):
    encoder, expected = control
    x = expected["x"]
    assert encoder.family == "gaussian-relu"
    # Each to its own size. Of the activity, 9e-6 is their single-precision mean, far below zero.
    assert encoder.scale(x) == pytest.approx(expected["scale"], rel=1e-5, abs=0)
    assert encoder.posterior_rates(x) == pytest.approx(expected["expected_relu"], rel=1e-5, abs=0)


def test_means_of_the_control_are_the_authors(control):
    encoder, expected = control
    loc = encoder.loc(expected["x"])
    # Theirs are sums of 256 float32 products, and some come close to 0: 8 eps of the sum of terms
    # (4 are seen), which for all but these is far below 1e-5 of each.
    weight = encoder.model.encoder.head.weight.detach().numpy()[:32]
    terms = np.abs(expected["x"].reshape(64, 256).astype(np.float64)) @ np.abs(weight).T
    error = np.abs(loc - expected["loc"])
    assert np.all(error <= 8 * EPS32 * terms)
    assert np.all(error <= 1e-5 * np.maximum(np.abs(expected["loc"]), 0.1))


def test_kl_of_the_control_is_the_authors(control):
    encoder, expected = control
    x = expected["x"]
    kl, loc, scale = encoder.kl_divergence(x), encoder.loc(x), encoder.scale(x)
    # Theirs adds up float32 terms that cancel, among them 1: 16 eps of the sum of terms, as above.
    terms = 0.5 * (loc**2 + scale**2 + 2 * np.abs(np.log(scale)) + 1).sum(axis=1)
    error = np.abs(kl - expected["kl"])
    assert np.all(error <= 16 * EPS32 * terms)
    assert error.max() <= 1e-5 * expected["kl"].max()
    assert np.all(error[expected["kl"] > 0.1] <= 1e-5 * expected["kl"][expected["kl"] > 0.1])


def test_the_clamp_on_the_log_scale_is_seen(control):
    # Without it scales are off by a thousand times the tolerance above: it can fail.
    encoder, expected = control
    raw = encoder.model.encoder(torch.as_tensor(expected["x"].reshape(64, 256)).double())
    unclamped = raw[:, 32:].exp().detach().numpy()
    assert np.abs(unclamped / expected["scale"] - 1).max() > 1e-2


def test_details_of_the_control():
    details = load_encoder(OFFICIAL / "grelu_lin_k32").details
    assert (details["format"], details["epoch"]) == ("official", 4)
    assert details["official_config"]["latent_act"] == "relu"
    assert "generation" not in details


def test_details_say_where_a_model_comes_from():
    encoder = load_encoder(OFFICIAL / "pvae_lin_k32_2025")
    assert encoder.details["format"] == "official"
    assert encoder.details["generation"] == "until December 2025"
    assert encoder.details["epoch"] == 3
    assert encoder.details["rate_clamp"] == 5.3
    assert encoder.details["official_config"]["dataset"] == "vH16"
    assert encoder.details["file"].endswith(".pt")


# Layouts --------------------------------------------------------------------------------------


def prior_of(path, **options):
    return load_encoder(path, **options).prior_rates


def test_folder_file_and_config_one_folder_up(tmp_path, monkeypatch):
    # Names as in the authors' tree.
    outer = tmp_path / "poisson_uniform_c(-4)_vH16_z-48_k-32_<lin|lin+b>"
    if os.name == "nt":
        outer = tmp_path / "model"
    run = outer / "exact_b1000-ep4-lr(0.005)_beta(1:0x0.5),+"
    copy("pvae_lin_k48", run)
    expected = prior_of(OFFICIAL / "pvae_lin_k48")
    file = weights_file(run)
    for path in (run, str(run), file, outer):
        assert np.array_equal(prior_of(path), expected)
    (run / "ConfigPoisVAE.json").rename(outer / "ConfigPoisVAE.json")
    for path in (run, file, outer):
        assert np.array_equal(prior_of(path), expected)
    monkeypatch.chdir(run)
    for path in (".", file.name, f"../{run.name}", "..", f"./{file.name}"):
        assert np.array_equal(prior_of(path), expected)
    monkeypatch.setenv("HOME", str(outer))
    monkeypatch.setenv("USERPROFILE", str(outer))
    assert np.array_equal(prior_of(f"~/{run.name}"), expected)


def save_epochs(folder, names):
    """Files of the same run side by side; the log rates say which is which."""
    data = read_official_dict("pvae_lin_k48")
    file = weights_file(folder)
    file.unlink()
    for value, name in enumerate(names):
        data["model"]["log_rate"] = torch.full((1, 48), float(value))
        torch.save(data, folder / name)


def test_the_highest_epoch_or_the_one_asked_for(tmp_path):
    folder = copy("pvae_lin_k48", tmp_path / "run")
    # As text 9000 would come last, and the epochs are not in the order of the dates.
    names = [
        "PoissonVAE+TrainerVAE-9000_(2026_01_03,00:00).pt",
        "PoissonVAE+TrainerVAE-10000_(2026_01_02,00:00).pt",
        "PoissonVAE+TrainerVAE-0005_(2026_01_04,00:00).pt",
    ]
    save_epochs(folder, names)
    assert load_encoder(folder).details["epoch"] == 10000
    for epoch, value in ((9000, 0), (10000, 1), (5, 2), (None, 1)):
        assert prior_of(folder, epoch=epoch) == pytest.approx(np.exp(value))
    assert "no epoch 7; it holds epochs [5, 9000, 10000]" in refused(folder, epoch=7)
    with pytest.raises(ValueError, match="no folder"):
        load_encoder(folder / names[0], epoch=9000)


def test_one_epoch_saved_twice_gives_the_later(tmp_path):
    folder = copy("pvae_lin_k48", tmp_path / "run")
    name = "PoissonVAE+TrainerVAE-0003_({}).pt"
    save_epochs(folder, [name.format("2026_01_02,10:00"), name.format("2025_12_31,23:00")])
    assert prior_of(folder) == pytest.approx(np.exp(0))


def test_several_runs_or_unnumbered_files_are_not_chosen_between(tmp_path):
    for name in ("run1", "run2"):
        copy("pvae_lin_k48", tmp_path / "models" / name)
    message = refused(tmp_path / "models")
    assert "2 training runs (run1, run2); name one of them" in message
    folder = tmp_path / "own"
    folder.mkdir()
    for name in ("a.pt", "b.pt"):
        save_checkpoint(small_model(), folder / name)
    assert "2 .pt files (a.pt, b.pt); name one of them" in refused(folder)
    assert load_encoder(folder / "b.pt").n_latents == 4


# The official format, written here and computed by numpy --------------------------------------


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_architecture_is_the_numpy_one(tmp_path, data):
    choices = {
        key: data.draw(st.booleans(), key)
        for key in ("enc_bias", "dec_bias", "enc_norm", "dec_norm", "exc_only")
    }
    for key in ("enc_type", "dec_type"):
        choices[key] = data.draw(st.sampled_from(["lin", "mlp"]), key)
    choices["activation_fn"] = data.draw(st.sampled_from(sorted(ACTIVATIONS)), "activation_fn")
    choices["n_ch"] = data.draw(st.integers(1, 3), "n_ch")
    generation = data.draw(st.sampled_from(sorted(GENERATIONS)), "generation")
    sizes = {
        "n_inputs": data.draw(st.sampled_from([4, 9, 16]), "n_inputs"),
        "n_latents": data.draw(st.integers(1, 6), "n_latents"),
    }
    seed = data.draw(st.integers(0, 2**31), "seed")
    config, state = synthesise(seed, generation=generation, **sizes, **choices)
    write_official(tmp_path / "run", config, state)
    encoder = load_encoder(tmp_path / "run")
    assert (encoder.n_inputs, encoder.n_latents) == tuple(sizes.values())
    assert encoder.details["generation"] == generation
    assert_authors(encoder, config, state, GENERATIONS[generation][1])


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_every_control_is_the_numpy_one(tmp_path, data):
    """With a prior that was trained too: then it matters what is clamped, and in which order."""
    flags = ("enc_bias", "dec_bias", "enc_norm", "dec_norm", "fit_prior")
    choices = {key: data.draw(st.booleans(), key) for key in flags}
    for key in ("enc_type", "dec_type"):
        choices[key] = data.draw(st.sampled_from(["lin", "mlp"]), key)
    choices["activation_fn"] = data.draw(st.sampled_from(sorted(ACTIVATIONS)), "activation_fn")
    sizes = {
        "n_inputs": data.draw(st.sampled_from([4, 9, 16]), "n_inputs"),
        "n_latents": data.draw(st.integers(1, 6), "n_latents"),
    }
    config, state = synthesise_gaussian(data.draw(st.integers(0, 2**31)), **sizes, **choices)
    write_gaussian(tmp_path / "run", config, state)
    encoder = load_encoder(tmp_path / "run")
    assert (encoder.n_inputs, encoder.n_latents) == tuple(sizes.values())
    assert_authors_gaussian(encoder, config, state)


@pytest.mark.parametrize("given_", [{"latent_act": None}, {}])
def test_a_control_without_an_activation(tmp_path, given_):
    config, state = synthesise_gaussian(5)
    del config["latent_act"]
    write_gaussian(tmp_path / "run", config | given_, state)
    encoder = load_encoder(tmp_path / "run")
    assert encoder.family == "gaussian"
    write_gaussian(tmp_path / "relu", config | {"latent_act": "relu"}, state)
    relu = load_encoder(tmp_path / "relu")
    x = np.random.default_rng(0).normal(size=(5, 9))
    assert np.array_equal(encoder.loc(x), relu.loc(x))
    assert np.array_equal(encoder.kl_per_latent(x), relu.kl_per_latent(x))


def test_a_control_with_its_config_one_folder_up(tmp_path):
    run = copy("grelu_lin_k32", tmp_path / "model" / "run")
    (run / "ConfigGausVAE.json").rename(run.parent / "ConfigGausVAE.json")
    expected = prior_of(OFFICIAL / "grelu_lin_k32")
    for path in (run, run.parent, weights_file(run)):
        assert np.array_equal(prior_of(path), expected)
    # Of another config beside the file and this one above it, the one beside it counts.
    (run / "ConfigPoisVAE.json").write_text("{}")
    assert "ConfigPoisVAE.json" in refused(weights_file(run))


def test_moving_average_of_a_control(tmp_path):
    config, state = synthesise_gaussian(1)
    _, average = synthesise_gaussian(2)
    write_gaussian(tmp_path / "run", config, state, ema=collections.OrderedDict(average))
    assert_authors_gaussian(load_encoder(tmp_path / "run"), config, state)
    assert_authors_gaussian(load_encoder(tmp_path / "run", ema=True), config, average)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_config_tells_the_generation_and_so_the_clamp(tmp_path, generation):
    # The released files, with the config of another generation.
    folder = copy("pvae_lin_k48", tmp_path / "run")
    file = folder / "ConfigPoisVAE.json"
    config = json.loads(file.read_text())
    for keys, _ in GENERATIONS.values():
        config = {key: value for key, value in config.items() if key not in keys}
    keys, clamp = GENERATIONS[generation]
    file.write_text(json.dumps(config | keys))
    encoder = load_encoder(folder)
    assert encoder.details["generation"] == generation
    assert encoder.details["rate_clamp"] == clamp
    state = read_official_dict("pvae_lin_k48")["model"]
    assert_authors(encoder, config, state, clamp)


@pytest.mark.parametrize("clamp", [None, 0.0, 5, 5.3])
def test_the_clamp_can_be_overridden(clamp):
    encoder = load_encoder(OFFICIAL / "pvae_lin_k48", rate_clamp=clamp)
    assert encoder.details["rate_clamp"] == clamp
    config = json.loads((OFFICIAL / "pvae_lin_k48" / "ConfigPoisVAE.json").read_text())
    assert_authors(encoder, config, read_official_dict("pvae_lin_k48")["model"], clamp)


@pytest.mark.parametrize("clamp", [float("nan"), float("inf"), "5.0", "none"])
def test_a_clamp_that_is_no_number_is_refused(clamp):
    with pytest.raises(ValueError, match="rate_clamp must be a finite number, or None"):
        load_encoder(OFFICIAL / "pvae_lin_k48", rate_clamp=clamp)


def test_moving_average_of_the_weights(tmp_path):
    config, state = synthesise(1)
    _, average = synthesise(2)
    write_official(tmp_path / "run", config, state, ema=collections.OrderedDict(average))
    assert_authors(load_encoder(tmp_path / "run"), config, state, 5.0)
    assert_authors(load_encoder(tmp_path / "run", ema=True), config, average, 5.0)
    message = refused(weights_file(OFFICIAL / "pvae_lin_k48"), ema=True)
    assert "no moving average of the weights" in message


@pytest.mark.parametrize("new_format", [True, False])
@pytest.mark.parametrize("theirs", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numbers_of_numpy_1_and_2_are_read(tmp_path, theirs, new_format):
    config, state = synthesise(3)
    write_official(tmp_path / "run", config, state)
    file = weights_file(tmp_path / "run")
    if new_format:
        with zipfile.ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        (name,) = (name for name in parts if name.endswith("data.pkl"))
        ours = SCALAR.__module__.encode()
        assert ours in parts[name]
        parts[name] = parts[name].replace(ours, theirs.encode())
        with zipfile.ZipFile(file, "w") as archive:
            for name, part in parts.items():
                archive.writestr(name, part)
    else:
        data = torch.load(file, weights_only=False)
        torch.save(data, file, _use_new_zipfile_serialization=False)
        file.write_bytes(file.read_bytes().replace(SCALAR.__module__.encode(), theirs.encode()))
    assert_authors(load_encoder(tmp_path / "run"), config, state, 5.0)


def test_an_activation_does_not_matter_to_a_linear_decoder(tmp_path):
    config, state = synthesise(0, activation_fn="mish")
    write_official(tmp_path / "run", config, state)
    assert_authors(load_encoder(tmp_path / "run"), config, state, 5.0)
