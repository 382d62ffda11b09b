"""What the page of a study warns of."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian.report.study import (
    build_study_page,
)
from pvae_brian.sweep import Point

from .chance import fresh_generator
from .study_sweeps import make_sweep
from .sweep_tables import example_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning:pvae_brian")


def warned(folder, table, **options) -> str:
    return " ".join(build_study_page(make_sweep(folder, table, **options)).warnings)


def test_a_study_says_what_it_lacks(tmp_path):
    table = example_table(
        without=[("poisson", 1.0, 64, 0)],
        not_converged=[("poisson", 4.0, 128, 0), ("gaussian-relu", 0.1, 32, 0)],
    )
    missing = (Point("poisson", 1.0, 64, 0),)
    text = warned(tmp_path, table, missing=missing, epochs=7)
    assert "1 of 45 models are missing, and in no answer: P-VAE at beta 1, K 64, seed 0" in text
    assert "2 models did not converge within 7 epochs: " in text
    assert "P-VAE at beta 4, K 128, seed 0" in text
    assert "ReLU control at beta 0.1, K 32, seed 0" in text
    assert "Of a P-VAE: the prior is more than 2 % from its mean posterior rates." in text
    assert "Of a control: the free energy had not reached its plateau." in text
    assert "holds by construction" in text
    assert "Each model was trained once" in text
    assert "compare directions, not digits" in text


def test_a_whole_study_has_few_warnings(tmp_path):
    rng = fresh_generator()
    text = warned(tmp_path, example_table(seeds=(0, 1, 2), noise=0.1, rng=rng))
    for word in ("missing", "converge", "trained once", "two seeds", "rough", "explained"):
        assert word not in text
    assert "same stimuli" in text


def test_a_wrong_simulation_is_not_to_be_trusted(tmp_path):
    def far(table):
        return np.where((table["model"] == "poisson") & (table["beta"] == 1), -7.0, 0.3)

    text = warned(tmp_path, example_table(columns={"fidelity_z": far, "n_stimuli": 12}))
    assert "simulation of 3 models deviates from its prediction, by up to 7.000" in text
    assert "With 12 stimuli the intervals over stimuli are rough" in text


def test_of_many_names_only_some_are_listed(tmp_path):
    text = warned(tmp_path, example_table(columns={"converged": False}))
    assert "45 models did not converge" in text
    assert "and 39 more" in text
