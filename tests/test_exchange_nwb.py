"""Records as NWB files: every spike there and back, and what others find in the file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from brian2 import ms, second
from hypothesis import given, settings

pynwb = pytest.importorskip("pynwb")

from pvae_brian import SpikeRecord, simulate  # noqa: E402
from pvae_brian.neurons import Refractory  # noqa: E402

from .chance import fresh_seed  # noqa: E402
from .exchanged import extreme_records, with_equal_times  # noqa: E402
from .test_spikes import assert_same, make_record  # noqa: E402


@pytest.mark.slow
@given(record=extreme_records())
@settings(max_examples=15)
def test_round_trip_keeps_every_bit(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "record.nwb"
    record.to_nwb(path)
    assert_same(SpikeRecord.from_nwb(path), record)


def test_equal_times_come_back_in_the_order_of_latents(tmp_path):
    with_equal_times().to_nwb(tmp_path / "record.nwb")
    again = SpikeRecord.from_nwb(tmp_path / "record.nwb")
    assert again.spikes.latent.tolist() == [0, 1, 2]


def test_times_that_the_session_rounds_come_back_exactly(tmp_path):
    """Where it starts late, the session's own times have lost nearly half of their bits."""
    record = make_record([[0]] * 10_000 + [[50]], seed=fresh_seed(), window_s=100.0)
    record.spikes.time[:] *= 1e-9
    record.to_nwb(tmp_path / "record.nwb")
    assert_same(SpikeRecord.from_nwb(tmp_path / "record.nwb"), record)
    with pynwb.NWBHDF5IO(tmp_path / "record.nwb", "r") as reader:
        session = reader.read().units["spike_times"][0]
    assert not np.array_equal(session - 1e6, record.spikes.time)
    np.testing.assert_allclose(session - 1e6, record.spikes.time, atol=1e-9)


@pytest.fixture(scope="module")
def record():
    rates = [[8.0, 0.0, 2.0], [1.0, 0.0, 20.0], [0.5, 0.0, 3.0]]
    return simulate(
        np.array(rates),
        window=500 * ms,
        record="times",
        neuron=Refractory(2 * ms),
        seed=fresh_seed(),
    )


@pytest.fixture(scope="module")
def path(record, tmp_path_factory):
    path = tmp_path_factory.mktemp("session") / "record.nwb"
    record.to_nwb(path)
    return path


@pytest.fixture
def file(path):
    with pynwb.NWBHDF5IO(path, "r") as reader:
        yield reader.read()


def test_a_trial_is_the_window_of_a_stimulus(record, file):
    trials = file.trials.to_dataframe()
    assert trials["start_time"].tolist() == [0.0, 0.5, 1.0]
    assert trials["stop_time"].tolist() == [0.5, 1.0, 1.5]
    assert trials["window"].tolist() == [0.5] * 3
    assert trials["stimulus"].tolist() == [0, 1, 2]
    np.testing.assert_array_equal(np.stack(trials["counts"]), record.counts)
    np.testing.assert_array_equal(np.stack(trials["rates"]), record.rates)


def test_a_unit_is_a_latent(record, file):
    units = file.units.to_dataframe()
    assert units["latent"].tolist() == [0, 1, 2]
    for latent, unit in units.iterrows():
        spikes = record[:, latent].spikes
        np.testing.assert_array_equal(unit["times_in_trial"], spikes.time)
        np.testing.assert_array_equal(unit["spike_trials"], spikes.stimulus)
        np.testing.assert_allclose(
            unit["spike_times"], 0.5 * spikes.stimulus + spikes.time, rtol=1e-15
        )
        np.testing.assert_array_equal(unit["obs_intervals"], [[0.0, 1.5]])
    assert 0 < file.units.resolution < 1e-12


def test_spikes_in_the_interval_of_a_trial_are_those_of_its_stimulus(record, file):
    """As a reader would take them who knows nothing of our columns."""
    for stimulus in range(3):
        start, stop = (file.trials[name][stimulus] for name in ("start_time", "stop_time"))
        for latent in range(3):
            train = file.units["spike_times"][latent]
            within = train[(train >= start) & (train < stop)] - start
            np.testing.assert_allclose(within, record.raster(stimulus)[latent], atol=1e-14)


