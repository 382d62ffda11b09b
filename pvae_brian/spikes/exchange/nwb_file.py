"""Records as NWB files: the session that they tell of, written whole or not at all."""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pvae_brian._extras import needs_extra
from pvae_brian._files import check_writable, write_whole
from pvae_brian.spikes.exchange.described import settings_of

if TYPE_CHECKING:
    from pvae_brian.spikes.record import SpikeRecord

REASON = "NWB files need pynwb"
# The table that holds how the simulation was made.
SETTINGS = "simulation_settings"

# What only the user can know, or may want to word otherwise; the rest of a file is the record's.
_METADATA = (
    "data_collection",
    "experiment_description",
    "experimenter",
    "identifier",
    "institution",
    "keywords",
    "lab",
    "notes",
    "protocol",
    "related_publications",
    "session_description",
    "session_id",
    "stimulus_notes",
    "subject",
)


def to_nwb(
    record: SpikeRecord,
    path: str | os.PathLike[str],
    *,
    session_start_time: datetime | None = None,
    force: bool = False,
    **metadata: Any,
) -> None:
    r"""Save the record as an NWB file (Neurodata Without Borders), whole or not at all.

    NWB has one time line. On it stimulus k is trial k, which begins at k windows: a spike at t
    seconds after its stimulus stands in ``units["spike_times"]`` at

    .. math:: t_\mathrm{session} = k T + t

    with the window :math:`T`. That sum rounds, so the units have two more columns with an entry
    per spike, ``times_in_trial``, t itself to the last bit, and ``spike_trials``, k. Units are
    latents. ``trials`` has ``start_time``, ``stop_time``, ``stimulus``, ``window``, and for each
    latent ``counts`` and ``rates``, the expected spikes per window. The settings are a table under
    ``analysis``, and the versions also ``was_generated_by``.

    There are no electrodes, and the subject says that no animal was there. Takes memory for the
    spikes of the record, about three times.

    Parameters
    ----------
    path : path-like
        Where to write, usually with the ending ``.nwb``.
    session_start_time : datetime, optional
        With a time zone; by default now.
    force : bool
        Replace an existing file.
    **metadata
        More of the session, as `pynwb.NWBFile` takes it: ``experimenter``, ``institution``,
        ``lab``, ``session_id``, ``identifier`` (by default a new UUID), ``session_description``,
        ``experiment_description``, ``keywords``, ``notes``, ``protocol``, ``data_collection``,
        ``stimulus_notes``, ``related_publications``, and ``subject``, a `pynwb.file.Subject`.

    Raises
    ------
    ImportError
        If pynwb is missing: pip install "pvae_brian[nwb]".
    FileExistsError
        If the file exists and ``force`` is not given.
    OSError
        If there is no space or no permission.
    TypeError
        If metadata are of another name or type.
    ValueError
        If only counts were recorded, if the time has no zone, or if the settings could not be
        read back, such as those of a neuron model of your own.

    See Also
    --------
    from_nwb : The way back.

    References
    ----------
    Rübel, O. et al. (2022). The Neurodata Without Borders ecosystem for neurophysiological data
    science. eLife 11:e78362.

    Examples
    --------
    >>> from pvae_brian import SpikeRecord, simulate
    >>> record = simulate([[8.0, 0.0], [2.0, 4.0]], record="times")
    >>> record.to_nwb("record.nwb", experimenter="Hodgkin, Alan")
    >>> again = SpikeRecord.from_nwb("record.nwb")
    >>> bool((again.spikes.time == record.spikes.time).all()), again.seed
    (True, 0)
    """
    times, settings = record.spikes, settings_of(record)
    start = _check_start(session_start_time)
    unknown = sorted(metadata.keys() - set(_METADATA))
    if unknown:
        raise TypeError(
            f"to_nwb takes no {', '.join(unknown)}; metadata can be {', '.join(_METADATA)}"
        )
    check_writable(path, force=force)
    with needs_extra("nwb", REASON):
        import h5py
        from pynwb import NWBHDF5IO, NWBFile
        from pynwb.file import Subject

        from pvae_brian.spikes.exchange import nwb_tables

    described = {
        "session_description": "A simulation, no recording: the latents of a Poisson variational "
        "autoencoder as spiking neurons. Each stimulus was shown for one window, in trials that "
        "follow one another without a pause.",
        "experiment_description": "Spikes of model neurons, driven by the expected counts in the "
        "column rates of the trials.",
        "identifier": str(uuid.uuid4()),
        "keywords": ["simulation", "spiking neurons", "Poisson variational autoencoder"],
    } | metadata
    if "subject" not in metadata:
        described["subject"] = Subject(
            subject_id="simulation",
            description="No animal: simulated neurons.",
            # NWB asks for both; these say nothing.
            age="P0D/",
            sex="U",
        )
    if record.versions:
        described["was_generated_by"] = [list(each) for each in record.versions.items()]
    file = NWBFile(session_start_time=start, **described)
    file.trials = nwb_tables.trials_table(record)
    file.units = nwb_tables.units_table(times, record)
    file.add_analysis(nwb_tables.settings_table(settings))
    with (
        write_whole(path, force=force) as stream,
        h5py.File(stream, "w") as container,
        NWBHDF5IO(file=container, mode="w") as writer,
    ):
        writer.write(file)


def _check_start(time: datetime | None) -> datetime:
    if time is None:
        return datetime.now(UTC)
    if not isinstance(time, datetime):
        raise TypeError(f"session_start_time must be a datetime, got {type(time).__name__}")
    if time.utcoffset() is None:
        raise ValueError(
            f"session_start_time must have a time zone, got {time.isoformat()}; "
            "try time.astimezone(), or datetime(..., tzinfo=timezone.utc)"
        )
    return time
