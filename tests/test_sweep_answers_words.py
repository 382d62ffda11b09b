"""All answers together: beside published values, in words, and of tables that lack much."""

from __future__ import annotations

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers import answer, beside, compare_directions, describe
from pvae_brian.sweep.answers.names import write_estimate, write_value
from pvae_brian.sweep.published import load_published
from pvae_brian.sweep.quantities import COLUMNS, COORDINATES

from .chance import fresh_generator
from .sweep_tables import example_table, with_intervals

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def as_published() -> pd.DataFrame:
    """A study whose values are the published ones, at the betas of its zeros."""
    zeros = load_published("amortized_sparsity_vs_beta")
    table = example_table(sorted(set(zeros["beta"])), n_latents=(512,))
    of = {"poisson": "poisson+amort", "gaussian-relu": "gaussian+relu+amort"}
    for model, name in of.items():
        values = zeros[zeros["model"] == name].sort_values("beta")["fraction_zeros"].to_numpy()
        table.loc[table["model"] == model, ["fraction_zeros", "latent_zeros"]] = np.stack(
            [values, values], axis=1
        )
    # Of so many stimuli that each step is clear.
    return with_intervals(table, 1e-6)


def test_the_table_of_the_tests_is_that_of_a_study():
    names = [name for column in COLUMNS for name in column.names()]
    assert example_table().columns.tolist() == [*COORDINATES, *names]


# Beside published values


def test_published_values_agree_with_themselves():
    of_counts, of_latents = compare_directions(as_published())[:2]
    assert (of_counts.n_compared, of_counts.n_unclear) == (11, 0)
    # These have no interval, and hardly move.
    assert of_latents.n_unclear > 0
    for comparison in (of_counts, of_latents):
        assert comparison.n_agree == comparison.n_compared == 11 - comparison.n_unclear
        assert comparison.verdict.holds is True
        assert comparison.tau == comparison.published_tau
        for step in comparison.steps:
            assert (step.from_beta, step.to_beta) == (step.published_from, step.published_to)
            assert step.change == step.published_change


def test_what_goes_the_other_way_agrees_nowhere():
    table = as_published()
    table["fraction_zeros"] *= -1
    comparison = compare_directions(with_intervals(table, 1e-6))[0]
    assert (comparison.n_agree, comparison.verdict.holds) == (0, False)
    assert comparison.tau == -comparison.published_tau


def test_nearest_published_betas():
    """By their ratio: 0.5 is nearer to 0.6 than to 0.4, and 8 is nearest to 4."""
    rows = beside(example_table((0.0, 0.001, 0.5, 1.5, 8.0), n_latents=(32,)))
    zeros = rows[rows["quantity"] == "fraction_zeros"]
    assert zeros["published_beta"].tolist() == [0.01, 0.01, 0.6, 1.6, 4]
    assert zeros["published_value"].iloc[2] == 0.84682
    lifetime = rows[rows["quantity"] == "lifetime_sparsity"]
    assert lifetime["published_beta"].tolist() == [0.01, 0.01, 0.6, 1.5, 4]
    kl = rows[rows["quantity"] == "kl_nats"]
    assert kl["published_value"].iloc[-1] == 1.1275


def test_steps_to_the_same_published_beta_are_not_compared():
    comparison = compare_directions(example_table((4.0, 8.0), n_latents=(32,)))[0]
    assert [step.agrees for step in comparison.steps] == [None]
    assert comparison.verdict.holds is None
    assert math.isnan(comparison.published_tau)


def test_a_published_fall_and_rise():
    """The published zeros fall from beta 0.01 to 0.1; those of the example rise."""
    comparison = compare_directions(example_table((0.01, 0.1, 1.0), n_latents=(32,)))[0]
    assert [step.agrees for step in comparison.steps] == [False, True]
    assert comparison.published_tau == pytest.approx(1 / 3)


def test_nothing_to_put_beside():
    assert beside(example_table(models=("gaussian",))).empty
    # Their models have other errors and KL: only P-VAEs and controls are compared.
    assert compare_directions(example_table(models=("gaussian",))) == ()


