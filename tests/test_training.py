"""Training: known optima, the prior, seeds, settings, and Ctrl-C in a real process."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from pvae_brian import PoissonVAE, PoissonVAEConfig, load_encoder, save_checkpoint, train
from pvae_brian.models import GaussianVAE, GaussianVAEConfig, evaluate


@pytest.fixture(autouse=True)
def one_thread():
    """Small models gain nothing from more, and lose much on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(n_inputs=16, n_latents=8, seed=0, **settings):
    config = PoissonVAEConfig(n_inputs=n_inputs, n_latents=n_latents, **settings)
    return PoissonVAE.from_config(config, seed=seed)


def build_control(n_inputs=16, n_latents=8, seed=0, **settings):
    config = GaussianVAEConfig(n_inputs=n_inputs, n_latents=n_latents, **settings)
    return GaussianVAE.from_config(config, seed=seed)


def sparse_images(n=600, n_inputs=16, seed=0):
    """A few features in each image, as a P-VAE expects them, and noise."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(6, n_inputs))
    return rng.poisson(0.5, (n, 6)) @ features + 0.1 * rng.normal(size=(n, n_inputs))


def states(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(first, second):
    return all(torch.equal(first[name], second[name]) for name in first)


# Known optima ---------------------------------------------------------------------------------


def test_nothing_to_see_silences_the_neurons():
    # With decoder columns of length 1, F is the sum of the rates; its infimum is 0. Adamax divides
    # by the largest recent gradient: rates fall as 1 / (1 + sum of learning rates), or faster.
    model = build(decoder_norm=True)
    before = evaluate(model, np.zeros((1, 16)))
    record = train(model, np.zeros((100, 16)), beta=0.0, epochs=300, learning_rate=0.1)
    assert record.free_energy[-1] == pytest.approx(record.mean_posterior_rate, rel=1e-3)
    fall = float(before.mean_rates.sum()) / record.mean_posterior_rate
    assert fall > 1 + 0.1 * 300 / 2


@pytest.mark.parametrize(("beta", "seed"), [(0.1, 0), (4.0, 1)])
def test_one_image_reaches_the_optimum_that_is_known_exactly(beta, seed):
    # F >= (|x| - s)^2 + s for a sum of rates s, as columns have length 1 and the KL vanishes:
    # least at s = |x| - 1/2, where F = |x| - 1/4, whatever beta.
    image = np.full(16, 0.75)
    model = build(seed=seed, decoder_norm=True)
    record = train(
        model,
        np.tile(image, (10, 1)),
        beta=beta,
        epochs=1000,
        learning_rate=0.05,
        tolerance=None,
        seed=seed,
    )
    assert record.mean_posterior_rate == pytest.approx(3 - 1 / 2, abs=1e-3)
    assert record.prior_rate_cost == pytest.approx(3 - 1 / 2, abs=1e-3)
    assert record.free_energy[-1] == pytest.approx(3 - 1 / 4, abs=1e-4)
    assert record.kl[-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("beta", [1.0, 2.0])
def test_two_images_reach_the_optimum_that_scipy_finds(beta):
    # One latent, an image of length 3 in a quarter of cases and an empty one in the others.
    share, length = 0.25, 3.0
    images = np.zeros((40, 4))
    images[:10, 0] = length
    model = build(n_inputs=4, n_latents=1, decoder_norm=True)
    # A first guess on the right side: the decoder's direction has a second, worse optimum.
    with torch.no_grad():
        model.decoder.head.weight.copy_(torch.tensor([[1.0], [0.1], [0.1], [0.1]]))
        model.log_rate.fill_(-1.0)
    record = train(model, images, beta=beta, epochs=1500, learning_rate=0.05, tolerance=None)

    def free_energy(logs):
        seen, unseen = np.exp(logs)
        prior = share * seen + (1 - share) * unseen
        error = share * ((length - seen) ** 2 + seen) + (1 - share) * (unseen**2 + unseen)
        kl = share * seen * np.log(seen / prior) + (1 - share) * unseen * np.log(unseen / prior)
        return error + beta * kl

    best = minimize(free_energy, [0.0, -1.0], method="Nelder-Mead", options={"fatol": 1e-12})
    assert record.free_energy[-1] == pytest.approx(best.fun, abs=1e-3)
    with torch.no_grad():
        x = torch.as_tensor(images, dtype=torch.float32)
        rates = model.posterior_rates(model.log_gain(x))[:, 0].numpy()
    assert rates[[0, -1]] == pytest.approx(np.exp(best.x), abs=0.01)


@pytest.mark.parametrize("beta", [0.5, 4.0])
def test_a_linear_gaussian_vae_reaches_the_optimum_of_principal_components(beta):
    # Direction by direction, for variance e above beta/2: F = beta/2 (1 + ln(2 e / beta)), with
    # decoder^2 = e - beta/2 and posterior variance beta/(2 e). Below it nothing is encoded: F = e.
    spread = np.array([3.0, 2.0, 1.5, 1.2, 1.0, 0.5])
    rng = np.random.default_rng(7)
    images = np.linalg.qr(rng.normal(size=(400, 6)))[0] * spread * np.sqrt(400)
    images = images @ np.linalg.qr(rng.normal(size=(6, 6)))[0]
    e = spread**2
    best = np.where(e > beta / 2, beta / 2 * (1 + np.log(2 * e / beta)), e).sum()
    model = build_control(n_inputs=6, n_latents=6, latent_activation="none")
    train(model, images, beta=beta, epochs=400, batch_size=50, tolerance=None)
    found = float(evaluate(model, images).total(beta))
    # Not below it but for rounding, and near it: steps along the gradient end somewhere.
    assert best - 1e-3 < found < best + 0.02 * e.sum()


# What training does ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"encoder_bias": False},
        {"excitatory_only": True},
        {"encoder": "mlp"},
        {"encoder_norm": True, "decoder_norm": True, "decoder_bias": True},
        {"rate_clamp": 5.0, "rate_offset": 1e-7},
    ],
)
def test_free_energy_falls(settings):
    model = build(**settings)
    images = sparse_images()
    before = evaluate(model, images).total(1.0)
    record = train(model, images, epochs=60, batch_size=100, tolerance=None)
    after = evaluate(model, images).total(1.0)
    assert after < 0.8 * before
    assert record.epochs_done == len(record.kl) == len(record.reconstruction) == 60
    assert not model.training
    # The learning rate has come to rest: the last epoch saw nearly the final weights, but for the
    # last decoder, which is the best.
    assert float(after) < 1.01 * record.free_energy[-1]
    other = build(**settings)
    record = train(other, images, epochs=60, batch_size=100, tolerance=None, closed_form=False)
    after = float(evaluate(other, images).total(1.0))
    assert record.free_energy[-1] == pytest.approx(after, rel=0.01)


def test_an_mlp_decoder_learns_through_relaxed_counts():
    model = build(decoder="mlp", decoder_expansion=2)
    images = sparse_images()
    # By hard Poisson counts, of which training never sees one. Standard errors are below 1 %.
    before = evaluate(model, images).total(0.1)
    train(model, images, beta=0.1, epochs=80, batch_size=100, learning_rate=0.01)
    after = evaluate(model, images).total(0.1)
    assert after < 0.8 * before


@pytest.mark.parametrize("activation", ["relu", "none"])
@pytest.mark.parametrize("decoder", ["linear", "mlp"])
def test_the_free_energy_of_a_control_falls(activation, decoder):
    model = build_control(latent_activation=activation, decoder=decoder, decoder_expansion=2)
    images = sparse_images()
    before = evaluate(model, images).total(0.1)
    record = train(model, images, beta=0.1, epochs=60, batch_size=100, learning_rate=0.01)
    after = evaluate(model, images).total(0.1)
    assert after < 0.5 * before
    assert record.prior_rate_cost is None
    # Its prior is no rate, and stays.
    assert not model.loc.any()
    assert not model.log_scale.any()


def test_sampled_counts_are_hard_before_training_may_end():
    seen = []

    class Model(PoissonVAE):
        def posterior(self, x):
            posterior = super().posterior(x)
            draw = posterior.sample
            object.__setattr__(
                posterior, "sample", lambda t, generator: (seen.append(t), draw(t, generator))[1]
            )
            return posterior

    model = Model.from_config(
        PoissonVAEConfig(n_inputs=16, n_latents=4, decoder="mlp", decoder_expansion=1)
    )
    record = train(model, np.zeros((50, 16)), epochs=20, tolerance=10.0)
    assert record.plateau
    assert record.epochs_done < 20
    assert min(seen) == pytest.approx(0.05)


def test_only_what_reached_its_plateau_has_converged():
    images = sparse_images()
    model = build()
    assert not train(model, images, epochs=2, tolerance=0.0).converged
    assert train(model, images, epochs=2, tolerance=None).converged
    assert train(build_control(), images, epochs=30, tolerance=0.5).converged
    assert not train(build_control(), images, epochs=2, tolerance=0.0).converged
    # Without a bias the prior stays below the mean rates.
    images = images - images.mean(axis=0)
    assert not train(build(encoder_bias=False), images, tolerance=None, epochs=20).converged


def test_beta_has_its_price():
    costs = []
    for beta in (0.01, 1.0, 100.0):
        model = build()
        costs.append(train(model, sparse_images(), beta=beta, epochs=60, learning_rate=0.05).kl[-1])
    assert costs[0] > costs[1] > costs[2]


@pytest.mark.parametrize("settings", [{}, {"encoder": "mlp"}, {"encoder_norm": True}])
def test_the_prior_predicts_the_mean_rates_where_the_encoder_has_a_bias(settings):
    model = build(**settings)
    images = sparse_images()
    record = train(model, images, epochs=20, batch_size=64)
    # Exact but for the clamp on gains, at 10, that the last move of the prior meets.
    assert record.prior_rate_cost == pytest.approx(record.mean_posterior_rate, rel=1e-4)
    with torch.no_grad():
        rates = model.posterior_rates(model.log_gain(torch.as_tensor(images).float()))
        mean = rates.mean(dim=0).numpy()
    assert model.log_rate.exp().detach().numpy() == pytest.approx(mean, rel=1e-3)


def test_without_a_bias_the_prior_stays_below_the_mean_rates():
    # For images of mean zero the mean of a gain exp(w x) is 1 or more, by Jensen's inequality.
    images = sparse_images()
    images -= images.mean(axis=0)
    model = build(encoder_bias=False)
    before = model.log_rate.detach().clone()
    record = train(model, images, epochs=60, batch_size=100, learning_rate=0.02)
    assert not torch.equal(model.log_rate, before)
    assert record.mean_posterior_rate > 1.01 * record.prior_rate_cost


def test_a_prior_in_closed_form_has_no_say_in_the_gradient():
    # Gradients are clipped here, to a common length: one that piles up would shorten the others.
    results = []
    for requires_grad in (True, False):
        model = build()
        model.log_rate.requires_grad_(requires_grad)
        train(model, 10 * sparse_images(), epochs=5, batch_size=100)
        results.append(states(model))
    assert same(*results)


# Seeds ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"decoder": "mlp", "decoder_expansion": 2}])
def test_same_seed_same_weights_and_no_other_generator_is_touched(settings):
    torch_state, numpy_state = torch.get_rng_state(), np.random.get_state()
    results = []
    for seed in (5, 5, 6):
        model = build(**settings)
        record = train(model, sparse_images(), epochs=3, batch_size=100, seed=seed)
        evaluate(model, sparse_images())
        results.append((states(model), record))
    (first, one), (second, two), (third, _) = results
    assert same(first, second)
    assert not same(first, third)
    assert dataclasses.replace(one, seconds=0) == dataclasses.replace(two, seconds=0)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_equal(np.random.get_state(), numpy_state)


# Images and settings --------------------------------------------------------------------------


def test_the_shape_of_images_does_not_matter():
    images = sparse_images(64)
    results = []
    for shape in ((64, 16), (64, 4, 4), (64, 1, 4, 4)):
        model = build()
        train(model, images.reshape(shape), epochs=2)
        results.append(states(model))
    assert same(results[0], results[1])
    assert same(results[0], results[2])


def test_a_batch_larger_than_the_images_and_a_last_one_that_is_smaller():
    images = sparse_images(50)
    for batch_size in (1000, 30, 1):
        record = train(build(), images, epochs=2, batch_size=batch_size)
        assert np.isfinite(record.free_energy).all()


def test_a_model_of_double_precision_stays_so():
    model = build().double()
    train(model, sparse_images(), epochs=2)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float64}
    assert evaluate(model, sparse_images()).kl.dtype == torch.float64


def test_a_loaded_model_can_be_trained_further(tmp_path):
    model = build()
    save_checkpoint(model, tmp_path / "model.pt")
    loaded = load_encoder(tmp_path / "model.pt").model
    before = evaluate(loaded, sparse_images()).total(1.0)
    train(loaded, sparse_images(), epochs=30, learning_rate=0.02)
    assert evaluate(loaded, sparse_images()).total(1.0) < before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"beta": -1.0}, "beta must be finite and not negative, got -1.0"),
        ({"beta": float("nan")}, "beta"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"batch_size": -5}, "batch_size must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"learning_rate": float("inf")}, "learning_rate"),
        ({"warmup": 1.5}, "warmup must lie between 0 and 1"),
        ({"temperature": (1.0, 0.0)}, "temperature must be two positive numbers"),
        ({"temperature": 1.0}, "temperature must be two positive numbers"),
        ({"seed": -1}, "seed must lie between"),
        ({"device": "quantum"}, "device 'quantum' cannot be used .* try 'cpu'"),
    ],
)
def test_bad_settings_are_refused_before_anything_changes(change, message):
    model = build()
    before = states(model)
    with pytest.raises(ValueError, match=message) as caught:
        train(model, sparse_images(20), **change)
    assert "\n" not in str(caught.value)
    assert same(before, states(model))


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_missing_gpu_is_named():
    with pytest.raises(ValueError, match=r"device 'cuda' cannot be used .* try 'cpu'") as caught:
        train(build(), sparse_images(20), device="cuda")
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
@pytest.mark.parametrize("decoder", ["linear", "mlp"])
def test_a_gpu_trains_as_well_and_hands_the_model_back(decoder):
    results = []
    for device in ("cuda", "cuda", "cpu"):
        model = build(decoder=decoder)
        state = torch.cuda.get_rng_state()
        record = train(model, sparse_images(), epochs=60, learning_rate=0.02, device=device)
        assert torch.equal(torch.cuda.get_rng_state(), state)
        assert {parameter.device.type for parameter in model.parameters()} == {"cpu"}
        results.append((states(model), record))
    assert results[0][1].device.startswith("cuda")
    assert same(results[0][0], results[1][0])
    energies = [record.free_energy[-1] for _, record in results]
    # Batches and samples differ between devices.
    assert energies[0] == pytest.approx(energies[2], rel=0.1)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.full((5, 16), np.nan), "images must be finite"),
        (np.full((5, 16), np.inf), "images must be finite"),
        (np.zeros((5, 15)), r"images must have shape \(n_stimuli, 16\)"),
        (np.zeros((0, 16)), "at least one image"),
        (np.zeros(16), "for one image pass"),
    ],
)
def test_bad_images_are_refused(images, message):
    model = build()
    before = states(model)
    for function in (train, evaluate):
        with pytest.raises(ValueError, match=message):
            function(model, images)
    assert same(before, states(model))


def test_a_user_s_own_module_is_refused():
    model = PoissonVAE(torch.nn.Linear(16, 4), None, torch.zeros(4))
    with pytest.raises(ValueError, match="from_config"):
        train(model, sparse_images(20))


@pytest.mark.parametrize("settings", [{}, {"decoder": "mlp", "decoder_expansion": 2}])
def test_divergence_ends_in_one_clear_error(settings):
    with pytest.raises(FloatingPointError, match="learning_rate below 1e\\+30"):
        train(build(**settings), sparse_images(), epochs=20, batch_size=50, learning_rate=1e30)


# Ctrl-C ---------------------------------------------------------------------------------------

# The parent may press Ctrl-C once training has put its own handler in place.
ANNOUNCE = """
import signal, sys, threading, time

