"""simulate: exact counts and times, reproducible, and what it refuses."""

from __future__ import annotations

import brian2
import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    ms,
    mV,
    second,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest

import pvae_brian
from pvae_brian import SpikeRecord, simulate
from pvae_brian.engine import devices
from pvae_brian.measures.goodness import poisson_fit

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_seed
from .marks import COMPILED, TARGETS, needs_compiler

RATES = [0.0, 0.05, 1.0, 5.0, 50.0, 148.0]


@pytest.mark.parametrize("target", TARGETS)
def test_rate_zero_gives_count_zero(target):
    record = simulate(np.zeros((4, 3)), device=target, record="times")
    assert not record.counts.any()
    assert len(record.spikes) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_one_stimulus_one_latent(target):
    record = simulate([[7.0]], device=target, seed=fresh_seed())
    assert record.counts.shape == (1, 1)


@pytest.mark.slow
@pytest.mark.parametrize("n_steps", [50, 1000])
@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("target", ["numpy", pytest.param("cython", marks=needs_compiler)])
def test_a_million_counts_are_poisson(target, rate, n_steps):
    rates = np.full((10_000, 100), rate)
    record = simulate(rates, n_steps=n_steps, device=target, seed=fresh_seed())
    check_law(record, rates)


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("n_steps", [20, 50, 1000])
@pytest.mark.parametrize("rate", [0.05, 0.3, 1.0, 5.0, 50.0, 148.0])
def test_compiled_counts_are_poisson_in_sixty_cases(rate, n_steps):
    """Blocks, parts and workers included: sixty and more cases, with Bonferroni's limit.

    Eighteen here with four seeds each; a case fails by chance with 1e-6 / 72.
    """
    rates = np.full((10_000, 100), rate)
    for _ in range(4):
        record = simulate(rates, n_steps=n_steps, device="cpp_standalone", seed=fresh_seed())
        check_law(record, rates, n_cases=72)


def check_law(record, rates, n_cases: int = 1) -> None:
    fit = poisson_fit(record.counts, rates)
    print("chi-square", fit)
    assert fit.p_value > FALSE_ALARM / n_cases
    rate = rates.flat[0]
    if rate:
        # A second route: the mean and the variance, each within 6 standard errors.
        n = rates.size
        assert abs(record.counts.mean() - rate) < STANDARD_ERRORS * np.sqrt(rate / n)
        error = np.sqrt((rate + 2 * rate**2) / n)
        assert abs(record.counts.var() - rate) < STANDARD_ERRORS * error


@pytest.mark.parametrize("target", TARGETS)
def test_a_window_of_one_step_is_exact(target):
    rates = np.tile(RATES, (20_000, 1))
    record = simulate(rates, n_steps=1, seed=fresh_seed(), device=target)
    assert poisson_fit(record.counts, rates).p_value > FALSE_ALARM


@pytest.mark.parametrize("duration", [1 * ms, 0.3 * second, 20 * second])
def test_rates_are_per_window_whatever_its_duration(duration):
    rates = np.tile(RATES, (5000, 1))
    record = simulate(rates, window=duration, seed=fresh_seed())
    assert record.window_s == pytest.approx(float(duration))
    assert poisson_fit(record.counts, rates).p_value > FALSE_ALARM


@pytest.mark.parametrize("target", TARGETS)
def test_spike_times_and_counts_agree(target):
    """Two routes to the same number, at a step so coarse that most spikes wait for the end."""
    rates = np.tile([0.0, 0.3, 3.0, 30.0], (500, 1))
    record = simulate(
        rates, window=2 * second, n_steps=5, seed=fresh_seed(), device=target, record="times"
    )
    spikes = record.spikes
    counted = np.zeros(rates.shape, dtype=int)
    np.add.at(counted, (spikes.stimulus, spikes.latent), 1)
    np.testing.assert_array_equal(counted, record.counts)
    assert (spikes.time >= 0).all()
    assert (spikes.time <= 2).all()
    # Sorted by stimulus, then by time.
    order = np.lexsort((spikes.time, spikes.stimulus))
    np.testing.assert_array_equal(order, np.arange(len(spikes)))


@pytest.mark.parametrize("target", ["numpy", COMPILED])
@pytest.mark.parametrize("n_steps", [3, 100])
def test_spike_times_are_uniform_and_intervals_exponential(n_steps, target):
    """Poisson processes: arrivals are uniform in the window, and independent of the counts."""
    rates = np.full((20_000, 1), 8.0)
    record = simulate(rates, n_steps=n_steps, seed=fresh_seed(), record="times", device=target)
    spikes = record.spikes
    assert kstest(spikes.time, "uniform").pvalue > FALSE_ALARM
    # Stimuli are windows of one process of rate 8: the wait for the first spike, where there
    # is one, is an exponential cut off at the end of the window.
    _, first = np.unique(spikes.stimulus, return_index=True)
    waits = spikes.time[first]
    probability = -np.expm1(-8 * waits) / -np.expm1(-8.0)
    assert kstest(probability, "uniform").pvalue > FALSE_ALARM
    # Counts in the two halves are independent Poisson numbers.
    half = np.zeros((len(rates), 2), dtype=int)
    np.add.at(half, (spikes.stimulus, (spikes.time >= 0.5).astype(int)), 1)
    assert poisson_fit(half, np.full(half.shape, 4.0)).p_value > FALSE_ALARM
    covariance = ((half[:, 0] - 4) * (half[:, 1] - 4)).mean()
    assert abs(covariance) < 5 * 4 / np.sqrt(len(rates))


