"""SpikeRecord: what it holds, and one file that never needs unpickling.

`make_record` and `records` make the records of the other tests of spikes too, without an engine.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import pickle

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import SpikeRecord, SpikeTimes
from pvae_brian.neurons import Bernoulli, NeuronModel, Poisson, Refractory, Sampler

NEURONS = [Poisson(), Bernoulli(), Sampler(), Refractory(0.1 * ms), Refractory(2 * ms, 0.3 * ms)]


def make_record(counts, seed=0, with_times=True, **settings) -> SpikeRecord:
    """Make a record of given counts, with spike times that meet at both ends and in between."""
    counts = np.array(counts, dtype=np.int32)
    generator = np.random.default_rng(seed)
    settings = {
        "window_s": 1.0,
        "n_steps": 100,
        "seed": 0,
        "device": "numpy",
        "versions": {"numpy": "2"},
    } | settings
    times = None
    if with_times:
        neuron = np.repeat(np.arange(counts.size), counts.ravel())
        fraction = generator.random(len(neuron))
        is_round = generator.random(len(neuron)) < 0.5
        fraction[is_round] = generator.integers(0, 11, is_round.sum()) / 10
        time = fraction * settings["window_s"]
        stimulus, latent = np.divmod(neuron.astype(np.int32), np.int32(counts.shape[1]))
        order = np.lexsort((time, stimulus))
        times = SpikeTimes(stimulus[order], latent[order], time[order])
    rates = counts + generator.random(counts.shape)
    return SpikeRecord(counts=counts, rates=rates, times=times, **settings)


_ALWAYS = st.just(True)


@st.composite
def records(draw, with_times=_ALWAYS):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 4)))
    n = shape[0] * shape[1]
    counts = draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))
    return make_record(
        np.reshape(counts, shape),
        seed=draw(st.integers(0, 2**32 - 1)),
        with_times=draw(with_times),
        window_s=draw(st.floats(1e-6, 1e6)),
        n_steps=draw(st.integers(1, 10**12)),
        device=draw(st.sampled_from(["numpy", "cython", "cpp_standalone"])),
        versions=draw(st.dictionaries(st.text(), st.text(), max_size=3)),
        neuron=draw(st.sampled_from(NEURONS)),
    )


def assert_same(one: SpikeRecord, other: SpikeRecord) -> None:
    """Assert that two records agree in every bit."""
    for field in dataclasses.fields(SpikeRecord):
        before, after = getattr(one, field.name), getattr(other, field.name)
        if field.name == "times":
            before, after = (None if times is None else times.arrays() for times in (before, after))
            assert (before is None) == (after is None)
            pairs = [] if before is None else [(before[name], after[name]) for name in before]
        elif isinstance(before, np.ndarray):
            pairs = [(before, after)]
        else:
            assert before == after
            continue
        for a, b in pairs:
            assert (a.dtype, a.shape) == (b.dtype, b.shape)
            assert a.tobytes() == b.tobytes()


@pytest.fixture(scope="module")
def record():
    return make_record([[0, 3], [20, 1]])


@given(record=records(with_times=st.booleans()))
@settings(deadline=None)
def test_round_trip_keeps_every_bit(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "record.npz"
    record.save(path)
    assert_same(SpikeRecord.load(path), record)


def test_a_record_of_counts_loads_without_times(tmp_path):
    make_record([[1]], with_times=False).save(tmp_path / "record.npz")
    loaded = SpikeRecord.load(tmp_path / "record.npz")
    with pytest.raises(ValueError, match="counts only"):
        loaded.spikes  # noqa: B018


def test_any_name_is_kept(record, tmp_path):
    """numpy would add an ending of its own."""
    record.save(tmp_path / "record")
    assert (tmp_path / "record").exists()


def test_numpy_reads_it_without_pickles(record, tmp_path):
    record.save(tmp_path / "record.npz")
    with np.load(tmp_path / "record.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["counts"], record.counts)


def test_other_integers_are_saved_as_the_documented_ones(record, tmp_path):
    wide = dataclasses.replace(record, counts=record.counts.astype(np.int64), n_steps=np.int64(100))
    wide.save(tmp_path / "record.npz")
    assert_same(SpikeRecord.load(tmp_path / "record.npz"), record)


def test_an_existing_file_needs_force(record, tmp_path):
    path = tmp_path / "record.npz"
    record.save(path)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="--force"):
        record.save(path)
    assert path.read_bytes() == before
    record.save(path, force=True)


def old_settings(record) -> dict:
    names = ("window_s", "n_steps", "seed", "device", "versions")
    return {name: getattr(record, name) for name in names}


def test_a_file_of_format_1_is_of_poisson_neurons(record, tmp_path):
    np.savez_compressed(
        tmp_path / "old.npz",
        format="pvae_brian spike record 1",
        settings=json.dumps(old_settings(record)),
        counts=record.counts,
        rates=record.rates,
        **record.spikes.arrays(),
    )
    loaded = SpikeRecord.load(tmp_path / "old.npz")
    assert loaded.neuron == Poisson()
    assert_same(loaded, record)


def test_what_could_not_be_read_back_is_not_saved(record, tmp_path):
    class Mine(NeuronModel):
        name = "mine"

    for change, message in [
        ({"neuron": Mine()}, "no neuron model named 'mine'"),
        ({"window_s": float("nan")}, "window_s"),
        ({"n_steps": 0}, "n_steps"),
    ]:
        with pytest.raises(ValueError, match=message):
            dataclasses.replace(record, **change).save(tmp_path / "record.npz")
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        SpikeRecord.load(tmp_path / "none.npz")


def test_another_archive(tmp_path):
    np.savez(tmp_path / "other.npz", counts=np.zeros(3))
    np.save(tmp_path / "other.npy", np.zeros(3))
    for name in ("other.npz", "other.npy"):
        with pytest.raises(ValueError, match="not a readable spike record"):
            SpikeRecord.load(tmp_path / name)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_is_not_run(tmp_path):
    marker = tmp_path / "marker"
    (tmp_path / "trap.npz").write_bytes(pickle.dumps(Trap(marker)))
    np.savez(tmp_path / "inside.npz", format=np.array([Trap(marker)], dtype=object))
    for name in ("trap.npz", "inside.npz"):
        with pytest.raises(ValueError, match="not a readable spike record"):
            SpikeRecord.load(tmp_path / name)
    assert not marker.exists()


@given(data=st.data())
@settings(deadline=None)
def test_a_cut_file_is_refused(record, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "record.npz"
    record.save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match="not a readable spike record"):
        SpikeRecord.load(path)


@given(data=st.data())
@settings(deadline=None)
def test_a_changed_byte_is_refused_or_does_not_matter(record, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "record.npz"
    record.save(path)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    # Such as the date of a file in the archive does not matter.
    with contextlib.suppress(ValueError):
        assert_same(SpikeRecord.load(path), record)


def test_hostile_values_are_refused(record, tmp_path):
    honest = {
        "format": np.array("pvae_brian spike record 2"),
        "settings": np.array(json.dumps(old_settings(record) | {"neuron": {"name": "poisson"}})),
        "counts": record.counts,
        "rates": record.rates,
        **record.spikes.arrays(),
    }
    path = tmp_path / "record.npz"
    np.savez(path, **honest)
    assert_same(SpikeRecord.load(path), record)

    def with_entry(name, value, at=0):
        changed = honest[name].copy()
        changed.flat[at] = value
        return {name: changed}

    def with_setting(name, value):
        return {
            "settings": np.array(json.dumps(json.loads(str(honest["settings"])) | {name: value}))
        }

    last = len(record.spikes) - 1
    silent = np.zeros_like(record.counts)
    lies = {
        "time is not a file": {"time": None, **with_setting("n_spikes", 24)},
        "another kind": {"format": np.array("pvae_brian spike record 99")},
        "": {"settings": np.array("[]")},
        "lack": {"settings": np.array("{}")},
        "unknown": with_setting("extra", 1),
        "window_s cannot": with_setting("window_s", -1.0),
        "window_s cannot be 'inf'": with_setting("window_s", "inf"),
        "window_s cannot be inf": with_setting("window_s", float("inf")),
        "n_steps": with_setting("n_steps", 0),
        "n_steps cannot be True": with_setting("n_steps", True),
        "n_steps cannot be 2.5": with_setting("n_steps", 2.5),
        "seed": with_setting("seed", 2**32),
        "device": with_setting("device", 3),
        "versions": with_setting("versions", {"numpy": 2}),
        "neuron": with_setting("neuron", "poisson"),
        "neuron cannot": with_setting("neuron", {"name": []}),
        "no neuron model named": with_setting("neuron", {"name": "os.system"}),
        "bad parameters": with_setting("neuron", {"name": "poisson", "rate": 2}),
        "counts must be int32": {"counts": record.counts.astype(float)},
        "no table": {"counts": record.counts[0]},
        "differ": {"rates": record.rates[:1]},
        "counts must not": with_entry("counts", -1),
        "rates must": with_entry("rates", np.nan),
        "rates must be finite": with_entry("rates", np.inf),
        "rates must be finite and": with_entry("rates", -0.5),
        "one stimulus, one latent": {"latent": record.spikes.latent[1:]},
        "one stimulus": {name: honest[name][None] for name in ("stimulus", "latent", "time")},
        "stimulus must be below 2": with_entry("stimulus", 2, last),
        "stimulus must be below": with_entry("stimulus", -1),
        "latent must be below 2": with_entry("latent", 2),
        "times must lie": with_entry("time", np.nan),
        "times must lie between": with_entry("time", -1e-300),
        "times must lie between 0": with_entry("time", 1.0000001, last),
        "sorted by stimulus": with_entry("stimulus", 1),
        "then by time": with_entry("time", record.spikes.time[-2] * 0.999, last),
        "not the numbers": {"counts": silent},
        "time must be float64": {"time": record.spikes.time.astype(np.float32)},
    }
    for message, lie in lies.items():
        entries = {name: entry for name, entry in (honest | lie).items() if entry is not None}
        np.savez(path, **entries)
        with pytest.raises(ValueError, match=f"not a readable spike record .*{message}"):
            SpikeRecord.load(path)


def test_the_prediction_is_that_of_the_neuron(record):
    rates = record.rates
    assert record.neuron == Poisson()
    np.testing.assert_array_equal(record.prediction.variance, rates)
    chance = rates / 100
    bernoulli = dataclasses.replace(record, neuron=Bernoulli())
    np.testing.assert_allclose(bernoulli.prediction.variance, 100 * chance * (1 - chance))
    assert bernoulli.prediction is bernoulli.prediction

    class Unknown(NeuronModel):
        def predict(self, rates, window_s, n_steps):
            return None

    assert dataclasses.replace(bernoulli, neuron=Unknown()).prediction is None


def test_frozen(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.seed = 3
