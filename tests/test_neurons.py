"""LatentNeurons: a native Brian2 group with exact counts, on every device."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from brian2 import (
    Clock,
    DimensionMismatchError,
    Hz,
    Network,
    NeuronGroup,
    SpikeMonitor,
    StateMonitor,
    Synapses,
    ms,
    mV,
    network_operation,
    prefs,
    second,
    seed,
    start_scope,
)
from brian2.core.base import BrianObjectException
from brian2.utils.logger import catch_logs

from pvae_brian import LatentNeurons
from pvae_brian.measures.goodness import poisson_fit

from .marks import needs_compiler

# A chi-square test of right counts fails by chance once in a million runs.
FALSE_ALARM = 1e-6
RATES = [0.0, 0.05, 1.0, 5.0, 50.0, 148.0]


@pytest.fixture(params=["numpy", pytest.param("cython", marks=needs_compiler)])
def target(request):
    start_scope()
    before = prefs.codegen.target
    prefs.codegen.target = request.param
    yield request.param
    prefs.codegen.target = before


def run_once(rates, n_steps, window=1 * second, *extra):
    neurons = LatentNeurons(rates, window, clock=Clock(window / n_steps))
    Network(neurons, *extra).run(window)
    return neurons


def test_silent_neurons_never_fire(target):
    assert not run_once(np.zeros((3, 4)), 10).counts.any()


def test_counts_have_the_shape_of_the_rates(target):
    rates = np.zeros((3, 4))
    rates[1, 2] = 1000.0
    counts = run_once(rates, 10).counts
    assert counts.shape == (3, 4)
    assert counts.dtype.kind == "i"
    assert counts[1, 2] > 500
    assert counts.sum() == counts[1, 2]


def test_one_stimulus_one_latent(target):
    assert run_once([2.0], 10).counts.shape == (1, 1)


def test_fano_factor_and_mean_at_one_step_per_window(target):
    """The harshest time step: all spikes but the first are those that wait at the end."""
    rates = np.full((1, 20_000), 3.0)
    counts = run_once(rates, 1).counts
    assert poisson_fit(counts, rates).p_value > FALSE_ALARM


@pytest.mark.parametrize("n_steps", [7, 50, 1000])
def test_counts_are_poisson(target, n_steps):
    rates = np.tile(RATES, (20_000 if n_steps < 1000 else 5000, 1))
    counts = run_once(rates, n_steps).counts
    assert poisson_fit(counts, rates).p_value > FALSE_ALARM


def test_counts_stay_exact_over_several_windows(target):
    """Backlogs are counted at the end of each window, and the process goes on from there."""
    rates = np.tile(RATES, (10_000, 1))
    neurons = LatentNeurons(rates, 100 * ms, dt=10 * ms)
    network = Network(neurons)
    network.run(100 * ms)
    first = neurons.counts
    network.run(200 * ms)
    rest = neurons.counts - first
    assert poisson_fit(first, rates).p_value > FALSE_ALARM
    assert poisson_fit(rest, 2 * rates).p_value > FALSE_ALARM
    # Windows are independent: the covariance of their counts vanishes, in standard errors.
    both = (first - rates) * (rest - 2 * rates)
    error = np.sqrt((rates * 2 * rates).sum())
    assert abs(both.sum()) < 5 * error


def test_new_stimuli_between_runs(target):
    neurons = LatentNeurons([[0.0, 40.0]], 50 * ms, dt=1 * ms)
    network = Network(neurons)
    network.run(50 * ms)
    assert neurons.counts[0, 0] == 0
    assert neurons.counts[0, 1] > 0
    neurons.show([40.0, 0.0])
    assert not neurons.counts.any()
    network.run(50 * ms)
    assert neurons.counts[0, 0] > 0
    assert neurons.counts[0, 1] == 0


def test_a_stimulus_shown_in_the_middle_of_a_window_gets_a_window_of_its_own(target):
    rates = np.full((1, 20_000), 5.0)
    neurons = LatentNeurons(rates, 100 * ms, dt=20 * ms)
    network = Network(neurons)
    network.run(40 * ms)
    neurons.show(rates)
    network.run(100 * ms)
    assert poisson_fit(neurons.counts, rates).p_value > FALSE_ALARM


def test_monitors_and_synapses_see_every_emitted_spike(target):
    neurons = LatentNeurons([[20.0, 5.0, 0.0]], 1 * second, dt=1 * ms)
    readout = NeuronGroup(2, "v : volt", dt=1 * ms)
    weights = Synapses(neurons, readout, "w : volt", on_pre="v_post += w", dt=1 * ms)
    weights.connect()
    weights.w = "(1 + i + 10*j) * mV"
    monitor = SpikeMonitor(neurons, variables="arrival")
    trace = StateMonitor(readout, "v", record=True, dt=1 * ms)
    Network(neurons, readout, weights, monitor, trace).run(1 * second)
    emitted = np.bincount(monitor.i, minlength=3)
    # At the window's last step several may be counted where one is emitted.
    assert (emitted <= neurons.counts[0]).all()
    expected = emitted @ np.array([[1, 11], [2, 12], [3, 13]])
    np.testing.assert_allclose(readout.v / mV, expected, rtol=1e-9)


def test_arrivals_are_continuous_and_lie_in_their_step(target):
    """At a low rate per step hardly any arrival waits, so step and arrival agree."""
    monitor_dt = 1 * ms
    neurons = LatentNeurons(np.full((1, 2000), 5.0), 1 * second, dt=monitor_dt)
    monitor = SpikeMonitor(neurons, variables="arrival")
    Network(neurons, monitor).run(1 * second)
    lag = np.asarray(monitor.t / second) - np.asarray(monitor.arrival / second)
    # Emitted in the step that holds the arrival, or later, after others of the same neuron.
    assert (lag > -float(monitor_dt)).all()
    assert (lag <= 0).mean() > 0.98
    phase = np.asarray(monitor.arrival / ms) % 1.0
    assert len(np.unique(phase)) == len(phase)


def test_same_seed_same_counts(target):
    rates = np.tile(RATES, (100, 1))
    counts = []
    for number in (1, 1, 2):
        seed(number)
        counts.append(run_once(rates, 50).counts)
    np.testing.assert_array_equal(counts[0], counts[1])
    assert (counts[0] != counts[2]).any()


def test_names_of_the_user_are_no_conflict(target):
    """A script has its own window, rates and counts."""
    window, rates, counts = 1 * second, [1.0], 3  # noqa: F841
    with catch_logs() as logs:
        neurons = LatentNeurons(rates, window, dt=100 * ms)
        Network(neurons).run(window)
    assert not [message for _, name, message in logs if "conflict" in name]


STANDALONE = """
    import numpy as np
    from brian2 import *
    from pvae_brian import LatentNeurons
    from pvae_brian.measures.goodness import poisson_fit

    set_device('cpp_standalone', directory={directory!r}, build_on_run=False)
    seed({seed})
    rates = np.tile({rates}, (20_000, 1))
    neurons = LatentNeurons(rates, 1*second, dt=20*ms)
    readout = NeuronGroup(1, 'x : 1', dt=20*ms)
    weights = Synapses(neurons, readout, on_pre='x_post += 1', dt=20*ms)
    weights.connect(i=np.arange(600), j=0)
    monitor = SpikeMonitor(neurons, record=False)
    network = Network(neurons, readout, weights, monitor)
    network.run(0.5*second)
    neurons.show(rates[:, ::-1])
    network.run(1*second)
    device.build(directory={directory!r})
    counts = neurons.counts
    assert counts[:, -1].max() == 0, 'a silent neuron fired'
    assert readout.x[0] == monitor.count[:600].sum() > 0
    print(poisson_fit(counts, rates[:, ::-1]).p_value)
