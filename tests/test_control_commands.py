"""The commands, with a control for a checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from pvae_brian import GaussianVAE, GaussianVAEConfig, load_encoder, save_checkpoint
from pvae_brian.cli import main

from .checkpoint_files import OFFICIAL

CONTROL = OFFICIAL / "grelu_lin_k32"


@pytest.fixture
def run_here(capfd, tmp_path, monkeypatch):
    """As a user from a folder with images in it, but in this process."""
    monkeypatch.chdir(tmp_path)
    with np.load(CONTROL / "expected.npz") as expected:
        np.save("x.npy", expected["x"])

    def run(*arguments, status=0):
        capfd.readouterr()
        returned = main([str(argument) for argument in arguments])
        output = capfd.readouterr()
        assert returned == status, output.err
        return output

    return run


def save_signed():
    config = GaussianVAEConfig(n_inputs=256, n_latents=4, latent_activation="none")
    save_checkpoint(GaussianVAE.from_config(config), "signed.pt")


def test_info_says_that_it_is_a_control(run_here):
    text = run_here("info", CONTROL).out
    assert "a control: its KL knows no rates" in text
    assert "gaussian-relu" in text
    # It has neither a clamp nor a generation.
    assert "clamp" not in text
    assert "generation" not in text
    facts = json.loads(run_here("info", CONTROL, "--json").out)
    assert facts["family"] == "gaussian-relu"
    assert facts["epoch"] == 4
    # Of a standard normal prior.
    assert facts["prior_rate_cost"] == pytest.approx(32 / np.sqrt(2 * np.pi))


def test_info_of_a_p_vae_says_no_such_thing(run_here):
    assert "control" not in run_here("info", OFFICIAL / "pvae_lin_k48").out
    facts = json.loads(run_here("info", OFFICIAL / "pvae_lin_k48", "--json").out)
    assert (facts["family"], facts["control"]) == ("poisson", None)


def test_simulate_then_report(run_here):
    table = run_here("simulate", CONTROL, "--images", "x.npy", "--save-run", "RUN").out
    assert "prior rate cost" in table
    assert "Its prior rate cost is the activity of its prior, no prediction" in table
    assert run_here("report", "RUN", "-o", "page.html").err == ""
    page = Path("page.html").read_text()
    assert "Its prior rate cost is the activity of its prior" in page
    assert "times the activity of its prior" in page
    assert "Bits are those of the KL between normal latents" in page
    assert "foretold, at" not in page


def test_numbers_of_simulate_are_the_authors(run_here):
    output = run_here("simulate", CONTROL, "--images", "x.npy", "--json")
    facts = json.loads(output.out)
    with np.load(CONTROL / "expected.npz") as expected:
        activity = expected["expected_relu"].sum(axis=1).mean()
        kl = expected["kl"].mean()
    assert facts["family"] == "gaussian-relu"
    assert facts["predicted_spikes_per_stimulus"] == pytest.approx(activity, rel=1e-5)
    assert facts["unclamped_spikes_per_stimulus"] == pytest.approx(activity, rel=1e-5)
    assert facts["kl_nats_per_stimulus"] == pytest.approx(kl, rel=1e-5)
    assert output.err == ""


def test_latents_of_both_signs_are_described_but_not_simulated(run_here):
    save_signed()
    text = run_here("info", "signed.pt").out
    assert "latents of both signs, which are no rates: it cannot be simulated" in text
    assert "prior rate cost" not in text
    facts = json.loads(run_here("info", "signed.pt", "--json").out)
    assert (facts["family"], facts["prior_rate_cost"]) == ("gaussian", None)
    error = run_here("simulate", "signed.pt", "--images", "x.npy", "-o", "out.npz", status=1).err
    assert error.startswith("pvae-brian simulate: error: latents of both signs are no rates")
    assert len(error.splitlines()) == 1
    assert sorted(path.name for path in Path.cwd().iterdir()) == ["signed.pt", "x.npy"]


@pytest.mark.parametrize("command", ["info", "simulate"])
def test_a_clamp_does_not_go_with_it(run_here, command):
    images = ["--images", "x.npy"] if command == "simulate" else []
    error = run_here(command, CONTROL, *images, "--rate-clamp", "5", status=1).err
    assert "rate_clamp is for a Poisson VAE" in error
    assert len(error.splitlines()) == 1


def test_the_record_holds_the_activity(run_here):
    from pvae_brian import SpikeRecord

    run_here("simulate", CONTROL, "--images", "x.npy", "-o", "out.npz")
    rates = load_encoder(CONTROL).posterior_rates(np.load("x.npy"))
    assert np.array_equal(SpikeRecord.load("out.npz").rates, rates)
