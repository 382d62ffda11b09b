"""simulate is a good guest: the user's Brian2, threads and preferences are left alone."""

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
    Network,
    NeuronGroup,
    SpikeMonitor,
    defaultclock,
    ms,
    prefs,
    seed,
    start_scope,
)
from brian2.devices.device import get_device

from pvae_brian import simulate

from .marks import TARGETS, needs_compiler

RATES = [0.0, 0.05, 1.0, 5.0, 50.0, 148.0]


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