def test_values_are_means_over_seeds():
    table = example_table((1.0, 2.0), n_latents=(32,), seeds=(0, 1))
    table["kl_nats"] += table["seed"]
    rows = beside(table)
    kl = rows[rows["quantity"] == "kl_nats"]["value"]
    expected = table[table["model"] == "poisson"].groupby("beta")["kl_nats"].mean()
    assert kl.tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize(("margin", "agrees"), [(0.001, False), (0.5, None)])
def test_steps_within_their_error_do_not_count(margin, agrees):
    table = with_intervals(
        example_table((0.5, 2.0), n_latents=(32,), columns={"fraction_zeros": [0.9, 0.8] * 3}),
        margin,
    )
    comparison = compare_directions(table)[0]
    (step,) = comparison.steps
    assert (step.agrees, step.is_clear) == (agrees, agrees is not None)
    assert comparison.n_unclear == (agrees is None)
    assert comparison.verdict.holds is agrees


@pytest.mark.parametrize(("change", "is_clear"), [(0.009, False), (0.011, True)])
def test_zeros_of_latents_count_from_a_hundredth_on(change, is_clear):
    """Published ones rise by 0.19 from 0.1 to 1."""
    zeros = [0.3, 0.3 + change] * 3
    table = example_table((0.1, 1.0), n_latents=(32,), columns={"latent_zeros": zeros})
    (of_control,) = (c for c in compare_directions(table) if c.family == "gaussian-relu")
    assert abs(of_control.steps[0].published_change) > 0.01
    assert of_control.steps[0].is_clear is is_clear


# All together


@pytest.mark.parametrize(
    ("models", "others"), [(("poisson",), "control"), (("gaussian-relu",), "P-VAE,")]
)
def test_of_families_that_are_not_there_nothing_is_said(models, others):
    answers = answer(example_table(models=models))
    text = " ".join(answers.sentences())
    assert "the table has no" not in text
    assert others not in text
    assert {trend.family for trend in answers.trends} == set(models)


def test_numbers_keep_their_digits():
    assert write_value(1.0004) == "1.00"
    assert write_value(0.0) == "0"
    assert write_value(-128.4) == "-128"
    assert write_estimate(Estimate(math.nan, math.nan, math.nan)) == "undefined"
    assert write_estimate(Estimate(math.inf, math.nan, math.nan)) == "infinite"
    assert write_estimate(Estimate(2.0, 0.0, math.inf)) == "2.00 [0, infinite]"


def test_of_many_k_those_without_a_ratio_are_named_apart():
    table = example_table((1.0, 2.0), n_latents=(8, 16, 32, 64, 128), models=("poisson",))
    table.loc[table["n_latents"] == 16, "spikes"] = 0.0
    table.loc[(table["n_latents"] == 64) & (table["beta"] == 1.0), "spikes"] = 0.0
    line = next(line for line in answer(with_intervals(table)).sentences() if "spikes per" in line)
    assert line.endswith(", undefined at K 16, 64.")


def test_all_answers():
    answers = answer(example_table())
    assert answers.betas == (0.1, 0.5, 1, 2, 4)
    assert answers.n_latents == (32, 64, 128)
    assert answers.models == ("poisson", "gaussian-relu", "gaussian")
    assert answers.not_converged == ()
    assert len(answers.trends) == len(answers.trends_over_all) == 6
    assert answers.trends[0].at[0].betas == (0.5, 1, 2, 4)
    assert answers.trends_over_all[0].at[0].betas == answers.betas
    assert answers.sentences() == describe(answers)
    above = answer(example_table(), beta_from=0.1)
    assert above.trends_over_all is above.trends


