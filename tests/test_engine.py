"""simulate: exact counts and times, reproducible, and a good guest in the user's Brian2."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import brian2
import numpy as np
import pytest
from brian2 import (
    DimensionMismatchError,
    Network,
    NeuronGroup,
    SpikeMonitor,
    defaultclock,
    ms,
    mV,
    prefs,
    second,
    seed,
    start_scope,
)
from brian2.devices.device import get_device
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kstest

import pvae_brian
from pvae_brian import SpikeRecord, simulate
from pvae_brian.engine import block, devices
from pvae_brian.goodness import poisson_fit

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_seed
from .marks import needs_compiler

COMPILED = pytest.param("cpp_standalone", marks=needs_compiler)
TARGETS = ["numpy", pytest.param("cython", marks=needs_compiler), COMPILED]
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


@needs_compiler
@pytest.mark.parametrize("n_workers", [2, 7])
def test_workers_change_nothing(n_workers):
    """Blocks of work end in any order, on any worker, and yet the record is the same."""
    rates = np.random.default_rng(1).gamma(0.5, 4.0, (6000, 300))
    one, many = (
        simulate(rates, seed=3, device="cpp_standalone", record="times", n_workers=n)
        for n in (1, n_workers)
    )
    np.testing.assert_array_equal(one.counts, many.counts)
    for name, values in one.spikes.arrays().items():
        np.testing.assert_array_equal(values, many.spikes.arrays()[name])


@pytest.mark.parametrize("target", TARGETS)
def test_blocks_and_parts_leave_no_trace_but_the_random_numbers(target, monkeypatch):
    """More stimuli than fit in a block, more neurons than in a network, and both not full."""
    monkeypatch.setattr(block, "BLOCK", 40_000)
    monkeypatch.setattr(devices, "_RUNTIME_NEURONS", 5000)
    rates = np.tile([0.0, 0.05, 1.0, 5.0], (22_000, 1)) * (1 + np.arange(22_000)[:, None] % 3)
    record = simulate(rates, seed=fresh_seed(), record="times", device=target)
    assert poisson_fit(record.counts, rates).p_value > FALSE_ALARM
    counted = np.zeros(rates.shape, dtype=int)
    np.add.at(counted, (record.spikes.stimulus, record.spikes.latent), 1)
    np.testing.assert_array_equal(counted, record.counts)
    # Blocks draw different numbers: stimuli in the same place of two have independent counts.
    first, second = slice(0, 10_000), slice(10_000, 20_000)
    assert plan_of(*rates.shape, mean_rate=rates.mean()).stimuli(1) == second
    score = (record.counts[first] - rates[first]) * (record.counts[second] - rates[second])
    spread = np.sqrt((rates[first] * rates[second]).sum())
    assert abs(score.sum()) < STANDARD_ERRORS * spread


@pytest.mark.filterwarnings("ignore:Bernoulli neurons")
@pytest.mark.parametrize("target", TARGETS)
def test_the_networks_draws_are_their_own_in_each_part_and_job(target):
    """Bernoulli neurons, all of whose numbers are drawn in the network, in the order of neurons."""
    n = devices._RUNTIME_NEURONS if target != "cpp_standalone" else devices._COMPILED_NEURONS
    # As many neurons in a block as there are in three parts.
    rates = np.full((3, n), 5.0)
    parts = np.concatenate(
        [
            simulate(rates, n_steps=50, neuron="bernoulli", device=target, seed=seed).counts
            for seed in (327, 17516, fresh_seed())
        ]
    )
    correlation = np.corrcoef(parts)[np.triu_indices(9, k=1)]
    assert np.abs(correlation).max() < STANDARD_ERRORS / np.sqrt(n)


def test_one_stimulus_with_more_latents_than_a_block_holds(monkeypatch):
    monkeypatch.setattr(block, "BLOCK", 1000)
    rates = np.full((3, 5000), 2.0)
    record = simulate(rates, seed=fresh_seed())
    assert poisson_fit(record.counts, rates).p_value > FALSE_ALARM


def test_no_two_parts_of_any_jobs_share_a_seed():
    """Not even a word of it, in which case chance would make a few agree."""
    plans = [plan_of(3000, 700, seed=seed) for seed in range(20)]
    seeds = [plan.part_seed(block, part) for plan in plans for block in range(9) for part in (0, 1)]
    assert len(np.unique(seeds, axis=0)) == len(seeds) == 360
    assert all(seed.dtype == np.uint32 and len(seed) >= 4 for seed in seeds)


def test_blocks_hold_fewer_neurons_where_they_spike_more():
    quiet, busy, single = (plan_of(10_000, 512, mean_rate=rate) for rate in (0.3, 100.0, 1e9))
    assert quiet.stimuli_per_block == 512
    assert busy.stimuli_per_block * 512 * 100 < 1.1 * 2**20
    assert single.stimuli_per_block == 1
    assert [plan.stimuli(plan.n_blocks - 1).stop for plan in (quiet, busy, single)] == [10_000] * 3


@settings(max_examples=50, deadline=None)
@given(
    n=st.integers(0, 2000),
    n_stimuli=st.integers(1, 10) | st.integers(70_000, 200_000),
    coarse=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_fast_order_is_that_of_lexsort(n, n_stimuli, coarse, seed):
    generator = np.random.default_rng(seed)
    neuron = generator.integers(3 * n_stimuli, size=n, dtype=np.int32)
    time = generator.random(n)
    if coarse:
        # Many spikes that 32 bits of time do not tell apart.
        time = np.round(time, 1) + 1e-12 * generator.random(n)
    time = np.minimum(time, 1)
    cut = n // 3
    spikes = block.sorted_spikes(
        [neuron[:cut], neuron[cut:]], [time[:cut], time[cut:]], plan_of(n_stimuli, 3), 0
    )
    order = np.lexsort((time, neuron // 3))
    np.testing.assert_array_equal(spikes.time, time[order])
    np.testing.assert_array_equal(spikes.stimulus, neuron[order] // 3)
    np.testing.assert_array_equal(spikes.latent, neuron[order] % 3)


def plan_of(n_stimuli: int, n_latents: int, seed: int = 0, mean_rate: float = 1.0) -> block.Plan:
    return block.Plan(
        n_stimuli, n_latents, seed, 1.0, mean_rate, knows_arrivals=True, with_times=True
    )


@pytest.mark.parametrize("with_times", [True, False])
@pytest.mark.parametrize("target", ["numpy", COMPILED])
def test_a_record_on_disk_is_that_in_memory(target, with_times, tmp_path):
    rates = np.random.default_rng(2).gamma(0.5, 2.0, (3000, 200))
    np.save(tmp_path / "rates.npy", rates)
    mapped = np.load(tmp_path / "rates.npy", mmap_mode="r")
    keywords = {"seed": 8, "device": target, "record": "times" if with_times else "counts"}
    in_memory = simulate(rates, **keywords)
    on_disk = simulate(mapped, out=tmp_path / "record", **keywords)
    for record in (on_disk, SpikeRecord.load(tmp_path / "record")):
        assert isinstance(record.counts, np.memmap)
        np.testing.assert_array_equal(record.counts, in_memory.counts)
        np.testing.assert_array_equal(record.rates, rates)
        if with_times:
            for name, values in record.spikes.arrays().items():
                np.testing.assert_array_equal(values, in_memory.spikes.arrays()[name])
    with pytest.raises(FileExistsError):
        simulate(rates, out=tmp_path / "record", **keywords)


def test_nothing_is_written_for_bad_rates(tmp_path):
    with pytest.raises(ValueError, match="stimulus 1, latent 0"):
        simulate([[1.0], [-1.0]], out=tmp_path / "record")
    assert not list(tmp_path.iterdir())


LARGE_JOB = """
    import resource, sys
    import numpy as np
    from pvae_brian import simulate

    rates = np.random.default_rng(0).standard_gamma(0.5, size=(100_000, 512))
    rates *= 0.6
    record = simulate(rates, device={device!r})
    assert record.counts.shape == (100_000, 512)
    print(record.counts.mean() / rates.mean())
    # In kilobytes, but in bytes on macOS. Workers hold a few megabytes each.
    unit = 1 if sys.platform == "darwin" else 1024
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
"""


@needs_compiler
@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no resource module")
def test_a_large_job_fits_in_two_gigabytes():
    """51 million neurons: the rates twice (the caller's, and the record's), and the counts."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LARGE_JOB.format(device="cpp_standalone"))],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    ratio, peak = map(float, result.stdout.split())
    # The relative standard error of the mean count is 1/sqrt(total).
    assert abs(ratio - 1) < STANDARD_ERRORS / np.sqrt(0.3 * 100_000 * 512)
    assert peak < 2e9


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


