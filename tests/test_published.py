"""Published tables: they are whole, and say where they come from."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import numpy as np
import pytest

from pvae_brian.sweep.published import PUBLISHED, load_published

# Of the files as they were published: a digit that changes is noticed.
SHA256 = {
    "amortized_sparsity_vs_beta": "c9bdd3c93694af10",
    "pvae_beta_sweep": "9e3d9cacd0daa134",
    "pvae_lifetime_sparsity": "336eea360ffeae96",
    "vae_family_beta1": "475b81c916f4947b",
}
SHAPES = {
    "amortized_sparsity_vs_beta": (36, 5),
    "pvae_beta_sweep": (63, 16),
    "pvae_lifetime_sparsity": (8, 5),
    "vae_family_beta1": (36, 15),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_are_whole(name):
    table = load_published(name)
    assert table.shape == SHAPES[name]
    content = files("pvae_brian.sweep").joinpath("published", f"{name}.csv").read_bytes()
    assert hashlib.sha256(content).hexdigest()[:16] == SHA256[name]


@pytest.mark.parametrize("name", PUBLISHED)
def test_tables_say_where_they_come_from(name):
    attributes = load_published(name).attrs
    assert set(attributes) == {"source", "url", "data_set", "notes"}
    assert all(attributes.values())
    assert attributes["url"].startswith("https://arxiv.org/abs/")


def test_each_file_is_described():
    folder = files("pvae_brian.sweep").joinpath("published")
    assert {file.name for file in folder.iterdir()} == {f"{name}.csv" for name in PUBLISHED}


def test_tables_are_not_shared():
    table = load_published("pvae_beta_sweep")
    table["beta"] = 0
    assert load_published("pvae_beta_sweep")["beta"].min() == 0.01


def test_unknown_name():
    with pytest.raises(ValueError, match="published tables are amortized"):
        load_published("nothing")


def test_published_findings():
    """What the paper says of its own numbers: the P-VAE's zeros rise, the control's hardly move."""
    zeros = load_published("amortized_sparsity_vs_beta").pivot(
        index="beta", columns="model", values="fraction_zeros"
    )
    above = zeros[zeros.index >= 0.1]
    assert above["poisson+amort"].is_monotonic_increasing
    # Not below: the first step falls.
    assert zeros["poisson+amort"].iloc[1] < zeros["poisson+amort"].iloc[0]
    assert np.ptp(zeros.loc[0.4:, "gaussian+relu+amort"]) < 0.03
    assert (zeros["gaussian+amort"] == 0).all()


def test_lifetime_sparsity_is_of_the_linear_models_with_512_latents():
    """As its notes say: the errors are the same."""
    sweep = load_published("pvae_beta_sweep")
    linear = sweep[(sweep["enc_type"] == "lin") & (sweep["n_latents"] == 512)].set_index("beta")
    lifetime = load_published("pvae_lifetime_sparsity").set_index("beta")
    errors = linear["mse_map_mean"].loc[lifetime.index]
    np.testing.assert_allclose(errors, lifetime["mse_map_mean"], atol=6e-5)


def test_directions_are_the_same_at_all_published_k():
    """So that one K may stand for them where a study is held against them."""
    sweep = load_published("pvae_beta_sweep")
    for _, of_k in sweep[sweep["enc_type"] == "lin"].groupby("n_latents"):
        ordered = of_k.sort_values("beta")
        assert ordered["kl_mean"].is_monotonic_decreasing
        assert ordered["mse_mean"].is_monotonic_increasing