def test_sentences_say_the_verdicts():
    text = answer(example_table(not_converged=[("poisson", 2.0, 64, 0)])).sentences()
    assert text[0].endswith("Not converged: P-VAE at beta 2, K 64, seed 0.")
    assert text[1].startswith("P-VAE, spikes per stimulus: falls with beta at every K? yes: each")
    assert "0.0608 [0.0600, 0.0617] (tau -1.00) at K 32" in text[1]
    (prediction,) = (line for line in text if line.startswith("P-VAE: prior rate cost predicts"))
    assert "spikes? yes: the slope of spikes on prior rate cost is 1.02 [1.02, 1.02]" in prediction
    assert "left out: P-VAE at beta 2, K 64, seed 0." in prediction
    (zeros,) = (
        line
        for line in text
        if line.startswith("ReLU control, fraction of zeros among") and "stays" in line
    )
    assert "stays within 0.1 over betas? yes: the range over betas is at most 0.012." in zeros


def test_the_published_study_in_words():
    """The paper's claim, told from its own numbers."""
    answers = answer(as_published())
    zeros = {(t.family, t.quantity): t.verdict for t in answers.trends}
    assert zeros["poisson", "fraction_zeros"].holds is True
    assert zeros["gaussian-relu", "fraction_zeros"].holds is False
    over_all = {(t.family, t.quantity): t for t in answers.trends_over_all}
    (step,) = over_all["poisson", "fraction_zeros"].wrong_steps
    assert str(step) == "beta 0.01 to 0.1 at K 512"
    steady = {(s.family, s.quantity): s.verdict.holds for s in answers.steadiness}
    assert steady["gaussian-relu", "latent_zeros"] is True
    assert steady["poisson", "latent_zeros"] is False


SPARSE = [
    {"betas": (1.0,)},
    {"n_latents": (32,)},
    {"betas": (1.0,), "n_latents": (32,)},
    {"models": ("poisson",)},
    {"models": ("gaussian-relu",)},
    {"models": ("gaussian",)},
    {"betas": (0.01, 0.1)},
    {"columns": {"spikes": 0.0}},
    {"columns": {"spikes": np.nan}},
    {"columns": {"converged": False}},
    {"columns": {"energy": np.nan, "error": np.nan}},
    {"columns": {"kl_nats": 0.0}},
    {"columns": {"prior_rate_cost": 1.0}},
    {"columns": {"fraction_zeros": 0.5, "latent_zeros": 0.5, "lifetime_sparsity": 0.5}},
    {"betas": ()},
]


@pytest.mark.parametrize("options", SPARSE, ids=str)
def test_tables_that_lack_much_are_answered(options):
    sentences = answer(example_table(**options)).sentences()
    check(sentences)


def check(sentences):
    assert all(isinstance(line, str) and line.endswith(".") for line in sentences)
    for line in sentences:
        assert "None" not in line
        assert not re.search(r"\b(nan|inf)\b", line), line
        assert not re.search("gaussian-relu|poisson|_zeros|kl_nats|silent neurons", line), line
        assert "  " not in line
        assert ".." not in line


@settings(max_examples=10, deadline=None)
@given(st.data())
def test_any_rows_may_be_missing(data):
    table = example_table((0.1, 1.0, 2.0), n_latents=(32, 64), seeds=(0, 1))
    kept = data.draw(st.lists(st.sampled_from(range(len(table))), unique=True, max_size=20))
    part = table.iloc[kept].copy()
    for name in ("spikes", "error", "kl_nats", "latent_zeros"):
        lost = data.draw(st.lists(st.sampled_from(kept), unique=True)) if kept else []
        part.loc[lost, name] = data.draw(st.sampled_from([0.0, np.nan]))
    check(answer(part).sentences())


def test_answers_do_not_touch_the_table():
    table = example_table(seeds=(0, 1), noise=0.1, rng=fresh_generator())
    before = table.copy(deep=True)
    answer(table).sentences()
    pd.testing.assert_frame_equal(table, before)


def test_refusals():
    with pytest.raises(ValueError, match="beta_from must be a number"):
        answer(example_table(), beta_from=math.nan)
    with pytest.raises(ValueError, match="converged is not among"):
        answer(example_table().drop(columns="converged"))
    with pytest.raises(ValueError, match="is there twice"):
        answer(pd.concat([example_table()] * 2))
