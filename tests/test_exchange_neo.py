"""Records as Neo blocks: every spike there and back, and Elephant measures what we measure."""

from __future__ import annotations

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import quantities as pq
from brian2 import ms, second
from hypothesis import given
from hypothesis import strategies as st

neo = pytest.importorskip("neo")

from pvae_brian import SpikeRecord, simulate  # noqa: E402
from pvae_brian.measures import (  # noqa: E402
    compute_isi_statistics,
    fano_factor,
    mean_firing_rate,
)
from pvae_brian.neurons import Refractory  # noqa: E402
from pvae_brian.spikes import RecordWriter  # noqa: E402

from .chance import fresh_seed  # noqa: E402
from .exchanged import extreme_records, with_equal_times  # noqa: E402
from .test_spikes import assert_same, make_record  # noqa: E402


@given(record=extreme_records())
def test_round_trip_keeps_every_bit(record):
    assert_same(SpikeRecord.from_neo(record.to_neo()), record)


@given(record=extreme_records(min_size=1), data=st.data())
def test_a_part_is_that_part(record, data):
    stimuli = data.draw(st.slices(record.n_stimuli))
    part = record[stimuli]
    assert_same(SpikeRecord.from_neo(part.to_neo()), part)


def test_equal_times_come_back_in_the_order_of_latents():
    again = SpikeRecord.from_neo(with_equal_times().to_neo())
    assert again.spikes.latent.tolist() == [0, 1, 2]
    assert again.spikes.time.tolist() == [0.5, 0.5, 0.5]


@pytest.fixture(scope="module")
def record():
    return make_record(
        [[0, 3, 1], [20, 0, 0]], window_s=2.0, seed=5, neuron=Refractory(2 * ms, 0.3 * ms)
    )


def test_a_block_has_a_segment_per_stimulus_and_a_train_per_latent(record):
    block = record.to_neo()
    assert len(block.segments) == 2
    for stimulus, segment in enumerate(block.segments):
        assert segment.block is block
        assert segment.index == segment.annotations["stimulus"] == stimulus
        assert len(segment.spiketrains) == 3
        for latent, (train, expected) in enumerate(
            zip(segment.spiketrains, record.raster(stimulus), strict=True)
        ):
            assert train.segment is segment
            assert train.units == pq.s
            assert (train.t_start, train.t_stop) == (0 * pq.s, 2 * pq.s)
            np.testing.assert_array_equal(train.magnitude, expected)
            expected_annotations = {
                "stimulus": stimulus,
                "latent": latent,
                "rate": record.rates[stimulus, latent],
            }
            assert expected_annotations.items() <= train.annotations.items()


def test_a_block_says_how_it_was_made(record):
    assert record.to_neo().annotations == {
        "format": "pvae_brian spike record 2",
        "window_s": 2.0,
        "n_steps": 100,
        "dt_s": 0.02,
        "n_latents": 3,
        "seed": 0,
        "device": "numpy",
        "versions.numpy": "2",
        "neuron.name": "refractory",
        "neuron.absolute": 0.002,
        "neuron.relative": 0.0003,
    }


def test_a_block_is_a_copy(record):
    before = record.spikes.time.copy()
    block = record.to_neo()
    block.segments[1].spiketrains.multiplexed[1][:] = 0 * pq.s
    for train in record.to_neo().segments[0].spiketrains:
        train[:] = 0 * pq.s
    np.testing.assert_array_equal(record.spikes.time, before)


@pytest.mark.parametrize("was_looked_at", [False, True])
@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda block: pickle.loads(pickle.dumps(block))]
)
def test_copies_and_pickles_of_a_block_are_whole(duplicate, was_looked_at, record):
    block = record.to_neo()
    if was_looked_at:
        assert all(len(list(segment.spiketrains)) == 3 for segment in block.segments)
    assert_same(SpikeRecord.from_neo(duplicate(block)), record)


def test_a_file_of_neo_keeps_it(record, tmp_path):
    from neo.io import PickleIO

    PickleIO(tmp_path / "block.pkl").write_block(record.to_neo())
    assert_same(SpikeRecord.from_neo(PickleIO(tmp_path / "block.pkl").read_block()), record)


def test_numbers_of_numpy_are_numbers(record):
    """Files of Neo give them back as such."""
    block = record.to_neo()
    for name in ("window_s", "n_steps", "seed", "n_latents"):
        block.annotations[name] = np.array([block.annotations[name]])[0]
    assert_same(SpikeRecord.from_neo(block), record)


