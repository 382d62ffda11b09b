"""One point: its numbers are those of the functions that measure any model and any record."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import math
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from brian2 import second
from threadpoolctl import threadpool_info, threadpool_limits

from pvae_brian import analyse, load_encoder, simulate
from pvae_brian.data.choose import load_data
from pvae_brian.metabolism import BUDGETS
from pvae_brian.models import evaluate
from pvae_brian.sweep import Point, compute_point
from pvae_brian.sweep import point as point_module
from pvae_brian.sweep.point import digest_data, load_images, simulation_seed
from pvae_brian.sweep.quantities import column_names

from .chance import STANDARD_ERRORS, fresh_seed
from .sweep_examples import save_images, small_study

FAMILIES = ("poisson", "gaussian-relu", "gaussian")


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return save_images(tmp_path_factory.mktemp("images") / "images.npy")


@pytest.fixture(scope="module")
def computed(images):
    """A point of each family, with a seed of its own."""
    study = small_study(images, epochs=20)
    seed = fresh_seed() % 2**31

    @functools.cache
    def get(family: str):
        point = Point(family, 0.5, 8, seed)
        return study, point, compute_point(study, point)

    return get


def encoder_of(result, tmp_path):
    (tmp_path / "model.pt").write_bytes(result.checkpoint)
    return load_encoder(tmp_path / "model.pt")


@pytest.mark.parametrize("family", FAMILIES[:2])
def test_values_are_those_of_an_analysis(computed, family, tmp_path):
    """The other way to the same numbers: analyse, of the checkpoint as a user would load it."""
    study, point, result = computed(family)
    encoder = encoder_of(result, tmp_path)
    test = load_data(study.data, study.n_train, study.n_test).test
    record = simulate(encoder.posterior_rates(test), window=1 * second, seed=simulation_seed(point))
    analysis = analyse(encoder, test, record)
    comparison, sparsity = analysis.comparison, analysis.measures.sparsity
    expected = {
        "spikes": comparison.prior.measured,
        "spikes_over_prior": comparison.prior.ratio,
        "fraction_zeros": sparsity.fraction_zeros,
        "lifetime_sparsity": sparsity.lifetime,
        "population_sparsity": sparsity.population,
        "kl_nats": comparison.coding.kl_nats,
        "bits_per_spike": comparison.coding.bits_per_spike,
        "error": analysis.reconstruction.error,
        "r2": analysis.reconstruction.r2,
        "energy": analysis.cost.spiking_per_stimulus,
    }
    values = result.values
    for name, estimate in expected.items():
        # The bootstrap draws the same stimuli for the KL only with the record's seed: so it does.
        got = [values[name], values[f"{name}_low"], values[f"{name}_high"]]
        assert got == pytest.approx([estimate.value, estimate.low, estimate.high], rel=1e-9), name
    assert values["fidelity_z"] == comparison.fidelity.z
    assert values["prior_rate_cost"] == pytest.approx(comparison.prior.predicted)
    assert values["expected_spikes"] == pytest.approx(comparison.fidelity.predicted)
    assert values["n_stimuli"] == len(test) == 50
    assert abs(values["fidelity_z"]) < STANDARD_ERRORS


@pytest.mark.parametrize("family", FAMILIES)
def test_errors_of_the_model_are_those_of_its_free_energy(computed, family, tmp_path):
    study, point, result = computed(family)
    encoder = encoder_of(result, tmp_path)
    test = load_data(study.data).test
    free = evaluate(encoder.model, test)
    values = result.values
    assert values["model_error"] == pytest.approx(float(free.reconstruction))
    assert values["kl_nats"] == pytest.approx(float(free.kl))
    assert values["free_energy"] == pytest.approx(float(free.total(point.beta)))
    # The posterior's spread makes the error larger than that of its mean.
    assert values["map_error"] < values["model_error"]
    active = encoder.kl_per_latent(test).mean(axis=0) > 0.01
    assert values["active_latents"] == active.mean()
    assert values["latent_zeros"] == pytest.approx(encoder.latent_zeros(test).mean())


def test_latents_of_both_signs_have_no_spikes(computed):
    _, _, result = computed("gaussian")
    values = result.values
    for name in ("spikes", "spikes_low", "expected_spikes", "prior_rate_cost", "error", "energy"):
        assert math.isnan(values[name])
    assert values["latent_zeros"] == 0
    assert values["kl_nats"] > 0
    assert values["n_stimuli"] == 50


@pytest.mark.parametrize("family", FAMILIES)
def test_a_result_is_plain_and_has_no_time_in_its_values(computed, family):
    _, _, result = computed(family)
    assert list(result.values) == list(column_names())
    assert {type(value) for value in result.values.values()} == {float, int, bool}
    assert json.loads(json.dumps(result.notes)) == result.notes
    assert set(result.notes["versions"]) == {"pvae_brian", "brian2", "numpy", "scipy", "torch"}


def test_a_checkpoint_names_no_folder(computed, tmp_path):
    study, point, result = computed("poisson")
    encoder = encoder_of(result, tmp_path)
    training = encoder.details["training"]
    assert training["data"] == "images.npy"
    assert "seconds" not in training
    assert (training["beta"], training["seed"]) == (point.beta, point.seed)
    for name in ("epochs", "batch_size", "learning_rate", "warmup", "tolerance"):
        assert training[name] == getattr(study, name)
    assert training["epochs_done"] == result.values["epochs"]
    last = training["reconstruction"][-1] + point.beta * training["kl"][-1]
    assert result.values["train_free_energy"] == last


ELSEWHERE = """
import sys
import numpy as np
from pvae_brian.sweep import Point, Study, compute_point

