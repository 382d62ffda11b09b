"""Blocks, parts and workers leave no trace in a record; nor does where it is kept."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import SpikeRecord, simulate
from pvae_brian.engine import block, devices
from pvae_brian.measures.goodness import poisson_fit

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_seed
from .marks import COMPILED, TARGETS, needs_compiler


@needs_compiler
@pytest.mark.parametrize("n_workers", [2, 7])
def test_workers_change_nothing(n_workers, monkeypatch):
    """Blocks of work end in any order, on any worker, and yet the record is the same."""
    monkeypatch.setattr(devices, "cores", lambda: 7)
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
