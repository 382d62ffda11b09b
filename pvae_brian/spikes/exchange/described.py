"""How a record was made, in the words that files of others can keep beside its spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from pvae_brian.spikes.consistency import COLUMNS, TABLES, check_arrays
from pvae_brian.spikes.settings import FORMAT, check_format, describe, restore
from pvae_brian.spikes.times import SpikeTimes

if TYPE_CHECKING:
    from pvae_brian.spikes.record import SpikeRecord

_TABLES_OF_SETTINGS = ("versions", "neuron")


def settings_of(record: SpikeRecord) -> dict[str, Any]:
    """Return the settings of a record in types that JSON has, and what kind of record it is.

    Raises
    ------
    ValueError
        If they could not be read back, such as those of a neuron model of your own.
    """
    settings = describe(
        window_s=record.window_s,
        n_steps=record.n_steps,
        seed=record.seed,
        device=record.device,
        versions=record.versions,
        neuron=record.neuron,
    )
    return {"format": FORMAT} | settings


def flatten(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as numbers and texts only: many formats know no table in a table.

    Examples
    --------
    >>> flatten({"seed": 3, "neuron": {"name": "poisson"}})
    {'seed': 3, 'neuron.name': 'poisson'}
    """
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{key}": each for key, each in value.items()}
        else:
            flat[name] = value
    return flat


def unflatten(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that `flatten` made flat; other entries are left out.

    Examples
    --------
    >>> unflatten({"seed": 3, "neuron.name": "poisson", "experimenter": "Hodgkin"})
    {'versions': {}, 'neuron': {'name': 'poisson'}, 'seed': 3}
    """
    settings: dict[str, Any] = {}
    for table in _TABLES_OF_SETTINGS:
        settings[table] = {
            name.removeprefix(f"{table}."): value
            for name, value in flat.items()
            if name.startswith(f"{table}.")
        }
    plain = ("format", "window_s", "n_steps", "seed", "device")
    return settings | {name: flat[name] for name in plain if name in flat}


def fields_of(
    settings: Mapping[str, Any], counts: np.ndarray, rates: np.ndarray, times: SpikeTimes | None
) -> dict[str, Any]:
    """Return the fields of a `SpikeRecord`, once it is sure that they belong together.

    Arrays are taken in any byte order and width if all their values fit, and copied.

    Raises
    ------
    ValueError
        If a setting or an array is not one of a record.
    """
    settings = dict(settings)
    check_format(settings.pop("format", None))
    fields = restore(settings)
    counts, rates = as_documented("counts", counts), as_documented("rates", rates)
    if times is not None:
        columns = times.arrays()
        times = SpikeTimes(**{name: as_documented(name, columns[name]) for name in COLUMNS})
    check_arrays(counts, rates, times, fields["window_s"])
    return fields | {"counts": counts, "rates": rates, "times": times}


def sort_spikes(stimulus: np.ndarray, latent: np.ndarray, time: np.ndarray) -> SpikeTimes:
    """Return spikes sorted by stimulus, then by time; those at the same time keep their order."""
    order = np.lexsort((time, stimulus))
    return SpikeTimes(stimulus[order], latent[order], time[order])


def as_documented(name: str, array: np.ndarray) -> np.ndarray:
    """Return a copy of an array of a record in the type that it has in one.

    Raises
    ------
    ValueError
        If a value would change.
    """
    dtype = (TABLES | COLUMNS)[name]
    array = np.asarray(array)
    # Integers that became floats are no longer sure to be the ones that were written.
    if array.dtype.kind not in ("iu" if dtype.kind == "i" else "f"):
        raise ValueError(f"its {name} must be {dtype}, got {array.dtype}")
    converted = array.astype(dtype)
    if not np.array_equal(converted, array):
        raise ValueError(f"its {name} must fit into {dtype}, got {array.dtype} that do not")
    return converted
