"""Mean and variance of the counts of refractory neurons."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import poisson

from pvae_brian.neurons.refractory import recovered_wait
from pvae_brian.neurons.renewal import predict_counts, recovery
from tests.chance import STANDARD_ERRORS, fresh_generator

_PERIODS = [(0.05, 0.0), (0.0, 0.05), (0.02, 0.03), (0.3, 1e-9), (0.4, 3.0)]


def _relative_error(actual, expected):
    return np.abs(np.asarray(actual) / expected - 1).max()


def _simulated_counts(generator, n, rate, absolute, relative):
    """Counts of n neurons, wait by wait."""
    time = generator.exponential(1 / rate, size=n)
    counts = np.zeros(n)
    while (time < 1).any():
        counts += time < 1
        time += absolute + recovered_wait(generator.exponential(1 / rate, size=n), relative)
    return counts


@pytest.mark.parametrize(("absolute", "relative"), [*_PERIODS, (0.0, 0.0), (1.0, 0.5), (7.0, 0.0)])
def test_silent_neuron_counts_nothing(absolute, relative):
    prediction = predict_counts(np.zeros((2, 3)), absolute, relative)
    assert (prediction.mean == 0).all()
    assert (prediction.variance == 0).all()
    assert np.isnan(prediction.fano).all()


@pytest.mark.parametrize("absolute", [1 - 1e-12, 1.0, 2.5])
@pytest.mark.parametrize("relative", [0.0, 0.3])
@pytest.mark.parametrize("n_rates", [20, 200])
def test_one_spike_at_most_where_the_period_fills_the_window(absolute, relative, n_rates):
    rates = np.geomspace(1e-12, 100, n_rates)
    prediction = predict_counts(rates, absolute, relative)
    chance = -np.expm1(-rates)
    assert _relative_error(prediction.mean, chance) < 1e-9
    assert np.abs(prediction.variance - chance * np.exp(-rates)).max() < 1e-9


@pytest.mark.parametrize("absolute", [0.0, 1e-300, 1e-12])
@pytest.mark.parametrize("relative", [0.0, 1e-300, 1e-12])
@pytest.mark.parametrize("n_rates", [20, 200])
def test_short_periods_leave_poisson_counts(absolute, relative, n_rates):
    rates = np.geomspace(1e-9, 1e3, n_rates)
    prediction = predict_counts(rates, absolute, relative)
    assert _relative_error(prediction.mean, rates) < 1e-7
    assert _relative_error(prediction.variance, rates) < 1e-7


@pytest.mark.parametrize("rate", [1e-6, 0.2, 3.0, 50.0])
def test_dead_time_agrees_with_poisson_tails(rate):
    # At least n spikes: as many of a Poisson neuron in what n - 1 dead times leave.
    absolute = 0.07
    chances = [poisson.sf(n - 1, rate * (1 - (n - 1) * absolute)) for n in range(1, 16)]
    mean = sum(chances)
    square = sum((2 * n - 1) * chance for n, chance in enumerate(chances, start=1))
    prediction = predict_counts(np.array(rate), absolute, 0.0)
    assert _relative_error(prediction.mean, mean) < 1e-12
    assert _relative_error(prediction.variance, square - mean**2) < 1e-10


@pytest.mark.parametrize("absolute", [0.002, 0.05, 0.23, 0.6])
def test_contour_integrals_agree_with_dead_time_sums(absolute):
    rates = np.geomspace(1e-8, 1e4, 40)
    closed, integrated = (predict_counts(rates, absolute, tau) for tau in (0.0, 1e-15))
    assert _relative_error(integrated.mean, closed.mean) < 1e-7
    assert np.abs(integrated.fano - closed.fano).max() < 1e-7


@pytest.mark.parametrize(("rate", "relative"), [(0.5, 0.01), (4.0, 0.3), (30.0, 5.0), (3.0, 400.0)])
def test_contour_integrals_agree_with_convolutions(rate, relative):
    absolute, n_steps = 0.1, 40_000
    # Chances of n spikes, from the density of the nth one on a grid, by the trapezoidal rule.
    step = 1 / n_steps
    s = np.arange(n_steps + 1) * step
    after = np.maximum(s - absolute, 0)
    recovery = -np.expm1(-after / relative)
    density = rate * recovery * np.exp(-rate * (after - relative * recovery))
    spike = rate * np.exp(-rate * s)
    size = 2 * len(s)
    chances = []
    for _ in range(10):
        chances.append(trapezoid(spike, dx=step))
        # The density starts at 0; of the spike's, half the first value counts.
        spike[0] /= 2
        spike = np.fft.irfft(np.fft.rfft(spike, size) * np.fft.rfft(density, size))[: len(s)] * step
    chances = np.array(chances)
    mean = chances.sum()
    variance = (2 * np.arange(1, 11) - 1) @ chances - mean**2
    prediction = predict_counts(np.array([rate]), absolute, relative)
    assert _relative_error(prediction.mean, mean) < 1e-6
    assert _relative_error(prediction.variance, variance) < 3e-6


@pytest.mark.parametrize(("absolute", "relative"), _PERIODS)
@pytest.mark.parametrize("rate", [0.3, 6.0, 80.0])
def test_agrees_with_simulated_counts(rate, absolute, relative):
    n = 100_000
    counts = _simulated_counts(fresh_generator(), n, rate, absolute, relative)
    prediction = predict_counts(np.array([rate]), absolute, relative)
    mean, variance = prediction.mean[0], prediction.variance[0]
    assert abs(counts.mean() - mean) < STANDARD_ERRORS * np.sqrt(variance / n)
    squares = (counts - mean) ** 2
    # A count that hardly ever differs says too little for a normal error.
    error = squares.std() / np.sqrt(n) + 10 / n * max(1, np.sqrt(variance))
    assert abs(squares.mean() - variance) < STANDARD_ERRORS * error


@pytest.mark.parametrize("relative", [0.0, 1e-12])
def test_long_windows_reach_the_renewal_limits(relative):
    # A million spikes of load rate*absolute = 1 would differ by 1e-6.
    load = np.array([0.1, 1.0, 4.0])
    rates = np.full(3, 1e5)
    for one_rate, one_load in zip(rates, load, strict=True):
        prediction = predict_counts(np.array([one_rate]), one_load / one_rate, relative)
        assert _relative_error(prediction.mean, one_rate / (1 + one_load)) < 1e-4
        assert _relative_error(prediction.fano, 1 / (1 + one_load) ** 2) < 1e-3


def test_slow_recovery_reaches_the_limits_of_rayleigh_intervals():
    # The hazard is rate*s/relative as long as s is far below relative.
    rate, relative = 1e7, 1.0
    prediction = predict_counts(np.array([rate]), 0.0, relative)
    assert _relative_error(prediction.mean, np.sqrt(2 * rate / (np.pi * relative))) < 1e-3
    assert _relative_error(prediction.fano, 4 / np.pi - 1) < 1e-2


@pytest.mark.parametrize(("absolute", "relative"), _PERIODS)
def test_series_agree_with_single_rates(absolute, relative):
    rates = fresh_generator().gamma(0.5, 40.0, size=(300, 7))
    few = rates[:5, :2]
    many, single = (predict_counts(r, absolute, relative) for r in (rates, few))
    assert _relative_error(many.mean[:5, :2], single.mean) < 1e-6
    assert np.abs(many.fano[:5, :2] - single.fano).max() < 1e-6


@pytest.mark.parametrize("relative", [0.0, 0.01])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (4,), (2, 3), (60, 2, 3)])
def test_shape_is_kept(shape, relative):
    rates = fresh_generator().gamma(1.0, 2.0, size=shape).astype(np.float32)
    prediction = predict_counts(rates, 0.01, relative)
    for values in (prediction.mean, prediction.variance):
        assert values.shape == shape
        assert values.dtype == np.float64


@given(
    rate=st.floats(0, 1e4),
    factor=st.floats(1.001, 10),
    absolute=st.floats(0, 1.5),
    relative=st.sampled_from([0.0, 1e-9, 1e-3, 0.02, 0.3]),
)
def test_counts_keep_within_bounds(rate, factor, absolute, relative):
    prediction = predict_counts(np.array([rate, rate * factor]), absolute, relative)
    slack = 1 + 1e-6
    assert (prediction.variance >= 0).all()
    assert (prediction.variance <= prediction.mean * slack).all()
    assert (prediction.mean <= np.array([rate, rate * factor]) * slack).all()
    assert prediction.mean[0] <= prediction.mean[1] * slack
    assert prediction.mean[1] * absolute <= (1 + absolute) * slack


@pytest.mark.parametrize(("rate", "relative"), [(20.0, 20.0), (1e4, 0.5)])
def test_fraction_goes_on_where_the_series_ends(rate, relative):
    heights = np.geomspace(12.1, 100, 50) * np.sqrt(rate / relative)
    series, fraction = (
        recovery._log_transform(real + 1j * heights, rate, relative) for real in (1e-9, -1e-9)
    )
    assert np.abs(np.exp(series - fraction) - 1).max() < 1e-8


def test_large_rates_are_quick_and_regular():
    prediction = predict_counts(np.array([1e9]), 0.0021, 0.0)
    assert prediction.mean == pytest.approx(477, rel=1e-12)
    assert prediction.variance == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("rates", [[-1.0], [np.nan], [np.inf]])
def test_impossible_rates_are_refused(rates):
    with pytest.raises(ValueError, match="rates must be finite"):
        predict_counts(np.array(rates), 0.1, 0.1)


@pytest.mark.parametrize(("absolute", "relative"), [(-0.1, 0.1), (0.1, np.nan), (np.inf, 0.0)])
def test_impossible_periods_are_refused(absolute, relative):
    with pytest.raises(ValueError, match="periods must be finite"):
        predict_counts(np.array([1.0]), absolute, relative)


def test_what_cannot_be_trusted_is_refused(monkeypatch):
    with pytest.raises(ArithmeticError, match="recovers too slowly"):
        predict_counts(np.array([1e12]), 0.0, 1e3)
    with pytest.raises(ArithmeticError, match="values"):
        predict_counts(np.array([1e13]), 0.0, 1e-16)
    monkeypatch.setattr(recovery, "_STEP", 1.0)
    with pytest.raises(ArithmeticError, match="two resolutions"):
        predict_counts(np.array([2.0]), 0.0, 0.1)
