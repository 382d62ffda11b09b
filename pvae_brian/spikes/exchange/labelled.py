"""Records as xarray datasets, which netCDF files keep."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from pvae_brian._extras import needs_extra
from pvae_brian.spikes.exchange.described import fields_of, settings_of
from pvae_brian.spikes.times import SpikeTimes

if TYPE_CHECKING:
    import xarray

    from pvae_brian.spikes.record import SpikeRecord

_REASON = "a labelled dataset needs xarray"


def to_xarray(record: SpikeRecord) -> xarray.Dataset:
    """Return the record as a labelled dataset.

    Returns
    -------
    xarray.Dataset
        Variables ``counts`` and ``rates`` over the dimensions ``stimulus`` and ``latent``, and if
        spike times were recorded, ``spike_stimulus``, ``spike_latent`` and ``spike_time`` in
        seconds over the dimension ``spike``. Each has ``units`` and ``long_name``. The attribute
        ``settings`` is JSON with window, steps, seed, device, versions and neuron model, for
        netCDF files keep no tables and no large integers in attributes. Arrays are copies.

    Raises
    ------
    ImportError
        If xarray is missing: pip install "pvae_brian[xarray]".
    ValueError
        If the settings could not be read back, such as those of a neuron model of your own.

    See Also
    --------
    from_xarray : The way back.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> dataset = simulate([[8.0, 0.0], [2.0, 4.0]], record="times").to_xarray()
    >>> dict(dataset.counts.sizes), dataset.spike_time.attrs["units"]
    ({'stimulus': 2, 'latent': 2}, 's')
    >>> dataset.rates.mean("stimulus").values
    array([5., 2.])
    """
    settings = settings_of(record)
    with needs_extra("xarray", _REASON):
        import xarray

    axes = ("stimulus", "latent")
    variables: dict[str, tuple[tuple[str, ...], np.ndarray, str, str]] = {
        "counts": (axes, record.counts, "1", "spikes in the window"),
        "rates": (axes, record.rates, "1", "expected spikes in the window"),
    }
    if record.times is not None:
        spikes = record.times
        variables |= {
            "spike_stimulus": (("spike",), spikes.stimulus, "1", "stimulus that was shown"),
            "spike_latent": (("spike",), spikes.latent, "1", "latent neuron that fired"),
            "spike_time": (("spike",), spikes.time, "s", "time since the stimulus was shown"),
        }
    return xarray.Dataset(
        {
            name: (dims, np.array(values), {"units": units, "long_name": meaning})
            for name, (dims, values, units, meaning) in variables.items()
        },
        coords={
            "stimulus": ("stimulus", np.arange(record.n_stimuli, dtype=np.int32)),
            "latent": ("latent", np.arange(record.n_latents, dtype=np.int32)),
        },
        attrs={"title": "pvae_brian spike record", "settings": json.dumps(settings)},
    )


def from_xarray(cls: type[SpikeRecord], dataset: xarray.Dataset) -> SpikeRecord:
    """Return the record that `to_xarray` made a dataset of, to the last bit.

    Parameters
    ----------
    dataset : xarray.Dataset
        With its attributes; also one that was written to a netCDF file and read again.

    Raises
    ------
    ImportError
        If xarray is missing: pip install "pvae_brian[xarray]".
    TypeError
        If it is no dataset.
    ValueError
        If variables or settings are missing, or do not belong together, as after a selection:
        select in the record instead.

    Examples
    --------
    >>> import xarray
    >>> from pvae_brian import SpikeRecord, simulate
    >>> record = simulate([[8.0, 0.0], [2.0, 4.0]], record="times")
    >>> record.to_xarray().to_netcdf("record.nc")
    >>> with xarray.open_dataset("record.nc") as dataset:
    ...     again = SpikeRecord.from_xarray(dataset)
    >>> bool((again.spikes.time == record.spikes.time).all()), again.seed
    (True, 0)
    """
    with needs_extra("xarray", _REASON):
        import xarray

    if not isinstance(dataset, xarray.Dataset):
        raise TypeError(f"from_xarray takes an xarray.Dataset, got {type(dataset).__name__}")
    try:
        return cls(**_fields(dataset))
    # Settings may be any text, deeply nested too.
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"this dataset is no spike record ({error}); expected one made by "
            "SpikeRecord.to_xarray, whole: select stimuli and latents in the record"
        ) from error


def _fields(dataset: xarray.Dataset) -> dict[str, Any]:
    text = dataset.attrs.get("settings")
    if not isinstance(text, str):
        raise ValueError("it has no attribute settings with JSON")
    settings = json.loads(text)
    if not isinstance(settings, dict):
        raise ValueError("its settings are no table of names and values")
    axes = ("stimulus", "latent")
    counts, rates = (_values(dataset, name, axes) for name in ("counts", "rates"))
    for name in axes:
        if name in dataset.coords and not np.array_equal(
            dataset[name].values, np.arange(dataset.sizes[name])
        ):
            raise ValueError(f"its coordinate {name} does not count from 0")
    spikes = [f"spike_{name}" for name in ("stimulus", "latent", "time")]
    times = None
    if any(name in dataset for name in spikes):
        times = SpikeTimes(*(_values(dataset, name, ("spike",)) for name in spikes))
    return fields_of(settings, counts, rates, times)


def _values(dataset: xarray.Dataset, name: str, dims: tuple[str, ...]) -> np.ndarray:
    if name not in dataset:
        raise ValueError(f"it has no variable {name}")
    if set(dataset[name].dims) != set(dims):
        raise ValueError(f"its {name} must have dimensions {dims}, got {dataset[name].dims}")
    return dataset[name].transpose(*dims).values