@pytest.mark.parametrize("target", TARGETS)
def test_the_users_brian2_is_left_as_it_was(target, monkeypatch):
    start_scope()
    monkeypatch.setitem(prefs, "codegen.target", "numpy")
    defaultclock.dt = 0.5 * ms
    before = (prefs.as_file, get_device())
    mine = NeuronGroup(3, "v : 1", threshold="v > 0", reset="")
    monitor = SpikeMonitor(mine)
    mine.v = 1
    seed(3)
    expected = np.random.random(3)
    seed(3)
    simulate([[3.0]], device=target, seed=1)
    np.testing.assert_array_equal(np.random.random(3), expected)
    assert (prefs.as_file, get_device()) == before
    assert defaultclock.dt == 0.5 * ms
    # The magic network holds what the user made, and nothing else.
    brian2.run(1 * ms)
    assert monitor.num_spikes == 6
    defaultclock.dt = 0.1 * ms


@needs_compiler
def test_cython_streams_of_the_user_go_on_as_if_nothing_had_been_simulated(monkeypatch):
    """Cython code draws ahead into buffers that it frees; a mix-up crashes or repeats numbers."""
    start_scope()
    monkeypatch.setitem(prefs, "codegen.target", "cython")

    def draw(simulates: bool):
        group = NeuronGroup(50, "v : 1", threshold="v > 2", reset="")
        group.run_regularly("v = rand()", dt=0.1 * ms)
        network = Network(group)
        seed(11)
        values = []
        # Longer than a buffer of 20 000 numbers, so that buffers are freed and filled again.
        for _ in range(30):
            if simulates:
                simulate(np.full((20, 50), 30.0), n_steps=20, device="cython")
            network.run(2 * ms)
            values.append(np.array(group.v[:]))
        return np.array(values)

    np.testing.assert_array_equal(draw(True), draw(False))


