"""The headline of a study: what came out, and as plainly what did not."""

from __future__ import annotations

import re

import pytest

from pvae_brian.report.study.headline import write_headline
from pvae_brian.sweep.answers import answer

from .sweep_tables import example_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning:pvae_brian")


def headline(**changes) -> str:
    return write_headline(answer(example_table(**changes)))


def test_headline_has_the_numbers_of_what_came_out():
    answers = answer(example_table())
    text = write_headline(answers)
    assert text.startswith("Spikes of the P-VAE fall at every K as β rises from 0.5 to 4, to ")
    assert f"to {answers.trends[0].at[0].effect.value:.2g} times as many" in text
    assert "spikes of the ReLU control do not fall at every K" in text
    assert "0 of 9 steps go down" in text
    assert (
        "the prior rates of the P-VAE foretold its spikes, with a slope of 1.02 [1.02, 1.02]"
        in text
    )
    assert text.endswith(" over 15 models and R² 1.00.")
    assert text.count(".  ") == 0


def test_headline_says_as_plainly_what_did_not_come_out():
    rising = headline(columns={"spikes": lambda table: table["beta"] * table["n_latents"]})
    assert rising.startswith("Spikes of the P-VAE do not fall at every K as β rises from 0.5 to 4")
    assert "(0 of 9 steps go down, and they change to 8.0 times as many" in rising
    assert "did not foretell its spikes" in rising
    one = headline(betas=(1.0,))
    assert one.startswith("Whether spikes of the P-VAE fall as β rises cannot be told (a trend")
    none = headline(columns={"converged": False})
    assert "whether the prior foretold them cannot be told" in none
    assert re.search(r"\b15 .*did not converge", none)
    single = headline(n_latents=(64,), models=("poisson",))
    assert "fall at K = 64" in single
    assert "control" not in single
    control = headline(models=("gaussian-relu",))
    assert control.startswith("Spikes of the ReLU control do not fall at every K")
    assert "P-VAE" not in control
    assert headline(models=("gaussian",)) == "None of these models has spikes."


@pytest.mark.parametrize("sizes", [(64,), (32, 64)])
def test_headline_names_k_without_a_ratio(sizes):
    def silent(table):
        return table["spikes"].where((table["n_latents"] != 64) | (table["beta"] > 0.5), 0.0)

    text = headline(n_latents=sizes, models=("poisson",), columns={"spikes": silent})
    assert "without a ratio at K = 64, silent at first" in text
    assert not re.search(r"\b(nan|inf|infinite|undefined) times", text)