study = Study(betas=(1,), n_latents=(1,), models=("poisson",), data=sys.argv[1], epochs=3,
              batch_size=50, learning_rate=0.05)
result = compute_point(study, Point.parse(sys.argv[2]))
sys.stdout.buffer.write(repr(result.values).encode() + b"\\n" + result.checkpoint)
"""


def test_another_process_comes_to_the_same_to_the_last_bit(images):
    """Also where it may use more cores, and for any grid around it."""
    point = Point("poisson", 2, 8, fresh_seed() % 2**31)
    here = compute_point(small_study(images), point)
    result = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, images, point.name],
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "2"},
    )
    values, _, checkpoint = result.stdout.partition(b"\n")
    assert values.decode() == repr(here.values), result.stderr.decode()
    assert checkpoint == here.checkpoint


def test_a_point_takes_one_core_and_gives_the_others_back(images, monkeypatch):
    seen = []

    def look(*args, **keywords):
        libraries = [each["num_threads"] for each in threadpool_info()]
        seen.append({torch.get_num_threads(), *libraries})
        return measure(*args, **keywords)

    measure = point_module.measure_model
    monkeypatch.setattr(point_module, "measure_model", look)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with threadpool_limits(2):
            compute_point(small_study(images), Point("poisson", 1, 4, 0))
            assert torch.get_num_threads() == 2
            assert {each["num_threads"] for each in threadpool_info()} == {2}
    finally:
        torch.set_num_threads(before)
    assert seen == [{1}]


def test_threads_take_turns_and_leave_torch_as_it_was(images):
    study = small_study(images, n_latents=(4,))
    expected = [compute_point(study, point).values for point in study.points()]
    before = torch.get_num_threads()
    results = {}
    threads = [
        threading.Thread(target=lambda p=p: results.update({p: compute_point(study, p).values}))
        for p in study.points()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[point] for point in study.points()] == expected
    assert torch.get_num_threads() == before


def test_seeds_betas_and_latents_each_make_another_simulation():
    points = [
        Point(model, beta, n, seed)
        for model in FAMILIES
        for beta in (1, 2)
        for n in (4, 8)
        for seed in (0, 1)
    ]
    assert len({simulation_seed(point) for point in points}) == len(points)


def test_other_data_than_the_client_has(images):
    study = small_study(images)
    point = Point("poisson", 1, 4, 0)
    digest = digest_data(load_images(study))
    assert compute_point(study, point, data_sha256=digest).notes["data_sha256"] == digest
    with pytest.raises(ValueError, match=r"a worker has others .* give it the same files"):
        compute_point(study, point, data_sha256="0" * 64)


def test_data_that_change_while_a_process_lives(tmp_path):
    study = small_study(save_images(tmp_path / "x.npy"))
    point = Point("poisson", 1, 4, 0)
    first = digest_data(load_images(study))
    compute_point(study, point, data_sha256=first)
    save_images(tmp_path / "x.npy", n=200)
    second_digest = digest_data(load_images(study))
    result = compute_point(study, point, data_sha256=second_digest)
    assert second_digest != first
    assert result.values["n_stimuli"] == 40


def test_data_that_are_not_on_this_machine():
    study = small_study("/nowhere/images.npy")
    with pytest.raises(FileNotFoundError, match="same place on every worker"):
        compute_point(study, Point("poisson", 1, 4, 0))


def test_images_too_large_to_train_on(tmp_path):
    np.save(tmp_path / "x.npy", np.full((50, 4), 1e30))
    study = small_study(tmp_path / "x.npy")
    with pytest.raises(FloatingPointError, match=r"no longer finite|diverged"):
        compute_point(study, Point("poisson", 1, 4, 0))


def test_an_interrupt_leaves_no_point(images, monkeypatch):
    """Ctrl-C ends a training early, and a model that is half trained is no point."""
    train = point_module.train
    monkeypatch.setattr(
        point_module,
        "train",
        lambda *args, **kw: dataclasses.replace(train(*args, **kw), interrupted=True),
    )
    with pytest.raises(KeyboardInterrupt):
        compute_point(small_study(images), Point("poisson", 1, 4, 0))


def test_a_budget_that_counts_synapses_takes_one_per_pixel(images):
    point = Point("poisson", 1, 4, 0)
    values = compute_point(small_study(images, budget="loihi"), point).values
    plain = compute_point(small_study(images), point).values
    cost = BUDGETS["loihi"].with_fan_out(16).cost_per_spike
    assert values["energy"] == pytest.approx(plain["spikes"] * cost)


def test_a_checkpoint_is_a_file_that_torch_reads(computed):
    _, _, result = computed("poisson")
    data = torch.load(io.BytesIO(result.checkpoint), weights_only=True)
    assert data["config"]["n_latents"] == 8
