"""Records and spike times as tables of pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from pvae_brian._extras import needs_extra

if TYPE_CHECKING:
    import pandas as pd

    from pvae_brian.spikes.record import SpikeRecord
    from pvae_brian.spikes.times import SpikeTimes

_REASON = "a table needs pandas"
_UNITS = {"stimulus": "1", "latent": "1", "count": "1", "rate": "1", "time_s": "s"}
_MEANINGS = {
    "stimulus": "stimulus that was shown",
    "latent": "latent neuron",
    "count": "spikes in the window",
    "rate": "expected spikes in the window",
    "time_s": "time since the stimulus was shown",
}


def record_to_pandas(record: SpikeRecord) -> pd.DataFrame:
    """Return counts and rates as a tidy table, one row per stimulus and latent.

    The spikes themselves are another table: ``record.spikes.to_pandas()``.

    Returns
    -------
    pandas.DataFrame
        Columns ``stimulus``, ``latent``, ``count`` and ``rate``, the expected spikes per window;
        n_stimuli * n_latents rows. ``attrs["units"]`` and ``attrs["meanings"]`` say what each
        column holds. A copy. The settings are not in it, so it cannot become a record again.

    Raises
    ------
    ImportError
        If pandas is missing: pip install "pvae_brian[pandas]".

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> table = simulate([[8.0, 0.0], [2.0, 4.0]]).to_pandas()
    >>> table.groupby("latent")["rate"].mean().to_dict()
    {0: 5.0, 1: 2.0}
    """
    stimulus, latent = np.indices(record.counts.shape, dtype=np.int32)
    columns = {"stimulus": stimulus, "latent": latent, "count": record.counts, "rate": record.rates}
    return _table({name: np.ravel(values) for name, values in columns.items()})


def spikes_to_pandas(times: SpikeTimes) -> pd.DataFrame:
    """Return the spikes as a tidy table, one row per spike.

    Returns
    -------
    pandas.DataFrame
        Columns ``stimulus``, ``latent`` and ``time_s``, in seconds since the stimulus was shown.
        ``attrs["units"]`` and ``attrs["meanings"]`` say what each column holds. A copy.

    Raises
    ------
    ImportError
        If pandas is missing: pip install "pvae_brian[pandas]".

    See Also
    --------
    from_pandas : The way back.

    Examples
    --------
    >>> from pvae_brian import SpikeTimes
    >>> times = SpikeTimes(np.array([0, 0, 2]), np.array([5, 1, 5]), np.array([0.1, 0.7, 0.4]))
    >>> times.to_pandas().groupby("latent")["time_s"].min().to_dict()
    {1: 0.7, 5: 0.1}
    """
    columns = {"stimulus": times.stimulus, "latent": times.latent, "time_s": times.time}
    return _table(columns)


def spikes_from_pandas(cls: type[SpikeTimes], table: pd.DataFrame) -> SpikeTimes:
    """Return the spikes of a table, to the last bit of each time.

    Parameters
    ----------
    table : pandas.DataFrame
        With integer columns ``stimulus`` and ``latent`` and a floating-point column ``time_s``;
        other columns and the index are left out. Rows may be in any order: they are sorted by
        stimulus, then by time, and those at the same time keep their order.

    Raises
    ------
    TypeError
        If it is no DataFrame.
    ValueError
        If a column is missing, of another type, or holds what is no spike.

    Examples
    --------
    >>> import pandas as pd
    >>> from pvae_brian import SpikeTimes
    >>> table = pd.DataFrame({"stimulus": [1, 0], "latent": [3, 3], "time_s": [0.2, 0.5]})
    >>> SpikeTimes.from_pandas(table).time
    array([0.5, 0.2])
    """
    # Here, since these need `SpikeTimes`, of which this is a method.
    from pvae_brian.spikes.consistency import check_times
    from pvae_brian.spikes.exchange.described import as_documented, sort_spikes

    with needs_extra("pandas", _REASON):
        import pandas as pd

    if not isinstance(table, pd.DataFrame):
        raise TypeError(f"from_pandas takes a pandas.DataFrame, got {type(table).__name__}")
    names = {"stimulus": "stimulus", "latent": "latent", "time": "time_s"}
    missing = [column for column in names.values() if column not in table]
    if missing:
        raise ValueError(
            f"a table of spikes needs columns stimulus, latent and time_s, but lacks "
            f"{', '.join(missing)}; expected one as SpikeTimes.to_pandas makes it"
        )
    try:
        columns = [as_documented(name, table[column].values) for name, column in names.items()]
        times = sort_spikes(*columns)
        check_times(times, _shape(times))
    except ValueError as error:
        raise ValueError(
            f"this table is none of spikes ({error}); expected one as SpikeTimes.to_pandas makes it"
        ) from error
    return cls(**times.arrays())


def _shape(times: SpikeTimes) -> tuple[int, int]:
    n_stimuli, n_latents = (
        int(index.max(initial=-1)) + 1 for index in (times.stimulus, times.latent)
    )
    return n_stimuli, n_latents


def _table(columns: dict[str, np.ndarray]) -> pd.DataFrame:
    with needs_extra("pandas", _REASON):
        import pandas as pd

    # Of a dict, pandas copies the values.
    table = pd.DataFrame(columns)
    table.attrs["units"] = {name: _UNITS[name] for name in columns}
    table.attrs["meanings"] = {name: _MEANINGS[name] for name in columns}
    return table