def test_a_record_on_disk_becomes_a_block(record, tmp_path):
    with RecordWriter(tmp_path / "record", *record.counts.shape, with_times=True) as writer:
        writer.counts[:], writer.rates[:] = record.counts, record.rates
        writer.append(record.spikes)
        names = ("window_s", "n_steps", "seed", "device", "versions", "neuron")
        on_disk = writer.finish(**{name: getattr(record, name) for name in names})
    assert_same(SpikeRecord.from_neo(on_disk.to_neo()), record)


def test_counts_alone_make_no_trains():
    with pytest.raises(ValueError, match="record='times'"):
        make_record([[1]], with_times=False).to_neo()


def test_another_thing_is_refused(record):
    with pytest.raises(TypeError, match=r"takes a neo.Block, got Segment"):
        SpikeRecord.from_neo(record.to_neo().segments[0])


def annotate(name, value):
    return lambda block: block.annotations.update({name: value})


def of_train(**annotations):
    return lambda block: block.segments[0].spiketrains[1].annotations.update(annotations)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda block: block.annotations.clear(), "no annotation n_latents"),
        (lambda block: block.annotations.pop("format"), "another kind"),
        (lambda block: block.annotations.pop("seed"), "lack .*seed"),
        (annotate("seed", -1), "seed cannot be -1"),
        (annotate("window_s", 0.1), "between 0 and the window"),
        (annotate("neuron.name", "izhikevich"), "no neuron model named 'izhikevich'"),
        (annotate("n_latents", 4), "segment 0 must have a spike train for each of 4 latents"),
        (lambda block: block.segments.__setitem__(0, block.segments[1]), "stimulus 0, got 1"),
        (lambda block: block.segments[0].spiketrains.append(neo.SpikeTrain([], 1, "s")), "got 4"),
        (of_train(latent=2), "latent 1, got 2; select stimuli and latents in the record"),
        (of_train(rate=None), "its rate, a float, got None"),
        (of_train(rate=-1.0), "rates must be finite"),
    ],
)
def test_a_changed_block_is_refused(damage, message, record):
    block = record.to_neo()
    damage(block)
    with pytest.raises(ValueError, match=f"no spike record .*{message}.*to_neo"):
        SpikeRecord.from_neo(block)


def test_a_neuron_model_of_ones_own_is_refused():
    @dataclasses.dataclass(frozen=True)
    class Own(Refractory):
        name = "own"

    with pytest.raises(ValueError, match="no neuron model named 'own'"):
        make_record([[1]], neuron=Own(1 * ms)).to_neo()


# The same numbers by two packages.


@pytest.fixture(scope="module")
def simulated():
    rates = [[40.0, 8.0, 0.0], [20.0, 12.0, 0.5], [60.0, 30.0, 4.0]] * 5
    return simulate(rates, window=2 * second, record="times", seed=fresh_seed())


def test_elephant_measures_the_same_rates_and_fano_factors(simulated):
    statistics = pytest.importorskip("elephant.statistics")
    block = simulated.to_neo()
    trains = [list(segment.spiketrains) for segment in block.segments]
    rates_hz = [
        [float(statistics.mean_firing_rate(train).rescale("Hz")) for train in row] for row in trains
    ]
    np.testing.assert_allclose(rates_hz, simulated.counts / 2.0)
    np.testing.assert_allclose(
        np.mean(rates_hz, axis=0), mean_firing_rate(simulated).value, rtol=1e-12
    )
    fano = [statistics.fanofactor(list(column)) for column in zip(*trains, strict=True)]
    np.testing.assert_allclose(fano, fano_factor(simulated.counts), rtol=1e-12)


def test_elephant_measures_the_same_intervals(simulated):
    statistics = pytest.importorskip("elephant.statistics")
    ours = compute_isi_statistics(simulated)
    block = simulated.to_neo()
    assert len(ours.stimulus) > 15
    for k, (stimulus, latent) in enumerate(zip(ours.stimulus, ours.latent, strict=True)):
        intervals = statistics.isi(block.segments[stimulus].spiketrains[latent])
        assert statistics.cv(intervals) == pytest.approx(ours.cv_per_train[k], rel=1e-9)
        assert statistics.cv2(intervals) == pytest.approx(ours.cv2_per_train[k], rel=1e-9)


def test_elephant_takes_the_block_as_trials(simulated):
    trials = pytest.importorskip("elephant.trials")
    found = trials.TrialsFromBlock(simulated.to_neo())
    assert found.n_trials == simulated.n_stimuli
    assert set(found.n_spiketrains_trial_by_trial) == {simulated.n_latents}
