"""Trends with beta: verdicts at their extremes, effects and their intervals, what is missing."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, norm
from scipy.stats import t as student

from pvae_brian.intervals import Estimate
from pvae_brian.sweep.answers import compute_trend, compute_trends, mean_over_seeds
from pvae_brian.sweep.answers.effects import difference, ratio, widen

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_generator
from .sweep_tables import example_table, with_intervals

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

BETAS = (0.1, 0.5, 1.0, 2.0, 4.0)


def table_of(spikes: dict, seed=0, margin=0.01) -> pd.DataFrame:
    """A table of P-VAEs with the given spikes: {K: [one value per beta from 1 on]}."""
    rows = [
        {"model": "poisson", "beta": 1.0 + i, "n_latents": k, "seed": seed, "spikes": float(value)}
        for k, values in spikes.items()
        for i, value in enumerate(values)
    ]
    return with_intervals(pd.DataFrame(rows), margin)


def spikes_trend(table, **options):
    return compute_trend(table, "poisson", "spikes", **options)


# Extremes


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_a_perfect_trend(seeds):
    for trend in compute_trends(example_table(BETAS, seeds=seeds))[:3]:
        assert trend.family == "poisson"
        assert trend.verdict.holds is True
        assert trend.wrong_steps == ()
        assert trend.test.name == "Page"
        assert trend.test.n_subjects == 3 * len(seeds)
        assert trend.test.p_value == pytest.approx(math.factorial(4) ** (-3 * len(seeds)))
        for at in trend.at:
            assert at.betas == BETAS[1:]
            assert at.is_monotone
            assert at.tau == (-1 if trend.direction == "falls" else 1)
            assert at.test.p_value == pytest.approx(math.factorial(4) ** -len(seeds))
            assert at.test.smallest_p == pytest.approx(at.test.p_value)


def test_the_control_does_not_follow():
    for trend in compute_trends(example_table(BETAS))[3:]:
        assert trend.family == "gaussian-relu"
        assert trend.verdict.holds is False


def test_constants_show_nothing():
    trend = spikes_trend(table_of({32: [3, 3, 3, 3], 64: [3, 3, 3, 3]}))
    assert trend.verdict.holds is None
    assert "no change found: all 6 steps stand still" in trend.verdict.reason
    assert len(trend.wrong_steps) == 6
    assert not any(step.is_clear() for step in trend.wrong_steps)
    assert all(math.isnan(at.tau) for at in trend.at)
    assert all(at.effect.value == 1 for at in trend.at)


def test_one_reversed_step_is_named():
    trend = spikes_trend(table_of({32: [8, 4, 2, 1], 64: [8, 4, 5, 1], 128: [8, 4, 2, 1]}))
    assert [str(step) for step in trend.wrong_steps] == ["beta 2 to 3 at K 64"]
    assert [at.is_monotone for at in trend.at] == [True, False, True]
    assert trend.at[1].tau == pytest.approx(-2 / 3)
    assert trend.verdict.holds is False
    said = "1 of 9 steps clearly go the other way (over stimuli, one training): beta 2 to 3 at K 64"
    assert said in trend.verdict.reason


def test_a_reversed_step_within_its_error_leaves_it_open():
    trend = spikes_trend(
        table_of({32: [8, 4, 2, 1], 64: [8, 4, 4.01, 1], 128: [8, 4, 2, 1]}, margin=0.1)
    )
    assert trend.verdict.holds is None
    said = "none of them by more than its error (over stimuli, one training): beta 2 to 3 at K 64"
    assert said in trend.verdict.reason


def test_so_few_points_cannot_tell():
    trend = spikes_trend(table_of({32: [3, 2, 1]}))
    assert trend.verdict.holds is None
    assert trend.test.name == "Jonckheere"
    assert trend.test.p_value == pytest.approx(1 / 6)
    assert "0.17" in trend.verdict.reason


def test_four_betas_at_one_k_can():
    assert spikes_trend(table_of({32: [4, 3, 2, 1]})).verdict.holds is True


def test_two_betas_are_a_sign_test():
    trend = spikes_trend(table_of({2**i: [2, 1] for i in range(5)}))
    assert trend.test.p_value == pytest.approx(2**-5)
    assert trend.verdict.holds is True


def test_one_beta_and_none():
    one = spikes_trend(table_of({32: [3], 64: [3]}))
    assert (one.verdict.holds, one.test) == (None, None)
    assert "two betas" in one.verdict.reason
    assert one.at[0].steps == ()
    none = compute_trend(table_of({32: [3, 2]}), "gaussian-relu", "spikes")
    assert (none.verdict.holds, none.at) == (None, ())
    assert "no ReLU control" in none.verdict.reason


def test_betas_below_are_left_out():
    table = table_of({32: [1, 8, 4, 2, 1]})
    assert spikes_trend(table).verdict.holds is False
    above = spikes_trend(table, beta_from=2.0)
    assert above.verdict.holds is True
    assert above.at[0].betas == (2, 3, 4, 5)


def test_plain_gaussians_have_no_trend():
    trend = compute_trend(example_table(BETAS, models=("gaussian",)), "gaussian", "spikes")
    assert trend.verdict.holds is None


def test_silence_at_the_end():
    trend = spikes_trend(table_of({32: [4, 2, 1, 0]}))
    assert trend.verdict.holds is True
    assert (trend.at[0].effect.value, trend.at[0].effect.low) == (0, 0)


def test_silence_throughout():
    trend = spikes_trend(table_of({32: [0, 0, 0, 0]}))
    assert trend.verdict.holds is None
    assert "no change found" in trend.verdict.reason
    assert trend.wrong_steps == ()
    assert not trend.at[0].is_monotone
    assert math.isnan(trend.at[0].effect.value)


def test_silence_counts_neither_way_once_it_is_reached():
    trend = spikes_trend(table_of({32: [4, 2, 1, 0, 0], 64: [4, 2, 1, 0.5, 0]}))
    assert trend.at[0].steps[-1].is_right is None
    assert trend.wrong_steps == ()
    assert trend.verdict.holds is True
    assert "each of 7 steps goes the expected way (1 more, at the end of" in trend.verdict.reason


@pytest.mark.parametrize(("level", "is_right"), [(0.0, None), (1.0, None), (0.5, False)])
def test_zeros_can_go_no_further_than_their_ends(level, is_right):
    table = table_of({32: [1, 1, 1]}).assign(fraction_zeros=level)
    trend = compute_trend(table, "poisson", "fraction_zeros")
    assert [step.is_right for step in trend.at[0].steps] == [is_right] * 2


def test_many_small_steps_the_wrong_way_are_clear_together():
    trend = spikes_trend(table_of({32: np.linspace(10, 12, 9)}, margin=0.03))
    assert not any(step.is_clear() for step in trend.wrong_steps)
    assert trend.verdict.holds is False
    said = "from the first beta to the last it clearly goes the other way"
    assert said in trend.verdict.reason
    assert "beta 1 to 9 at K 32" in trend.verdict.reason


def test_one_step_of_many_is_judged_more_strictly():
    """Clear on its own, which one of twenty would be by chance."""
    fall = {2**i: [8, 4, 2, 1] for i in range(20)}
    trend = spikes_trend(table_of(fall | {2**20: [8, 4, 4.15, 1]}, margin=0.025))
    (wrong,) = trend.wrong_steps
    assert wrong.is_clear()
    assert not wrong.is_clear(63)
    assert trend.verdict.holds is None


def test_widened_intervals_are_those_of_a_smaller_chance():
    one = Estimate(3.0, 3 - norm.ppf(0.975), 3 + 2 * norm.ppf(0.975))
    wide = widen(one, 10)
    assert wide.low == pytest.approx(3 - norm.ppf(0.9975))
    assert wide.high == pytest.approx(3 + 2 * norm.ppf(0.9975))
    of_seeds = Estimate(3.0, 3 - student.ppf(0.975, 2), 3 + student.ppf(0.975, 2))
    assert widen(of_seeds, 10, n_seeds=3).high == pytest.approx(3 + student.ppf(0.9975, 2))
    assert widen(one, 1).high == pytest.approx(one.high)


def test_a_k_with_one_beta_is_named():
    trend = spikes_trend(table_of({32: [8, 4, 2, 1], 64: [8]}))
    assert trend.verdict.holds is True
    assert trend.verdict.reason.endswith("; K 64 has one beta, and is not judged")


def test_reasons_say_what_their_errors_are():
    assert "(over stimuli, one training)" in spikes_trend(example_table(BETAS)).verdict.reason
    seeds = spikes_trend(example_table(BETAS, seeds=(0, 1))).verdict.reason
    assert "(over trainings)" in seeds


# Missing points


def test_a_missing_point_makes_it_jonckheeres():
    without = [("poisson", 1.0, 64, 0)]
    trend = spikes_trend(example_table(BETAS, without=without))
    assert trend.test.name == "Jonckheere"
    assert trend.test.p_value == pytest.approx(1 / (24 * 6 * 24))
    assert trend.verdict.holds is True
    assert trend.at[1].betas == (0.5, 2, 4)


def test_unequal_seeds():
    """Of K 32 all three seeds at each beta but one, which has two."""
    table = example_table((1.0, 2.0, 4.0), n_latents=(32,), seeds=(0, 1, 2))
    trend = spikes_trend(table.drop(index=[1]))
    assert trend.test.name == "Jonckheere"
    orders = math.factorial(8) // (2 * 6 * 6)
    # Seeds without noise are tied: no order of equal ones can be told.
    assert trend.test.smallest_p == pytest.approx(1 / orders)
    assert trend.test.p_value == pytest.approx(1 / orders)
    assert trend.at[0].n_seeds == (2, 3, 3)


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_points_may_be_missing(data):
    table = example_table(BETAS, seeds=(0, 1))
    kept = data.draw(st.lists(st.sampled_from(range(len(table))), unique=True))
    part = table.iloc[kept]
    for trend in compute_trends(part):
        rows = part[(part["model"] == trend.family) & (part["beta"] >= 0.5)]
        assert {at.n_latents for at in trend.at} == set(rows["n_latents"])
        if trend.family == "poisson":
            # What is there is in order.
            assert trend.wrong_steps == ()
            assert trend.verdict.holds in (True, None)
        if trend.test is not None:
            assert trend.test.smallest_p <= trend.test.p_value * (1 + 1e-9)
    again = compute_trends(part.sample(frac=1, random_state=1))
    assert [trend.verdict for trend in again] == [trend.verdict for trend in compute_trends(part)]


def test_refusals():
    table = example_table(BETAS)
    for quantity in ("kl_nats", "energy"):
        with pytest.raises(ValueError, match=f"quantity is '{quantity}'"):
            compute_trend(table, "poisson", quantity)
    with pytest.raises(ValueError, match="quantity is 'kl_nats'"):
        compute_trend(table, "poisson", "kl_nats")
    with pytest.raises(ValueError, match="spikes is not among"):
        spikes_trend(table.drop(columns="spikes"))
    with pytest.raises(ValueError, match=r"P-VAE at beta 0.1, K 32, seed 0 is there twice"):
        spikes_trend(pd.concat([table, table.iloc[:1]]))


# Effects and intervals


def test_one_seed_keeps_its_interval_and_several_get_students():
    table = example_table((1.0,), n_latents=(32,), models=("poisson",))
    single = mean_over_seeds(table, "spikes")["estimate"][0]
    assert (single.low, single.high) == tuple(table[["spikes_low", "spikes_high"]].iloc[0])
    seeds = pd.concat([table.assign(seed=s, spikes=v) for s, v in enumerate([1.0, 2.0, 6.0])])
    mean = mean_over_seeds(seeds, "spikes")["estimate"][0]
    margin = student.ppf(0.975, 2) * math.sqrt(7 / 3)
    assert (mean.value, mean.high) == pytest.approx((3, 3 + margin))
    # A quantity that has no interval in the table.
    assert math.isnan(mean_over_seeds(table, "latent_zeros")["estimate"][0].low)


def test_an_unknown_interval_makes_no_step_clear():
    table = table_of({32: [1, 2, 3, 4]}).assign(spikes_low=np.nan, spikes_high=np.nan)
    trend = spikes_trend(table)
    assert math.isnan(trend.at[0].effect.low)
    assert not any(step.is_clear() for step in trend.wrong_steps)
    assert trend.verdict.holds is None
    assert "no trend found" in trend.verdict.reason


def test_difference_of_normal_intervals_is_normal():
    found = difference(Estimate(5.0, 2.0, 8.0), Estimate(1.0, -3.0, 5.0))
    assert (found.value, found.low, found.high) == (4, -1, 9)


def test_difference_takes_the_ends_that_bear_on_it():
    """The lower end needs x low and y high; a known y leaves the interval of x."""
    lopsided = Estimate(5.0, 4.0, 9.0)
    found = difference(lopsided, Estimate(1.0, 1.0, 1.0))
    assert (found.low, found.high) == (3, 8)
    found = difference(Estimate(1.0, 1.0, 1.0), lopsided)
    assert (found.low, found.high) == (-8, -3)


def test_ratio_ends_solve_fiellers_equation():
    """For symmetric intervals, an end q makes x - q y exactly 1.96 standard errors from 0."""
    x, y, margin_x, margin_y = 3.0, 5.0, 0.4, 0.7
    found = ratio(Estimate(x, x - margin_x, x + margin_x), Estimate(y, y - margin_y, y + margin_y))
    for q in (found.low, found.high):
        assert abs(x - q * y) == pytest.approx(math.hypot(margin_x, q * margin_y))
    assert found.low < found.value < found.high


def test_ratio_of_a_thing_that_is_known():
    found = ratio(Estimate(2.0, 2.0, 2.0), Estimate(4.0, 4.0, 4.0))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_ratio_at_zero():
    some, none = Estimate(2.0, 1.0, 3.0), Estimate(0.0, 0.0, 0.5)
    assert ratio(none, some).low == 0
    assert 0.5 / 2 < ratio(none, some).high < 0.5
    assert ratio(some, none).value == math.inf
    assert math.isnan(ratio(none, none).value)
    wide = ratio(some, Estimate(1.0, -0.5, 2.5))
    assert (wide.value, wide.low, wide.high) == (2, 0, math.inf)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.floats(0.001, 1000), st.floats(0.001, 1000)),
    st.tuples(*[st.floats(0, 3)] * 4),
)
def test_ratio_holds_its_value(values, shares):
    (x, y), (a, b, c, d) = values, shares
    last = Estimate(x, x * max(1 - a, 0), x * (1 + b))
    first = Estimate(y, y * max(1 - c, 0), y * (1 + d))
    found = ratio(last, first)
    assert 0 <= found.low <= found.value * (1 + 1e-9)
    assert found.high >= found.value * (1 - 1e-9)


def test_intervals_cover_as_often_as_they_say():
    rng = fresh_generator()
    n, x, y, error = 4000, 2.0, 8.0, 0.5
    margin = norm.ppf(0.975) * error
    covered = {"ratio": 0, "difference": 0}
    for x_, y_ in rng.normal([x, y], error, size=(n, 2)):
        last = Estimate(x_, x_ - margin, x_ + margin)
        first = Estimate(y_, y_ - margin, y_ + margin)
        of_ratio, of_difference = ratio(last, first), difference(last, first)
        covered["ratio"] += of_ratio.low <= x / y <= of_ratio.high
        covered["difference"] += of_difference.low <= x - y <= of_difference.high
    for name, n_covered in covered.items():
        error_of_share = math.sqrt(0.95 * 0.05 / n)
        assert abs(n_covered / n - 0.95) < STANDARD_ERRORS * error_of_share, name


def test_noise_is_called_a_trend_no_more_than_promised():
    """Two betas: five K that all fall have p = 1/32, and four 1/16, which is never enough."""
    rng = fresh_generator()
    n, found = 120, 0
    for values in rng.random((n, 5, 2)):
        assert spikes_trend(table_of(dict(enumerate(values[:4], 1)))).verdict.holds is not True
        found += spikes_trend(table_of(dict(enumerate(values, 1)))).verdict.holds is True
    assert binom.sf(found - 1, n, 1 / 32) > FALSE_ALARM


def test_noise_is_seldom_called_a_clear_step():
    """Models that are all alike but for the errors of their intervals: 'no' once in 20 tables."""
    rng = fresh_generator()
    n, found, margin = 250, 0, 0.02
    errors = norm.ppf(0.975) ** -1 * margin * rng.standard_normal((n, 4, 4))
    for values in 100 * (1 + errors):
        found += (
            spikes_trend(table_of(dict(enumerate(values, 1)), margin=margin)).verdict.holds is False
        )
    assert binom.sf(found - 1, n, 0.05) > FALSE_ALARM
