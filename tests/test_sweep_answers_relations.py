"""Lines, predictions, fronts, growth and ranges: exact cases, other routes, chance."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import curve_fit
from scipy.stats import pearsonr, spearmanr
from scipy.stats import t as student

from pvae_brian.sweep.answers import (
    compute_dominance,
    compute_fronts,
    compute_growth,
    compute_kl_relations,
    compute_predictions,
    compute_steadiness,
    fit_line,
    fit_through_origin,
    is_on_front,
    prediction,
)
from pvae_brian.sweep.answers.pareto import SPACE, is_dominated

from .chance import STANDARD_ERRORS, fresh_generator
from .sweep_tables import example_table

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


# Lines


@pytest.mark.parametrize("x", [[], [1.0], [2.0, 2.0, 2.0]])
def test_no_line(x):
    line = fit_line(np.array(x), np.arange(float(len(x))))
    assert line.n == len(x)
    assert math.isnan(line.slope.value)
    assert math.isnan(line.r2.value)


def test_two_points_have_a_line_without_intervals():
    line = fit_line(np.array([1.0, 3.0]), np.array([2.0, 6.0]))
    assert (line.slope.value, line.intercept.value, line.r2.value) == (2, 0, 1)
    assert math.isnan(line.slope.low)
    assert math.isnan(line.r2.high)


def test_a_flat_line_explains_nothing():
    line = fit_line(np.arange(5.0), np.full(5, 3.0))
    assert (line.slope.low, line.slope.value, line.slope.high) == (0, 0, 0)
    assert (line.intercept.low, line.intercept.value, line.intercept.high) == (3, 3, 3)
    assert math.isnan(line.r2.value)


def test_a_line_by_other_routes():
    rng = fresh_generator()
    x = rng.uniform(1, 10, size=12)
    y = 2 * x + 3 + rng.normal(size=12)
    line = fit_line(x, y)
    best, covariance = curve_fit(lambda x, a, b: a * x + b, x, y)
    margins = student.ppf(0.975, 10) * np.sqrt(np.diag(covariance))
    for estimate, value, margin in zip((line.slope, line.intercept), best, margins, strict=True):
        assert estimate.value == pytest.approx(value, rel=1e-6)
        assert (estimate.high - estimate.low) / 2 == pytest.approx(margin, rel=1e-5)
    correlation = pearsonr(x, y)
    ends = correlation.confidence_interval()
    assert line.r2.value == pytest.approx(correlation.statistic**2)
    assert (line.r2.low, line.r2.high) == pytest.approx((ends.low**2, ends.high**2))
    best, covariance = curve_fit(lambda x, a: a * x, x, y)
    slope = fit_through_origin(x, y)
    assert slope.value == pytest.approx(best[0])
    margin = student.ppf(0.975, 11) * math.sqrt(covariance[0, 0])
    assert slope.high - slope.value == pytest.approx(margin, rel=1e-5)


def test_r2_of_a_fall_and_of_hardly_anything():
    rng = fresh_generator()
    x = np.arange(40.0)
    falling = fit_line(x, -x + 0.1 * rng.normal(size=40)).r2
    assert 0.9 < falling.low < falling.value < falling.high <= 1
    y = rng.normal(size=40)
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    nothing = fit_line(x, residual).r2
    assert nothing.low == 0
    assert nothing.value == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("x", [[], [0.0, 0.0]])
def test_no_line_through_the_origin(x):
    assert math.isnan(fit_through_origin(np.array(x), np.array(x)).value)


def test_intervals_of_a_slope_cover():
    rng = fresh_generator()
    n, x = 3000, np.array([1.0, 2.0, 4.0, 8.0])
    covered = np.zeros(2)
    for noise in rng.normal(size=(n, 4)):
        covered += [
            estimate.low <= 2 <= estimate.high
            for estimate in (fit_line(x, 2 * x + noise).slope, fit_through_origin(x, 2 * x + noise))
        ]
    error = math.sqrt(0.95 * 0.05 / n)
    assert (np.abs(covered / n - 0.95) < STANDARD_ERRORS * error).all()


# Predictions


def exact(table):
    return table["spikes"]


def test_a_prediction_that_is_exact():
    table = example_table(columns={"prior_rate_cost": exact})
    found = compute_predictions(table)[0]
    assert found.family == "poisson"
    assert len(found.points) == 15
    for estimate in (found.line.slope, found.log_line.slope, found.through_origin):
        # The root of a rounding error at most.
        assert estimate.value == pytest.approx(1)
        assert estimate.high - estimate.low < 1e-6
    assert found.line.intercept.value == pytest.approx(0, abs=1e-9)
    assert found.line.r2.value == 1
    assert found.spearman.value == 1
    ratio = found.ratio
    assert (ratio.value, ratio.low, ratio.high) == (1, 1, 1)
    assert (found.smallest_ratio, found.largest_ratio) == (1, 1)
    assert found.verdict.holds is True


@pytest.mark.parametrize(
    ("factor", "holds"), [(0.96, True), (1.04, True), (0.94, False), (1.06, False)]
)
def test_a_slope_may_be_a_twentieth_off(factor, holds):
    table = example_table(columns={"prior_rate_cost": lambda table: table["spikes"] / factor})
    verdict = compute_predictions(table)[0].verdict
    assert verdict.holds is holds
    assert f"is {factor:#.3g} [" in verdict.reason
    assert ("lies within 0.95 to 1.05" in verdict.reason) is holds


def test_a_slope_is_judged_and_not_the_ratio():
    """Each model has three spikes that the prior did not foretell: twice too many for some."""
    table = example_table(columns={"prior_rate_cost": lambda table: table["spikes"] - 0.8})
    found = compute_predictions(table)[0]
    assert found.ratio.value > 1.1
    assert found.verdict.holds is True


def test_an_interval_that_reaches_further_is_said_to():
    table = example_table(columns={"prior_rate_cost": exact})
    rows = table["model"] == "poisson"
    prior = table.loc[rows, "prior_rate_cost"].to_numpy()
    # Off by as much as the models differ, in a way that leaves the slope at 1.
    residual = np.where(np.arange(len(prior)) % 2, 1.0, -1.0) * prior.std()
    fit = np.polynomial.Polynomial.fit(prior, residual, 1)
    table.loc[rows, "spikes"] = prior + residual - fit(prior)
    found = compute_predictions(table)[0]
    assert found.line.slope.value == pytest.approx(1)
    assert found.verdict.holds is True
    assert "does not lie within" in found.verdict.reason


def test_spikes_that_stand_still_are_not_predicted():
    table = example_table(columns={"spikes": 5.0})
    assert compute_predictions(table)[0].verdict.holds is False
    alike = compute_predictions(table.assign(prior_rate_cost=5.0))[0].verdict
    assert alike.holds is None
    assert "leaves no slope" in alike.reason


def test_two_models_cannot_tell_of_the_slope():
    assert compute_predictions(example_table((1.0,), n_latents=(32, 64)))[0].verdict.holds is None
    assert compute_predictions(example_table((1.0,)))[0].verdict.holds is True


def test_the_control_is_not_asked():
    """Not even where its line happens to have slope 1."""
    control = compute_predictions(example_table(columns={"prior_rate_cost": exact}))[1]
    assert control.line.slope.value == pytest.approx(1)
    assert control.verdict.holds is None
    assert "asked of P-VAEs alone" in control.verdict.reason


def test_models_that_did_not_converge_are_named_and_left_out():
    points = [("poisson", 0.1, 32, 0), ("poisson", 4.0, 128, 0), ("gaussian-relu", 1.0, 32, 0)]
    found = compute_predictions(example_table(not_converged=points))[0]
    assert found.not_converged == (
        "P-VAE at beta 0.1, K 32, seed 0",
        "P-VAE at beta 4, K 128, seed 0",
    )
    assert len(found.points) == 13
    assert found.line.slope.value == pytest.approx(1 / 0.98)


def test_none_converged():
    table = example_table(columns={"converged": False})
    found = compute_predictions(table)[0]
    assert found.verdict.holds is None
    assert "none (and 15 that did not converge)" in found.verdict.reason
    assert math.isnan(found.line.slope.value)
    assert math.isnan(found.ratio.value)


def test_silent_models_have_no_logarithm():
    table = example_table(betas=(0.1, 1.0, 4.0), n_latents=(32, 64))
    table.loc[[0, 5], ["spikes", "prior_rate_cost"]] = 0.0
    found = compute_predictions(table)[0]
    assert found.not_positive == (
        "P-VAE at beta 0.1, K 32, seed 0",
        "P-VAE at beta 4, K 64, seed 0",
    )
    assert (found.line.n, found.log_line.n) == (6, 4)
    assert found.verdict.holds is True
    table.loc[[1, 2], "spikes"] = 0.0
    few = compute_kl_relations(table)[0].verdict
    assert few.holds is None
    assert "there are 2 (and 4 with a zero)" in few.reason
    silent = compute_predictions(table.assign(spikes=0.0, prior_rate_cost=0.0))[0]
    assert silent.verdict.holds is None
    assert math.isnan(silent.through_origin.value)


def test_kl_relation_by_other_routes():
    table = example_table()
    relation = compute_kl_relations(table)[0]
    rows = table[table["model"] == "poisson"]
    assert relation.spearman.value == pytest.approx(
        spearmanr(rows["spikes"], rows["kl_nats"]).statistic
    )
    bits = rows["bits_per_spike"] * math.log(2)
    assert relation.ratio.value == pytest.approx(bits.mean())
    assert (relation.smallest_ratio, relation.largest_ratio) == pytest.approx(
        (bits.min(), bits.max())
    )
    assert relation.verdict.holds is True


@pytest.mark.parametrize(("sign", "holds"), [(1, True), (-1, False)])
def test_kl_that_rises_or_falls_with_spikes(sign, holds):
    table = example_table(columns={"kl_nats": lambda table: 1e4 + sign * table["spikes"]})
    relation = compute_kl_relations(table)[0]
    assert relation.spearman.value == pytest.approx(sign)
    assert relation.verdict.holds is holds


def test_three_models_cannot_tell_of_the_kl():
    relation = compute_kl_relations(example_table(betas=(1.0,)))[0]
    assert relation.verdict.holds is None
    assert (
        "takes 5 converged models (P-VAE) with spikes per stimulus and KL, and there are 3"
        in relation.verdict.reason
    )


def test_interval_of_a_rank_correlation_covers():
    """Of normal numbers with correlation 0.5, whose rank correlation is 6/pi arcsin(0.25)."""
    rng = fresh_generator()
    n, truth = 4000, 6 / math.pi * math.asin(0.25)
    covered = 0
    for sample in rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=(n, 40)):
        rho = prediction._rank_correlation(*sample.T)
        covered += rho.low <= truth <= rho.high
    # The variance is an approximation, good to a few percent.
    assert abs(covered / n - 0.95) < 0.02 + STANDARD_ERRORS * math.sqrt(0.95 * 0.05 / n)


@pytest.mark.parametrize(("n", "sign"), [(4, 1), (5, 1), (5, -1), (7, 1), (40, -1)])
def test_a_perfect_order_has_no_interval_but_a_p_value(n, sign):
    x = np.arange(n, dtype=float)
    rho = prediction._rank_correlation(x, sign * np.exp(x / n))
    assert rho.value == sign
    assert math.isnan(rho.low)
    p = prediction._order_p_value(x, sign * x)
    expected = 2 / math.factorial(n) if n <= 7 else 2 / 10_000
    assert p == pytest.approx(expected, rel=1e-9)


def test_a_perfect_order_of_ties():
    """Of 6! pairings, those that swap within a tie are in order as well."""
    tied = np.array([1.0, 1.0, 2.0, 3.0, 3.0, 4.0])
    # The least possible sum has other ties than the largest, so both ends are not alike.
    p = prediction._order_p_value(tied, tied)
    assert p == pytest.approx(2 * 4 / math.factorial(6))


def test_four_models_in_order_may_be_so_by_chance():
    four = example_table((1.0, 2.0), n_latents=(32, 64))
    assert compute_kl_relations(four)[0].verdict.holds is None
    five = example_table((0.5, 1.0, 2.0, 3.0, 4.0), n_latents=(32,))
    relation = compute_kl_relations(five)[0]
    assert relation.verdict.holds is True
    assert "1.0 over 5 models, p = 0.017 (permutation test)" in relation.verdict.reason


# Fronts


def test_front_of_one_and_of_none():
    assert is_on_front(np.array([[1.0, 2.0]])).tolist() == [True]
    assert is_on_front(np.empty((0, 2))).shape == (0,)


def test_equal_points_are_both_on_the_front():
    assert is_on_front(np.array([[1.0, 1.0], [1.0, 1.0], [1.0, 2.0]])).tolist() == [
        True,
        True,
        False,
    ]


def dominates(a, b) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and tuple(a) != tuple(b)


@settings(max_examples=100, deadline=None)
@given(arrays(float, st.tuples(st.integers(0, 12), st.integers(1, 3)), elements=st.integers(0, 4)))
def test_front_is_what_comparing_all_pairs_gives(costs):
    expected = [not any(dominates(a, b) for a in costs) for b in costs]
    assert is_on_front(costs).tolist() == expected
    # Whatever is not on the front is dominated by something that is.
    front = costs[is_on_front(costs)]
    assert is_dominated(costs, by=front).tolist() == [not on for on in expected]


def test_fronts_of_a_study():
    table = example_table()
    poisson, control, both = fronts = compute_fronts(table)
    assert [front.family for front in fronts] == ["poisson", "gaussian-relu", "all"]
    assert (poisson.n_points, control.n_points, both.n_points) == (15, 15, 30)
    # The control's errors are the P-VAE's, for more energy.
    assert set(both.points["model"]) == {"poisson"}
    for front in fronts:
        assert front.points["energy"].is_monotonic_increasing
        assert front.points["error"].is_monotonic_decreasing
        assert list(front.points.columns) == list(table.columns)
    dominance = compute_dominance(table)
    assert (dominance.n_dominated, dominance.n_controls) == (15, 15)
    assert dominance.verdict.holds is True


def test_a_third_axis_only_adds_to_a_front():
    """What no other beats in two respects is beaten in three by an equal at most."""
    table = example_table()
    for plane, space in zip(compute_fronts(table), compute_fronts(table, SPACE), strict=True):
        point = ["model", "beta", "n_latents", "seed"]
        in_plane = set(plane.points[point].itertuples(index=False, name=None))
        assert in_plane <= set(space.points[point].itertuples(index=False, name=None))


def test_models_without_energy_are_on_no_front():
    table = example_table()
    table.loc[0, "energy"] = np.nan
    assert compute_fronts(table)[0].n_points == 14
    only = compute_fronts(example_table(models=("gaussian",)))
    assert [front.n_points for front in only] == [0, 0, 0]
    assert compute_dominance(example_table(models=("poisson",))).verdict.holds is None


def test_a_control_that_wins():
    table = example_table()
    one = table.copy()
    one.loc[(one["model"] == "gaussian-relu") & (one["beta"] == 4.0), "error"] = 0.0
    dominance = compute_dominance(one)
    assert (dominance.n_dominated, dominance.verdict.holds) == (12, False)
    table.loc[table["model"] == "gaussian-relu", "error"] = 0.0
    dominance = compute_dominance(table)
    assert (dominance.n_dominated, dominance.verdict.holds) == (0, False)


# Growth


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_growth_by_a_power(exponent):
    table = example_table(columns={"spikes": lambda table: 3 * table["n_latents"] ** exponent})
    for growth in compute_growth(table, ("spikes",)):
        assert growth.exponent.value == pytest.approx(exponent, abs=1e-12)
        assert growth.exponent.high - growth.exponent.low == pytest.approx(0, abs=1e-6)
        assert growth.local_exponents == pytest.approx((exponent, exponent))


def test_growth_that_levels_off():
    table = example_table(columns={"spikes": lambda table: np.minimum(table["n_latents"], 64)})
    growth = compute_growth(table)[0]
    assert growth.local_exponents == (1, 0)
    assert 0 < growth.exponent.value < 1


def test_growth_over_two_k_and_one():
    two = compute_growth(example_table(n_latents=(32, 128)))[0]
    assert two.exponent.value == pytest.approx(0.5)
    assert math.isnan(two.exponent.low)
    one = compute_growth(example_table(n_latents=(32,)))[0]
    assert math.isnan(one.exponent.value)
    assert one.local_exponents == ()


def test_growth_leaves_out_silence():
    table = example_table()
    table.loc[(table["beta"] == 4.0) & (table["n_latents"] == 64), "spikes"] = 0.0
    growth = compute_growth(table, ("spikes",))[4]
    assert (growth.beta, growth.n_latents, growth.silent) == (4.0, (32, 128), (64,))


def test_growth_takes_means_over_seeds():
    table = example_table(seeds=(0, 1))
    table["spikes"] *= 1 + table["seed"]
    growth = compute_growth(table, ("spikes",))[0]
    first = table[(table["beta"] == 0.1) & (table["model"] == "poisson")]
    assert growth.values == pytest.approx(first.groupby("n_latents")["spikes"].mean().tolist())


def test_growth_of_each_family_and_beta():
    growths = compute_growth(example_table())
    assert len(growths) == 2 * 2 * 5
    assert {growth.family for growth in growths} == {"poisson", "gaussian-relu"}


# Ranges


def test_ranges():
    table = example_table((0.1, 0.5, 4.0), n_latents=(32,))
    table["latent_zeros"] = np.tile([0.3, 0.45, 0.5], 3)
    by_name = {(one.family, one.quantity): one for one in compute_steadiness(table)}
    assert len(by_name) == 4
    control = by_name["gaussian-relu", "latent_zeros"]
    assert (control.at[0].smallest, control.at[0].largest) == (0.3, 0.5)
    assert control.at[0].range == pytest.approx(0.2)
    assert control.at[0].range_from == pytest.approx(0.05)
    assert control.verdict.holds is True
    everywhere = {
        (one.family, one.quantity): one for one in compute_steadiness(table, beta_from=0.0)
    }
    assert everywhere["gaussian-relu", "latent_zeros"].verdict.holds is False
    assert by_name["poisson", "fraction_zeros"].verdict.holds is False


def test_one_k_that_moves_is_enough():
    table = example_table((1.0, 2.0))
    table.loc[table["n_latents"] == 64, "latent_zeros"] *= np.where(
        table.loc[table["n_latents"] == 64, "beta"] == 2.0, 1.0, 0.5
    )
    control = compute_steadiness(table)[3]
    assert control.verdict.holds is False
    assert "at K 64" in control.verdict.reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"models": ("poisson",)}, "no ReLU control"), ({"betas": (1.0,)}, "two betas")],
)
def test_ranges_that_cannot_be_told(options, reason):
    control = compute_steadiness(example_table(**options))[2]
    assert control.verdict.holds is None
    assert reason in control.verdict.reason