@pytest.mark.parametrize("target", TARGETS)
def test_threads_get_what_each_would_get_alone(target):
    """Brian2's runtime is common to all threads: they wait for each other."""
    rates = np.random.default_rng(3).gamma(0.5, 4.0, (400, 100))

    def run(seed):
        return simulate(rates, seed=seed, device=target, record="times", n_steps=20)

    before = np.random.get_state()[1].tolist()
    alone = [run(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(run, [*range(4)] * 4))
    for k, record in enumerate(together):
        np.testing.assert_array_equal(record.counts, alone[k % 4].counts)
        np.testing.assert_array_equal(record.spikes.time, alone[k % 4].spikes.time)
    assert np.random.get_state()[1].tolist() == before
    assert defaultclock.dt == 0.1 * ms


@pytest.mark.parametrize("target", TARGETS)
def test_what_the_user_prefers_elsewhere_changes_nothing(target, monkeypatch, tmp_path):
    """Single precision, or another order of updates, and also from a file of preferences."""
    rates = np.tile(RATES, (500, 1))
    script = textwrap.dedent(f"""
        import numpy as np
        from brian2 import prefs
        from pvae_brian import simulate
        assert prefs["core.default_float_dtype"] is np.float32
        record = simulate(np.tile({RATES}, (500, 1)), seed=3, device={target!r}, record="times")
        np.savez("mine.npz", counts=record.counts, time=record.spikes.time)
    """)
    (tmp_path / "brian_preferences").write_text(
        "core.default_float_dtype = float32\n"
        "core.network.default_schedule = ['start', 'groups', 'resets', 'thresholds', 'synapses',"
        " 'end']\n"
    )
    home = tmp_path / ".brian"
    home.mkdir()
    (tmp_path / "brian_preferences").rename(home / "user_preferences")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PVAE_BRIAN_CACHE", str(tmp_path / "cache"))
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    monkeypatch.undo()
    expected = simulate(rates, seed=3, device=target, record="times")
    with np.load(tmp_path / "mine.npz") as mine:
        np.testing.assert_array_equal(mine["counts"], expected.counts)
        np.testing.assert_array_equal(mine["time"], expected.spikes.time)


def test_silence_is_simulated_without_a_word_or_a_thread(capfd):
    before = threading.active_count()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not simulate(np.zeros((3, 4))).counts.any()
        gc.collect()
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    assert threading.active_count() == before


INSIDE_STANDALONE = """
    from brian2 import *
    from brian2.devices.device import get_device
    import numpy as np
    import pvae_brian

    set_device('cpp_standalone', directory={directory!r})
    defaultclock.dt = 0.5*ms
    mine = NeuronGroup(2, 'v : 1', threshold='v > 0', reset='')
    mine.v = 1
    monitor = SpikeMonitor(mine)
    record = pvae_brian.simulate([[0.0, 30.0]], window=1*second, device={device!r})
    assert record.counts[0, 0] == 0 and record.counts[0, 1] > 0
    assert type(get_device()).__name__ == 'CPPStandaloneDevice', get_device()
    assert defaultclock.dt == 0.5*ms
    run(1*ms)
    assert monitor.num_spikes == 4, monitor.num_spikes
"""

BETWEEN_STANDALONE_RUNS = """
    from brian2 import *
    import pvae_brian

    set_device('cpp_standalone', directory={directory!r}, build_on_run=False)
    mine = NeuronGroup(2, 'v : 1', threshold='v > 0', reset='')
    mine.v = 1
    monitor = SpikeMonitor(mine)
    network = Network(mine, monitor)
    network.run(1.1*ms)
    pvae_brian.simulate([[0.0, 30.0]], device={device!r})
    network.run(1*ms)
    assert defaultclock.dt == 0.1*ms
    device.build(directory={directory!r})
    assert monitor.num_spikes == 42, monitor.num_spikes
"""


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("device", ["numpy", "cpp_standalone"])
@pytest.mark.parametrize("script", [INSIDE_STANDALONE, BETWEEN_STANDALONE_RUNS])
def test_simulate_inside_a_standalone_script(tmp_path, device, script):
    directory = str(tmp_path / "project")
    script = textwrap.dedent(script.format(directory=directory, device=device))
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr


def test_an_error_in_the_middle_leaves_the_users_state(monkeypatch):
    seed(4)
    expected = np.random.random(3)
    seed(4)

    def fail(*args, **keywords):
        raise KeyboardInterrupt

    monkeypatch.setattr(Network, "run", fail)
    with pytest.raises(KeyboardInterrupt):
        simulate([[3.0]])
    np.testing.assert_array_equal(np.random.random(3), expected)


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