@pytest.mark.parametrize("target", TARGETS)
def test_same_seed_same_counts_and_times(target):
    rates = np.tile(RATES, (50, 1))
    first = simulate(rates, seed=5, device=target, record="times")
    again = simulate(rates, seed=5, device=target, record="times")
    counts_only = simulate(rates, seed=5, device=target)
    other = simulate(rates, seed=6, device=target)
    np.testing.assert_array_equal(first.counts, again.counts)
    np.testing.assert_array_equal(first.spikes.time, again.spikes.time)
    np.testing.assert_array_equal(first.counts, counts_only.counts)
    assert (first.counts != other.counts).any()


def test_other_seeds_are_independent():
    """The correlation of counts of neighbouring seeds is that of independent numbers."""
    rates = np.full((200, 100), 2.0)
    scores = [(simulate(rates, seed=s).counts - 2.0) / np.sqrt(2.0) for s in (10, 11, 12)]
    for a, b in ((0, 1), (1, 2), (0, 2)):
        assert abs((scores[a] * scores[b]).mean()) < 5 / np.sqrt(rates.size)


def test_auto_follows_the_size_of_the_job(monkeypatch):
    small, large = (10, 100), (10**7, 100)
    poisson = pvae_brian.Poisson()
    assert devices.choose_device("auto", poisson, *small) == "numpy"
    monkeypatch.setattr(devices, "has_compiler", lambda: True)
    assert devices.choose_device("auto", poisson, *large) == "cpp_standalone"
    monkeypatch.setattr(devices, "has_compiler", lambda: False)
    assert devices.choose_device("auto", poisson, *large) == "numpy"


def test_the_record_says_how_it_was_made():
    record = simulate([[1.0, 2.0]], window=0.5 * second, n_steps=20, seed=9)
    assert isinstance(record, SpikeRecord)
    assert (record.n_stimuli, record.n_latents) == (1, 2)
    assert (record.window_s, record.n_steps, record.dt_s) == (0.5, 20, 0.025)
    assert record.window == 0.5 * second
    assert (record.seed, record.device) == (9, "numpy")
    assert record.versions["brian2"] == brian2.__version__
    assert record.versions["pvae_brian"] == pvae_brian.__version__
    np.testing.assert_array_equal(record.rates, [[1.0, 2.0]])
    with pytest.raises(ValueError, match="record='times'"):
        record.spikes  # noqa: B018


@settings(max_examples=15, deadline=None)
@given(
    rates=arrays(
        float,
        st.tuples(st.integers(1, 5), st.integers(1, 5)),
        elements=st.just(0.0) | st.floats(1e-300, 1e4),
    ),
    n_steps=st.integers(1, 20),
)
def test_any_rates_give_counts_of_their_shape(rates, n_steps):
    record = simulate(rates, n_steps=n_steps, record="times")
    assert record.counts.shape == rates.shape
    assert (record.counts >= 0).all()
    assert not record.counts[rates == 0].any()
    assert len(record.spikes) == record.counts.sum()


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ([[-0.1]], r"not negative; got -0.1 for stimulus 0, latent 0"),
        ([[1.0, np.nan]], r"got nan for stimulus 0, latent 1"),
        ([[np.inf]], "got inf"),
        ([1.0, 2.0], r"pass rates\[None, :\]"),
        (np.zeros((0, 4)), "at least one stimulus"),
        (np.zeros((4, 0)), "at least one stimulus"),
        ([["a"]], "real numbers"),
        ([[1j]], "real numbers"),
        ([[2e9]], "counts would overflow"),
    ],
)
def test_bad_rates(rates, message):
    with pytest.raises(ValueError, match=message):
        simulate(rates)


@pytest.mark.parametrize("window", [1, 1.0, 1 * mV])
def test_a_window_without_a_unit_of_time(window):
    with pytest.raises(DimensionMismatchError, match="time with its unit, such as 1"):
        simulate([[1.0]], window=window)


@pytest.mark.parametrize("window", ["a second", None, {}])
def test_a_window_that_is_no_number(window):
    with pytest.raises(TypeError, match="window must be a time such as 1"):
        simulate([[1.0]], window=window)


def test_a_window_of_several_times():
    with pytest.raises(ValueError, match="single time"):
        simulate([[1.0]], window=[1, 2] * second)


@pytest.mark.parametrize(
    ("keywords", "error", "message"),
    [
        ({"window": 0 * second}, ValueError, "positive, finite time, got 0. "),
        ({"window": -1 * second}, ValueError, "positive, finite time"),
        ({"n_steps": 0}, ValueError, "n_steps must be at least 1, got 0"),
        ({"n_steps": 2.5}, TypeError, "n_steps must be an integer, got 2.5"),
        ({"seed": -1}, ValueError, "seed must lie between"),
        ({"seed": "x"}, TypeError, "seed must be an integer"),
        ({"device": "gpu"}, ValueError, "device must be one of 'auto', 'numpy', 'cython', 'cpp"),
        ({"n_workers": 0}, ValueError, "n_workers must be at least 1"),
        ({"neuron": "lif"}, ValueError, "neuron must be one of 'poisson', 'bernoulli'"),
        ({"neuron": 3}, TypeError, "neuron must be a name"),
        ({"neuron": "refractory"}, ValueError, "needs an absolute or a relative period"),
        ({"neuron": "sampler", "device": "cython"}, ValueError, "drawn by numpy"),
        ({"record": "voltage"}, ValueError, "record must be one of"),
    ],
)
def test_bad_settings(keywords, error, message):
    with pytest.raises(error, match=message):
        simulate([[1.0]], **keywords)
