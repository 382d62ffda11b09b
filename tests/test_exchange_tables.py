"""Records as xarray datasets, netCDF files and pandas tables, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pd = pytest.importorskip("pandas")
xarray = pytest.importorskip("xarray")

from pvae_brian import SpikeRecord, SpikeTimes  # noqa: E402

from .exchanged import extreme_records, with_equal_times  # noqa: E402
from .test_spikes import assert_same, make_record  # noqa: E402


@pytest.fixture(scope="module")
def record():
    return make_record([[0, 3, 1], [20, 0, 0]], window_s=2.0)


# xarray


@given(record=extreme_records(with_times=st.booleans()))
def test_a_dataset_keeps_every_bit(record):
    assert_same(SpikeRecord.from_xarray(record.to_xarray()), record)


def by_netcdf(record, path):
    """By scipy, which is always there, and which knows the narrowest kind of such files."""
    record.to_xarray().to_netcdf(path, engine="scipy")
    with xarray.open_dataset(path, engine="scipy") as dataset:
        return SpikeRecord.from_xarray(dataset)


@given(record=extreme_records(with_times=st.booleans(), min_size=1))
@settings(max_examples=40)
def test_a_netcdf_file_keeps_every_bit(record, tmp_path_factory):
    assert_same(by_netcdf(record, tmp_path_factory.mktemp("dataset") / "record.nc"), record)


def test_a_netcdf_file_may_hold_no_stimuli(record, tmp_path):
    assert_same(by_netcdf(record[:0], tmp_path / "record.nc"), record[:0])


def test_a_dataset_keeps_the_order_of_equal_times():
    assert_same(SpikeRecord.from_xarray(with_equal_times().to_xarray()), with_equal_times())


def test_a_dataset_is_labelled(record):
    dataset = record.to_xarray()
    assert dict(dataset.sizes) == {"stimulus": 2, "latent": 3, "spike": 24}
    for name, values in {
        "counts": record.counts,
        "rates": record.rates,
        "spike_stimulus": record.spikes.stimulus,
        "spike_latent": record.spikes.latent,
        "spike_time": record.spikes.time,
    }.items():
        np.testing.assert_array_equal(dataset[name].values, values)
        assert dataset[name].attrs["units"] == ("s" if name == "spike_time" else "1")
        assert dataset[name].attrs["long_name"]
    described = json.loads(dataset.attrs["settings"])
    assert described["window_s"] == 2.0
    assert described["neuron"] == {"name": "poisson"}


def test_a_dataset_of_counts_has_no_spikes(record):
    dataset = make_record([[1, 2]], with_times=False).to_xarray()
    assert list(dataset.data_vars) == ["counts", "rates"]


def test_a_dataset_is_a_copy(record):
    before = record.counts.copy(), record.spikes.time.copy()
    dataset = record.to_xarray()
    dataset["counts"][:] = 7
    again = SpikeRecord.from_xarray(record.to_xarray())
    dataset["spike_time"][:] = 0
    again.spikes.time[:] = 0
    np.testing.assert_array_equal(record.counts, before[0])
    np.testing.assert_array_equal(record.spikes.time, before[1])


def test_axes_may_change_places(record):
    assert_same(SpikeRecord.from_xarray(record.to_xarray().transpose("latent", ...)), record)


def with_settings(**changes):
    def change(dataset):
        changed = json.loads(dataset.attrs["settings"]) | changes
        return dataset.assign_attrs(settings=json.dumps(changed))

    return change


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda dataset: dataset.drop_attrs(), "no attribute settings"),
        (lambda dataset: dataset.assign_attrs(settings="{"), "Expecting"),
        (lambda dataset: dataset.assign_attrs(settings="[]"), "no table"),
        (lambda dataset: dataset.assign_attrs(settings="[" * 100_000), "recursion"),
        (with_settings(format="diary"), "another kind of file, 'diary'"),
        (with_settings(seed=1.5), "seed cannot be 1.5"),
        (lambda dataset: dataset.drop_vars("rates"), "no variable rates"),
        (lambda dataset: dataset.drop_vars("spike_latent"), "no variable spike_latent"),
        (lambda dataset: dataset.isel(spike=slice(1, None)), "not the numbers of its spikes"),
        (lambda dataset: dataset.isel(stimulus=[1]), "stimulus does not count from 0"),
        (lambda dataset: dataset.isel(latent=0), "must have dimensions"),
        (lambda dataset: dataset.astype(float), "counts must be int32, got float64"),
        (lambda dataset: dataset.assign(rates=-dataset.rates), "not negative"),
        (
            lambda dataset: dataset.assign(counts=dataset.counts.astype("int64") + 2**32),
            "fit into int32",
        ),
        (lambda dataset: dataset.assign(spike_time=dataset.spike_time + 2), "between 0 and"),
    ],
)
def test_a_changed_dataset_is_refused(damage, message, record):
    dataset = damage(record.to_xarray())
    with pytest.raises(ValueError, match=f"no spike record .*{message}.*to_xarray"):
        SpikeRecord.from_xarray(dataset)


def test_another_thing_than_a_dataset_is_refused(record):
    with pytest.raises(TypeError, match=r"takes an xarray.Dataset, got DataArray"):
        SpikeRecord.from_xarray(record.to_xarray().counts)


# pandas


@given(record=extreme_records(with_times=st.booleans()))
def test_a_table_has_a_row_per_stimulus_and_latent(record):
    table = record.to_pandas()
    assert list(table) == ["stimulus", "latent", "count", "rate"]
    assert len(table) == record.counts.size
    counts, rates = np.zeros_like(record.counts), np.zeros_like(record.rates)
    counts[table["stimulus"], table["latent"]] = table["count"]
    rates[table["stimulus"], table["latent"]] = table["rate"]
    assert counts.tobytes() == record.counts.tobytes()
    assert rates.tobytes() == record.rates.tobytes()


@given(record=extreme_records())
def test_a_table_of_spikes_keeps_every_bit(record):
    again = SpikeTimes.from_pandas(record.spikes.to_pandas())
    for name, values in record.spikes.arrays().items():
        assert again.arrays()[name].dtype == values.dtype
        assert again.arrays()[name].tobytes() == values.tobytes()


def test_a_table_of_spikes_keeps_the_order_of_equal_times():
    times = with_equal_times().spikes
    assert SpikeTimes.from_pandas(times.to_pandas()).latent.tolist() == times.latent.tolist()


def test_a_table_of_spikes_counts_as_the_table_of_counts(record):
    counted = record.spikes.to_pandas().groupby(["stimulus", "latent"]).size()
    expected = record.to_pandas().set_index(["stimulus", "latent"])["count"]
    assert counted.reindex(expected.index, fill_value=0).equals(expected.astype(counted.dtype))


def test_tables_say_what_their_columns_are(record):
    for table in (record.to_pandas(), record.spikes.to_pandas()):
        assert list(table.attrs["units"]) == list(table.attrs["meanings"]) == list(table)
    assert table.attrs["units"]["time_s"] == "s"


def test_tables_are_copies(record):
    before = record.counts.copy(), record.spikes.time.copy()
    table, spikes = record.to_pandas(), record.spikes.to_pandas()
    table.loc[:, "count"] = 7
    spikes.loc[:, "time_s"] = 0.0
    np.testing.assert_array_equal(record.counts, before[0])
    np.testing.assert_array_equal(record.spikes.time, before[1])


@given(data=st.data())
def test_rows_of_spikes_may_come_in_any_order(data):
    record = make_record([[2, 3], [0, 4]], seed=data.draw(st.integers(0, 2**32 - 1)))
    table = record.spikes.to_pandas()
    rows = data.draw(st.permutations(range(len(table))))
    again = SpikeTimes.from_pandas(table.iloc[rows])
    np.testing.assert_array_equal(again.stimulus, record.spikes.stimulus)
    np.testing.assert_array_equal(again.time, record.spikes.time)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"latent": [0], "time_s": [0.5]}, "lacks stimulus"),
        ({"stimulus": [0.0], "latent": [0], "time_s": [0.5]}, "stimulus must be int32, got float"),
        ({"stimulus": [0], "latent": [0], "time_s": [1]}, "time must be float64, got int64"),
        ({"stimulus": [2**40], "latent": [0], "time_s": [0.5]}, "stimulus must fit into int32"),
        ({"stimulus": [-1], "latent": [0], "time_s": [0.5]}, "stimulus must be below"),
        ({"stimulus": [0], "latent": [0], "time_s": [-0.5]}, "must lie between 0"),
        ({"stimulus": [0], "latent": [0], "time_s": [np.nan]}, ""),
        ({"stimulus": [0], "latent": [0], "time_s": [np.inf]}, "must lie between 0"),
    ],
)
def test_a_table_of_no_spikes_is_refused(columns, message):
    with pytest.raises(ValueError, match=f"{message}.*to_pandas"):
        SpikeTimes.from_pandas(pd.DataFrame(columns))


def test_another_thing_than_a_table_is_refused():
    with pytest.raises(TypeError, match=r"takes a pandas.DataFrame, got dict"):
        SpikeTimes.from_pandas({"stimulus": [0]})