def announce():
    before = signal.getsignal(signal.SIGINT)
    while signal.getsignal(signal.SIGINT) is before:
        time.sleep(0.01)
    open("training", "w").close()

# Where the shell had it ignored, Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
threading.Thread(target=announce, daemon=True).start()
"""


def interrupt(code, cwd):
    """Run code, press Ctrl-C when it trains, and return its status and what it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", ANNOUNCE + textwrap.dedent(code)],
        cwd=cwd,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(6000):
            if process.poll() is not None or (cwd / "training").exists():
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    return process.returncode, output, errors


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_ends_training_early_and_keeps_the_model(tmp_path):
    code = """
    import dataclasses, numpy as np
    from pvae_brian import PoissonVAE, PoissonVAEConfig, save_checkpoint, train

    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=16, n_latents=8))
    images = np.random.default_rng(0).normal(size=(1000, 16))
    record = train(model, images, epochs=10**6)
    print(record.interrupted, record.epochs_done < 10**6, record.epochs_done == len(record.kl))
    print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
    save_checkpoint(model, "model.pt", training=dataclasses.asdict(record))
    """
    status, output, errors = interrupt(code, tmp_path)
    assert (status, errors) == (0, "")
    assert output.split() == ["True"] * 4
    encoder = load_encoder(tmp_path / "model.pt")
    assert encoder.details["training"]["interrupted"] is True
    assert np.isfinite(encoder.posterior_rates(np.ones((2, 16)))).all()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_ctrl_c_on_the_command_line_saves_what_was_learned(tmp_path):
    np.save(tmp_path / "images.npy", np.random.default_rng(0).normal(size=(1000, 4, 4)))
    code = """
    from pvae_brian.cli import main

    sys.exit(main("train --data images.npy --latents 8 --epochs 1000000 -o model.pt".split()))
    """
    status, _, errors = interrupt(code, tmp_path)
    assert status == 130
    assert "interrupted after" in errors
    assert "Traceback" not in errors
    encoder = load_encoder(tmp_path / "model.pt")
    assert encoder.details["training"]["interrupted"] is True
    assert encoder.details["training"]["epochs_done"] < 10**6
    assert list(tmp_path.glob("*.part")) == []


def test_images_of_the_wrong_scale_end_in_an_error_not_in_a_useless_model():
    images = np.random.default_rng().uniform(0, 255, size=(64, 64))
    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=64, n_latents=8))
    with pytest.raises(FloatingPointError, match=r"diverged|no longer finite"):
        train(model, images, epochs=30)
