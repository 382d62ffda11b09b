"""The tables of an NWB file: trials, units, and how the record was made.

Imports pynwb: only `to_nwb` imports this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from hdmf.common import DynamicTable, VectorData, VectorIndex
from pynwb import H5DataIO
from pynwb.epoch import TimeIntervals
from pynwb.misc import Units

from pvae_brian.spikes.consistency import COLUMNS, TABLES
from pvae_brian.spikes.exchange.described import flatten
from pvae_brian.spikes.exchange.nwb_file import SETTINGS
from pvae_brian.spikes.exchange.timeline import in_session, trial_edges
from pvae_brian.spikes.times import SpikeTimes

if TYPE_CHECKING:
    from pvae_brian.spikes.record import SpikeRecord


def trials_table(record: SpikeRecord) -> TimeIntervals:
    """Return one row per stimulus."""
    edges = trial_edges(record.n_stimuli, record.window_s)
    stimuli = np.arange(record.n_stimuli, dtype=COLUMNS["stimulus"])
    windows = np.full(record.n_stimuli, record.window_s)
    counts = record.counts.astype(TABLES["counts"])
    rates = record.rates.astype(TABLES["rates"])
    return TimeIntervals(
        name="trials",
        description="One stimulus each, shown for one window; trial k begins at k windows.",
        columns=[
            _column("start_time", "When the stimulus appears, in seconds.", edges[:-1]),
            _column("stop_time", "When the window ends, in seconds.", edges[1:]),
            _column("stimulus", "Number of the stimulus, from 0.", stimuli),
            _column("window", "How long it was shown, in seconds.", windows),
            _column("counts", "Spikes of each unit in the window.", counts),
            _column("rates", "Expected spikes of each unit in the window.", rates),
        ],
    )


def units_table(times: SpikeTimes, record: SpikeRecord) -> Units:
    """Return one row per latent neuron, in columns with an entry per spike."""
    edges = trial_edges(record.n_stimuli, record.window_s)
    # Stable, so that the spikes of a latent stay in the order of time.
    order = np.argsort(times.latent, kind="stable")
    spikes = SpikeTimes(times.stimulus[order], times.latent[order], times.time[order])
    ends = np.cumsum(np.bincount(times.latent, minlength=record.n_latents))
    latents = np.arange(record.n_latents)
    per_spike = [
        ("spike_times", "When the neuron fires, in seconds.", in_session(spikes, edges)),
        (
            "times_in_trial",
            "Seconds since the stimulus appeared, for each spike: exact, while spike_times is "
            "rounded as its sum with the start of the trial.",
            spikes.time.astype(COLUMNS["time"]),
        ),
        (
            "spike_trials",
            "Row of the trials table in which each spike falls.",
            spikes.stimulus.astype(COLUMNS["stimulus"]),
        ),
    ]
    return Units(
        name="units",
        description="Simulated neurons, one per latent variable of the model; silent ones too.",
        # Times are continuous: the smallest difference is that of two numbers.
        resolution=float(np.spacing(edges[-1])),
        columns=[
            _column("latent", "Number of the latent variable, from 0.", latents.astype(np.int32)),
            *(part for column in per_spike for part in _ragged(*column, ends)),
            *_ragged(
                "obs_intervals",
                "The whole session: neurons are seen all the time.",
                np.tile(edges[[0, -1]], (record.n_latents, 1)),
                latents + 1,
            ),
        ],
    )


def settings_table(settings: Mapping[str, Any]) -> DynamicTable:
    """Return one row per setting, its value as JSON, in which each number is exact."""
    flat = flatten(settings)
    return DynamicTable(
        name=SETTINGS,
        description="How the simulation was made: all that is needed to repeat it.",
        columns=[
            _column("setting", "Name of the setting.", list(flat)),
            _column("value", "Its value as JSON.", [json.dumps(value) for value in flat.values()]),
        ],
    )


def _column(name: str, description: str, values: np.ndarray | list[str]) -> VectorData:
    if isinstance(values, np.ndarray) and values.size:
        values = H5DataIO(values, compression="gzip")
    return VectorData(name=name, description=description, data=values)


def _ragged(
    name: str, description: str, values: np.ndarray, ends: np.ndarray
) -> tuple[VectorIndex, VectorData]:
    column = _column(name, description, values)
    return VectorIndex(name=f"{name}_index", data=ends, target=column), column
