"""Interspike intervals: known trains, Elephant, a plain loop, and theory against simulation."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from brian2 import ms, second
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import gamma

from pvae_brian import Refractory, SpikeRecord, SpikeTimes, simulate
from pvae_brian.intervals import bootstrap
from pvae_brian.measures import IsiStatistics, compute_isi_statistics, isi

from .chance import STANDARD_ERRORS, fresh_seed
from .test_spikes import make_record, records

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

PER_TRAIN = ["stimulus", "latent", "n_intervals", "mean_s", "cv_per_train", "cv2_per_train"]


def record_of(trains, window_s=1.0) -> SpikeRecord:
    """Make a record of given spike times, a list for each stimulus and latent."""
    rows = [
        (stimulus, time, latent)
        for stimulus, of_stimulus in enumerate(trains)
        for latent, train in enumerate(of_stimulus)
        for time in train
    ]
    stimulus, time, latent = np.array(sorted(rows), dtype=float).reshape(-1, 3).T
    times = SpikeTimes(stimulus.astype(np.int32), latent.astype(np.int32), time)
    counts = [[len(train) for train in of_stimulus] for of_stimulus in trains]
    return dataclasses.replace(
        make_record(counts, with_times=False, window_s=window_s), times=times
    )


def ends(estimate):
    return estimate.value, estimate.low, estimate.high


def standard_error(value, numerators, denominators) -> float:
    """Of a ratio of sums over independent trains, known to be near ``value``."""
    return np.sqrt(((numerators - value * denominators) ** 2).sum()) / denominators.sum()


def errors(found: IsiStatistics, cv: float, cv2: float) -> tuple[float, float]:
    """How far CV and CV2 lie from theory, in standard errors."""
    n = found.n_intervals
    # The error of a root is that of its square over twice the root.
    of_cv = standard_error(cv**2, (n + 1) * found.cv_per_train**2, n - 1) / (2 * cv)
    of_cv2 = standard_error(cv2, (n - 1) * found.cv2_per_train, n - 1)
    return abs(found.cv.value - cv) / of_cv, abs(found.cv2.value - cv2) / of_cv2


# Extremes


@pytest.mark.parametrize("trains", [[[[]]], [[[0.5]]], [[[0.25, 0.5], []], [[], [0.5, 1.0]]]])
def test_two_spikes_and_fewer_give_no_statistics(trains):
    found = compute_isi_statistics(record_of(trains))
    for name in PER_TRAIN:
        assert getattr(found, name).shape == (0,)
    assert np.isnan([ends(found.cv), ends(found.cv2)]).all()
    assert np.isnan([found.cv_per_neuron, found.cv2_per_neuron]).all()
    assert len(found.cv_per_neuron) == len(trains[0])


def test_a_clock_has_zero_in_both():
    # Times that binary fractions hold exactly.
    clock = [k / 16 for k in range(17)]
    found = compute_isi_statistics(record_of([[clock, []], [clock[::2], [0.5]]]))
    assert ends(found.cv) == ends(found.cv2) == (0, 0, 0)
    assert found.cv_per_train.tolist() == found.cv2_per_train.tolist() == [0, 0]
    assert found.mean_s.tolist() == [1 / 16, 1 / 8]
    assert (found.stimulus.tolist(), found.latent.tolist()) == ([0, 1], [0, 0])
    for per_neuron in (found.cv_per_neuron, found.cv2_per_neuron):
        np.testing.assert_array_equal(per_neuron, [0, np.nan])


def test_by_hand():
    # Intervals 1, 3 and 2, 2, 4 sixteenths.
    found = compute_isi_statistics(record_of([[[0, 1 / 16, 4 / 16], [0, 2 / 16, 4 / 16, 8 / 16]]]))
    assert found.n_intervals.tolist() == [2, 3]
    cv_squared = [1 / 4, (8 / 9) / (8 / 3) ** 2]
    assert found.cv_per_train == pytest.approx(np.sqrt(cv_squared))
    assert found.cv2_per_train == pytest.approx([1, 1 / 3])
    # Weights 3 and 4 over 1 and 2 pairs; pairs of 1, 0 and 2/3.
    assert found.cv.value == pytest.approx(np.sqrt((3 * cv_squared[0] + 4 * cv_squared[1]) / 3))
    assert found.cv2.value == pytest.approx(5 / 9)
    assert found.cv_per_neuron == pytest.approx([np.sqrt(3 / 4), np.sqrt(2 * cv_squared[1])])
    assert found.cv2_per_neuron == pytest.approx([1, 1 / 3])
    # One stimulus: its spread is not known.
    assert np.isnan([found.cv.low, found.cv.high, found.cv2.low, found.cv2.high]).all()


def test_spikes_that_fall_together_take_no_part_where_nothing_is_defined():
    pair = [0.25, 0.5, 0.5, 0.5]
    record = record_of([[[0.5] * 3, pair, [0.0, 0.25, 1.0]]])
    found = compute_isi_statistics(record)
    np.testing.assert_array_equal(found.mean_s, [0, 1 / 12, 0.5])
    np.testing.assert_allclose(found.cv_per_train, [np.nan, np.sqrt(2), 0.5])
    np.testing.assert_array_equal(found.cv2_per_train, [np.nan, np.nan, 1])
    # Of the second train CV counts, of the third both.
    assert found.cv.value == pytest.approx(np.sqrt((4 * 2 + 3 * 0.25) / 3))
    assert found.cv2.value == 1
    assert np.isnan(found.cv_per_neuron).tolist() == [True, False, False]
    assert np.isnan(found.cv2_per_neuron).tolist() == [True, True, False]


def test_counts_are_not_enough():
    with pytest.raises(ValueError, match="simulate with record='times'"):
        compute_isi_statistics(make_record([[5]], with_times=False))


@pytest.mark.parametrize("empty", [([], slice(None)), (slice(None), [])])
def test_nothing_has_no_statistics(empty):
    with pytest.raises(ValueError, match="at least one stimulus and one latent"):
        compute_isi_statistics(make_record([[5, 1], [2, 3]])[empty])


# Two routes to the same numbers


def by_a_plain_loop(record):
    rows = []
    for stimulus in range(record.n_stimuli):
        for latent, train in enumerate(record.raster(stimulus)):
            intervals = [b - a for a, b in itertools.pairwise(train)]
            n = len(intervals)
            if n < 2:
                continue
            mean = sum(intervals) / n
            variance = sum((interval - mean) ** 2 for interval in intervals) / n
            pairs = list(itertools.pairwise(intervals))
            has_pairs = all(a + b > 0 for a, b in pairs)
            rows.append(
                (
                    stimulus,
                    latent,
                    n,
                    mean,
                    np.sqrt(variance) / mean if mean else np.nan,
                    sum(2 * abs(a - b) / (a + b) for a, b in pairs) / (n - 1)
                    if has_pairs
                    else np.nan,
                )
            )
    return np.array(rows, dtype=float).reshape(-1, 6).T


def pooled_by_hand(n, _, cv, cv2):
    has_cv, has_cv2 = ~np.isnan(cv), ~np.isnan(cv2)
    pairs = n - 1
    return (
        np.sqrt(((n + 1) * cv**2)[has_cv].sum() / pairs[has_cv].sum()) if has_cv.any() else np.nan,
        (pairs * cv2)[has_cv2].sum() / pairs[has_cv2].sum() if has_cv2.any() else np.nan,
    )


@given(record=records(), block=st.integers(1, 30))
@settings(deadline=None)
def test_any_record_against_a_plain_loop(record, block):
    with pytest.MonkeyPatch.context() as patch:
        # However the spikes are cut into blocks.
        patch.setattr(isi, "_BLOCK", block)
        found = compute_isi_statistics(record)
    expected = by_a_plain_loop(record)
    for name, column in zip(PER_TRAIN, expected, strict=True):
        # A clock's intervals differ by rounding.
        atol = 1e-9 if name.startswith("cv") else 0
        np.testing.assert_allclose(getattr(found, name), column, rtol=1e-9, atol=atol)
    overall = pooled_by_hand(*expected[2:])
    np.testing.assert_allclose((found.cv.value, found.cv2.value), overall, rtol=1e-9, atol=1e-9)
    for neuron in range(record.n_latents):
        of_neuron = pooled_by_hand(*expected[2:, expected[1] == neuron])
        values = found.cv_per_neuron[neuron], found.cv2_per_neuron[neuron]
        np.testing.assert_allclose(values, of_neuron, rtol=1e-9, atol=1e-9)


def test_each_train_against_elephant():
    statistics = pytest.importorskip("elephant.statistics")
    rates = [[0.0, 2.0, 5.0, 20.0], [3.0, 4.0, 0.5, 60.0], [1.0, 8.0, 6.0, 9.0]] * 4
    record = simulate(rates, window=2 * second, record="times", seed=fresh_seed())
    found = compute_isi_statistics(record)
    trains = iter(zip(*(getattr(found, name) for name in PER_TRAIN), strict=True))
    for stimulus in range(record.n_stimuli):
        for latent, train in enumerate(record.raster(stimulus)):
            if len(train) < 3:
                continue
            intervals = statistics.isi(train)
            expected = (
                stimulus,
                latent,
                len(intervals),
                intervals.mean(),
                statistics.cv(intervals),
                statistics.cv2(intervals),
            )
            assert next(trains) == pytest.approx(expected, rel=1e-9)
    assert next(trains, None) is None


@pytest.mark.parametrize("block", [1, 7, 50, 10**6])
def test_blocks_do_not_matter_to_a_simulated_record(block, monkeypatch):
    record = simulate([[0.0, 3.0, 8.0], [40.0, 0.0, 1.0], [5.0, 5.0, 5.0]] * 3, record="times")
    whole = compute_isi_statistics(record)
    monkeypatch.setattr(isi, "_BLOCK", block)
    found = compute_isi_statistics(record)
    for name in [*PER_TRAIN, "cv_per_neuron", "cv2_per_neuron"]:
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-12)
    assert (found.cv, found.cv2) == (whole.cv, whole.cv2)


def test_summaries_are_bootstrapped_over_stimuli():
    seed = fresh_seed()
    record = simulate(np.full((30, 4), 4.0), record="times", seed=seed)
    found = compute_isi_statistics(record)
    n = found.n_intervals

    def by_stimulus(values):
        return np.bincount(found.stimulus, values, minlength=30)

    cv = bootstrap(
        lambda squares, pairs: np.sqrt(squares / pairs),
        by_stimulus((n + 1) * found.cv_per_train**2),
        by_stimulus(n - 1),
        seed=seed,
    )
    cv2 = bootstrap(
        lambda contrasts, pairs: contrasts / pairs,
        by_stimulus((n - 1) * found.cv2_per_train),
        by_stimulus(n - 1),
        seed=seed,
    )
    assert ends(found.cv) == pytest.approx(ends(cv))
    assert ends(found.cv2) == pytest.approx(ends(cv2))
    assert found.cv.low < found.cv.value < found.cv.high


def test_latents_beyond_16_bits():
    n_latents, far = 70_000, 65_537
    counts = np.zeros((2, n_latents), np.int32)
    counts[:, [1, far]] = [[3, 4], [5, 6]]
    record = make_record(counts)
    found, part = (compute_isi_statistics(one) for one in (record, record[:, [1, far]]))
    assert found.latent.tolist() == [1, far, 1, far]
    np.testing.assert_array_equal(found.cv_per_train, part.cv_per_train)
    np.testing.assert_array_equal(found.cv2_per_neuron[[1, far]], part.cv2_per_neuron)


def test_a_record_on_disk_gives_what_one_in_memory_does(tmp_path):
    rates = [[3.0, 8.0]] * 5
    in_memory = simulate(rates, record="times")
    on_disk = simulate(rates, record="times", out=tmp_path / "record")
    one, other = compute_isi_statistics(in_memory), compute_isi_statistics(on_disk)
    assert (one.cv, one.cv2) == (other.cv, other.cv2)


def test_neither_units_nor_the_order_of_stimuli_matter():
    record = simulate([[3.0, 8.0], [20.0, 1.0], [6.0, 6.0]] * 10, record="times", seed=fresh_seed())
    slow = dataclasses.replace(
        record,
        window_s=8.0,
        times=SpikeTimes(*list(record.spikes.arrays().values())[:2], 8 * record.spikes.time),
    )
    found, scaled = compute_isi_statistics(record), compute_isi_statistics(slow)
    np.testing.assert_array_equal(scaled.mean_s, 8 * found.mean_s)
    assert (scaled.cv, scaled.cv2) == (found.cv, found.cv2)
    turned = compute_isi_statistics(record[::-1])
    assert turned.cv.value == pytest.approx(found.cv.value)
    assert turned.cv2_per_neuron == pytest.approx(found.cv2_per_neuron)


# Theory against simulation


@pytest.mark.parametrize("neuron", ["poisson", "sampler"])
@pytest.mark.parametrize("mean_spikes", [0.5, 3.0, 200.0])
def test_poisson_trains_have_one_in_both_however_short(mean_spikes, neuron):
    rates = np.full((100, int(60_000 / mean_spikes / 100)), mean_spikes)
    record = simulate(rates, record="times", n_steps=20, seed=fresh_seed(), neuron=neuron)
    found = compute_isi_statistics(record)
    assert max(errors(found, 1, 1)) < STANDARD_ERRORS
    if mean_spikes == 3:
        # Where the plain CV is far off: 0.69.
        assert np.sqrt((found.cv_per_train**2).mean()) < 0.75
    n = found.n_intervals
    for value in np.unique(n):
        # Train by train, too: (n - 1) / (n + 1) for each n.
        squares = found.cv_per_train[n == value] ** 2
        if len(squares) > 1000:
            off = squares.mean() - (value - 1) / (value + 1)
            assert abs(off) < STANDARD_ERRORS * squares.std() / np.sqrt(len(squares))


def test_rates_that_differ_between_stimuli_and_neurons_do_not_count_as_irregular():
    rates = np.outer(np.geomspace(0.5, 20, 100), np.geomspace(0.5, 10, 40))
    record = simulate(rates, window=50 * ms, record="times", n_steps=20, seed=fresh_seed())
    found = compute_isi_statistics(record)
    assert max(errors(found, 1, 1)) < STANDARD_ERRORS
    for low, high in [(found.cv.low, found.cv.high), (found.cv2.low, found.cv2.high)]:
        assert low < high < low + 0.1


@pytest.mark.parametrize(("dead_time", "rate"), [(0.005, 40.0), (0.02, 100.0)])
def test_dead_time_neurons_against_renewal_theory(dead_time, rate):
    window_s = 50.0
    record = simulate(
        np.full((20, 5), rate * window_s),
        window=window_s * second,
        n_steps=int(window_s / 0.004),
        record="times",
        neuron=Refractory(absolute=dead_time * second),
        seed=fresh_seed(),
    )
    found = compute_isi_statistics(record)
    cv2, _ = quad(lambda s: s / (s + 2 * dead_time) * gamma.pdf(s, 2, scale=1 / rate), 0, np.inf)
    # What is left of the bias, a third of an interval over the window, is far below the error.
    assert max(errors(found, 1 / (1 + rate * dead_time), cv2)) < STANDARD_ERRORS


def test_intervals_cover_one_for_poisson_trains():
    n_repeats = 300
    covered = np.zeros(2)
    for _ in range(n_repeats):
        record = simulate(
            np.full((60, 10), 4.0), neuron="sampler", record="times", seed=fresh_seed()
        )
        found = compute_isi_statistics(record)
        covered += [found.cv.low < 1 < found.cv.high, found.cv2.low < 1 < found.cv2.high]
    # 0.95 up to the percentile method's error; one standard error is 0.013.
    assert (covered / n_repeats > 0.95 - STANDARD_ERRORS * 0.013).all()
    assert (covered < n_repeats).all()