"""


@needs_compiler
@pytest.mark.slow
def test_standalone_counts_are_poisson_with_synapses_monitors_and_new_stimuli(tmp_path):
    """In a process of its own: a standalone device keeps its project for good."""
    script = textwrap.dedent(
        STANDALONE.format(
            directory=str(tmp_path / "project"),
            seed=np.random.SeedSequence().generate_state(1)[0],
            rates=RATES,
        )
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert float(result.stdout.split()[-1]) > FALSE_ALARM


@pytest.mark.parametrize(
    "rates",
    [[[-1.0]], [[np.nan]], [[np.inf]], np.zeros((0, 3)), np.zeros((2, 2, 2)), [["a"]], [[1e12]]],
)
def test_bad_rates(rates):
    with pytest.raises(ValueError, match=r"rates must|rates are"):
        LatentNeurons(rates, 1 * second)


def test_bad_windows():
    with pytest.raises(DimensionMismatchError):
        LatentNeurons([[1.0]], 1.0)
    with pytest.raises(DimensionMismatchError):
        LatentNeurons([[1.0]], 1 * mV)
    for window in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"window must be a positive, finite time"):
            LatentNeurons([[1.0]], window * second)


def test_a_window_that_is_no_multiple_of_the_step():
    neurons = LatentNeurons([[1.0]], 10 * ms, dt=3 * ms)
    with pytest.raises(BrianObjectException) as caught:
        Network(neurons).run(9 * ms)
    assert "multiple of the time step" in str(caught.value.__cause__)


def test_showing_another_number_of_stimuli():
    neurons = LatentNeurons([[1.0, 2.0]], 1 * second)
    with pytest.raises(ValueError, match=r"shape \(1, 2\), got \(2, 2\)"):
        neurons.show(np.ones((2, 2)))


def mean_count(network, neurons, duration=100 * ms):
    network.run(duration)
    return neurons.counts.mean()


FIVE = np.full((100, 100), 5.0)
# Five standard errors of the mean of 10 000 counts.
MARGIN = 5 * np.sqrt(5 / FIVE.size)


def test_networks_one_after_another_start_their_windows_anew(target):
    """The default clock still shows the end of the run before when a group is made."""
    for _ in range(3):
        neurons = LatentNeurons(FIVE, 100 * ms)
        assert abs(mean_count(Network(neurons), neurons) - 5) < MARGIN


@pytest.mark.parametrize("elapsed", [30 * ms, 200 * ms])
def test_a_stale_clock_does_not_matter(target, elapsed):
    Network(NeuronGroup(1, "v : 1")).run(elapsed)
    neurons = LatentNeurons(FIVE, 100 * ms)
    assert abs(mean_count(Network(neurons), neurons) - 5) < MARGIN


@pytest.mark.parametrize("elapsed", [30 * ms, 200 * ms])
def test_a_group_added_to_a_network_that_has_run(target, elapsed):
    network = Network(NeuronGroup(1, "v : 1", dt=1 * ms))
    network.run(elapsed)
    neurons = LatentNeurons(FIVE, 100 * ms, dt=1 * ms)
    network.add(neurons)
    assert abs(mean_count(network, neurons) - 5) < MARGIN
    np.testing.assert_allclose(neurons.shown, elapsed)


@pytest.mark.parametrize("when", ["before the first run", "in the middle of a window"])
def test_restored_trials_are_independent(target, when):
    rates = np.full((1, 2000), 0.5)
    neurons = LatentNeurons(rates, 100 * ms, dt=1 * ms)
    network = Network(neurons)
    if when == "in the middle of a window":
        network.run(20 * ms)
    network.store()
    first = neurons.counts
    trials = []
    for _ in range(20):
        network.restore()
        network.run(100 * ms - network.t)
        trials.append(neurons.counts[0] - first[0])
    share = 1.0 if when == "before the first run" else 0.8
    expected = np.full((20, 2000), 0.5 * share)
    trials = np.array(trials)
    assert poisson_fit(trials, expected).p_value > FALSE_ALARM
    # Successive trials of a neuron are uncorrelated, in standard errors.
    product = (trials[1:] - expected[1:]) * (trials[:-1] - expected[:-1])
    assert abs(product.mean()) < 5 * 0.5 * share / np.sqrt(product.size)


def test_a_seed_set_after_construction_makes_a_run_repeatable(target):
    counts = []
    for _ in range(2):
        neurons = LatentNeurons([RATES], 100 * ms, dt=1 * ms)
        seed(7)
        Network(neurons).run(100 * ms)
        counts.append(neurons.counts)
    np.testing.assert_array_equal(*counts)


@pytest.mark.parametrize("before", [5.0, 0.0])
def test_a_changed_rate_holds_from_the_next_run_on(target, before):
    neurons = LatentNeurons(np.full(FIVE.shape, before), 100 * ms, dt=1 * ms)
    neurons.rate = 50 * Hz
    assert abs(mean_count(Network(neurons), neurons) - 5) < MARGIN


def test_stimuli_shown_while_the_network_runs(target):
    neurons = LatentNeurons(np.zeros(FIVE.shape), 100 * ms, dt=1 * ms)

    @network_operation(dt=200 * ms)
    def change(t):
        if t > 0 * ms:
            neurons.show(FIVE)

    network = Network(neurons, change)
    network.run(200 * ms)
    assert not neurons.counts.any()
    assert abs(mean_count(network, neurons) - 5) < MARGIN


def test_rates_with_a_unit_are_refused():
    for rates in ([[50.0]] * Hz, [50.0] * Hz, 50 * Hz):
        with pytest.raises(DimensionMismatchError, match="rates carry no unit"):
            LatentNeurons(rates, 100 * ms)


class RunError(Exception):
    pass


@pytest.mark.parametrize("n_windows", [0, 3])
def test_a_run_that_ends_in_an_exception_leaves_a_group_that_works(target, n_windows):
    """As Ctrl-C in a notebook does: the next stimulus still gets a whole window."""
    rates = np.tile(RATES, (3000, 1))
    clock = Clock(0.02 * second)
    neurons = LatentNeurons(rates, clock=clock)
    fails_at = [n_windows + 0.5]

    @network_operation(clock=clock)
    def fail():
        if fails_at and clock.t_ > fails_at[0]:
            fails_at.clear()
            raise RunError

    network = Network(neurons, fail)
    network.store()
    network.run(n_windows * second)
    # Brian2 wraps what network operations raise.
    with pytest.raises((RunError, BrianObjectException)):
        network.run(1 * second)
    for restores in (False, True):
        if restores:
            network.restore()
        neurons.show(rates)
        network.run(1 * second)
        assert poisson_fit(neurons.counts, rates).p_value > FALSE_ALARM