def test_a_spike_at_the_end_of_a_window_is_not_after_it(tmp_path):
    """Where k*T + T is rounded to more than (k + 1)*T."""
    record = make_record([[3]] * 100, window_s=0.1)
    record.spikes.time[:] = 0.1
    record.to_nwb(tmp_path / "record.nwb")
    with pynwb.NWBHDF5IO(tmp_path / "record.nwb", "r") as reader:
        file = reader.read()
        stop = np.repeat(file.trials["stop_time"].data[:], 3)
        assert (0.1 * np.repeat(np.arange(100), 3) + 0.1 > stop).any()
        found = file.units["spike_times"][0]
        assert (found <= stop).all()
        np.testing.assert_allclose(found, stop, rtol=1e-15)
    assert_same(SpikeRecord.from_nwb(tmp_path / "record.nwb"), record)


def test_the_file_says_that_it_is_a_simulation_and_how_it_was_made(record, file):
    assert "simulation" in file.session_description
    assert file.subject.description == "No animal: simulated neurons."
    assert file.subject.species is None
    assert not file.electrodes
    assert dict(file.was_generated_by[:]) == record.versions
    table = file.analysis["simulation_settings"].to_dataframe()
    values = dict(zip(table["setting"], table["value"], strict=True))
    assert values["window_s"] == "0.5"
    assert values["seed"] == str(record.seed)
    assert values["neuron.name"] == '"refractory"'


def test_each_session_has_a_name_and_a_time_of_its_own(record, path, tmp_path):
    before = datetime.now(UTC)
    record.to_nwb(tmp_path / "record.nwb")
    with (
        pynwb.NWBHDF5IO(path, "r") as one,
        pynwb.NWBHDF5IO(tmp_path / "record.nwb", "r") as other,
    ):
        one, other = one.read(), other.read()
        assert one.identifier != other.identifier
        assert one.session_start_time <= before <= other.session_start_time <= datetime.now(UTC)


def test_what_only_the_user_knows(record, tmp_path):
    start = datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2)))
    record.to_nwb(
        tmp_path / "record.nwb",
        session_start_time=start,
        experimenter=["Hodgkin, Alan", "Huxley, Andrew"],
        institution="Plymouth",
        identifier="mine",
        subject=pynwb.file.Subject(subject_id="model-1", species="Mus musculus", sex="U"),
    )
    with pynwb.NWBHDF5IO(tmp_path / "record.nwb", "r") as reader:
        file = reader.read()
        assert file.session_start_time == start
        assert tuple(file.experimenter) == ("Hodgkin, Alan", "Huxley, Andrew")
        assert (file.institution, file.identifier) == ("Plymouth", "mine")
        assert file.subject.species == "Mus musculus"


def test_the_file_is_valid(path):
    assert pynwb.validate(path=str(path)) == []


def test_the_inspector_finds_only_what_the_user_alone_can_mend(path):
    inspector = pytest.importorskip("nwbinspector")
    found = {
        message.check_function_name: message.importance.name
        for message in inspector.inspect_nwbfile(nwbfile_path=path)
    }
    assert found == {
        "check_experimenter_exists": "BEST_PRACTICE_SUGGESTION",
        "check_institution": "BEST_PRACTICE_SUGGESTION",
        # There is none.
        "check_subject_species_exists": "BEST_PRACTICE_VIOLATION",
    }


def test_the_inspector_finds_nothing_once_the_user_has_mended_that(record, tmp_path):
    inspector = pytest.importorskip("nwbinspector")
    record.to_nwb(
        tmp_path / "record.nwb",
        experimenter="Hodgkin, Alan",
        institution="Plymouth",
        subject=pynwb.file.Subject(
            subject_id="model-1",
            species="Mus musculus",
            age="P0D/",
            sex="U",
            description="Simulated.",
        ),
    )
    assert list(inspector.inspect_nwbfile(nwbfile_path=tmp_path / "record.nwb")) == []


@pytest.mark.parametrize("counts", [[[0, 0]], [[9]], [[5], [0]]])
def test_it_stays_valid_in_small(counts, tmp_path):
    inspector = pytest.importorskip("nwbinspector")
    path = tmp_path / "record.nwb"
    make_record(counts, window_s=0.25).to_nwb(path)
    assert pynwb.validate(path=str(path)) == []
    # ERROR is a check of the inspector that fails itself, as some do on columns without a value.
    found = {message.importance.name for message in inspector.inspect_nwbfile(nwbfile_path=path)}
    assert found & {"CRITICAL", "PYNWB_VALIDATION"} == set()


def test_a_record_on_disk_goes_into_a_file(tmp_path):
    record = simulate(
        np.full((4, 3), 5.0), window=1 * second, record="times", out=tmp_path / "record"
    )
    record.to_nwb(tmp_path / "record.nwb")
    assert_same(SpikeRecord.from_nwb(tmp_path / "record.nwb"), record)
