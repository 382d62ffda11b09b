"""Records as Neo blocks, which Elephant takes as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from pvae_brian._extras import needs_extra
from pvae_brian.spikes.exchange.described import (
    fields_of,
    flatten,
    settings_of,
    sort_spikes,
    unflatten,
)

if TYPE_CHECKING:
    import neo

    from pvae_brian.spikes.record import SpikeRecord

_REASON = "a Neo block needs neo"


def to_neo(record: SpikeRecord) -> neo.Block:
    """Return the spike trains as a block of Neo, one segment per stimulus.

    ``block.segments[s].spiketrains[i]`` holds the spikes of latent i when stimulus s was shown,
    in seconds from 0 to the window's end; trains without a spike are there too. Each is annotated
    with ``stimulus``, ``latent`` and ``rate``, its expected spikes per window. The annotations of
    the block are the record's settings: ``format``, ``window_s``, ``dt_s``, ``n_steps``,
    ``n_latents``, ``seed``, ``device``, and ``neuron.name``, ``versions.numpy`` and the like.

    The block is made at once; Neo makes the trains of a segment when they are first asked for. That
    takes a fraction of a millisecond each, so minutes for half a million of them: take a part of
    a large record, as in ``record[:10].to_neo()``.

    Returns
    -------
    neo.Block
        Its arrays are copies.

    Raises
    ------
    ImportError
        If Neo is missing: pip install "pvae_brian[neo]".
    ValueError
        If only counts were recorded, or the settings could not be read back, such as those of a
        neuron model of your own.

    See Also
    --------
    from_neo : The way back.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> block = simulate([[8.0, 0.0], [2.0, 4.0]], record="times").to_neo()
    >>> trains = block.segments[0].spiketrains
    >>> len(block.segments), len(trains), len(trains[1]), trains[0].t_stop
    (2, 2, 0, array(1.) * s)
    >>> trains[0].annotations["rate"], block.annotations["neuron.name"]
    (8.0, 'poisson')
    """
    times, settings = record.spikes, settings_of(record)
    with needs_extra("neo", _REASON):
        import neo
        import quantities as pq
        from neo.core.spiketrainlist import SpikeTrainList

    latents = list(range(record.n_latents))
    ends = np.searchsorted(times.stimulus, np.arange(record.n_stimuli), side="right")
    block = neo.Block(
        name="pvae_brian spike record",
        description="One segment per stimulus, one spike train per latent neuron; the rate of a "
        "train is its expected number of spikes per window",
        **flatten(settings),
        dt_s=record.dt_s,
        n_latents=record.n_latents,
    )
    start = 0
    for stimulus, end in enumerate(ends):
        segment = neo.Segment(name=f"stimulus {stimulus}", index=stimulus, stimulus=stimulus)
        trains = SpikeTrainList.from_spike_time_array(
            np.array(times.time[start:end]) * pq.s,
            np.array(times.latent[start:end]),
            latents,
            t_start=0.0 * pq.s,
            t_stop=record.window_s * pq.s,
            stimulus=stimulus,
            latent=latents,
            rate=record.rates[stimulus].tolist(),
        )
        trains.segment = segment
        segment.spiketrains = trains
        block.segments.append(segment)
        start = end
    return block


def from_neo(cls: type[SpikeRecord], block: neo.Block) -> SpikeRecord:
    """Return the record that `to_neo` made a block of, to the last bit of each time.

    Spikes of one stimulus at the same time come back in the order of their latents.

    Parameters
    ----------
    block : neo.Block
        With its annotations; also one that was written to a file and read again.

    Raises
    ------
    ImportError
        If Neo is missing: pip install "pvae_brian[neo]".
    TypeError
        If it is no block.
    ValueError
        If annotations or trains are missing, changed or in another order.

    Examples
    --------
    >>> from pvae_brian import SpikeRecord, simulate
    >>> record = simulate([[8.0, 0.0], [2.0, 4.0]], record="times")
    >>> again = SpikeRecord.from_neo(record.to_neo())
    >>> bool((again.spikes.time == record.spikes.time).all()), again.seed
    (True, 0)
    """
    with needs_extra("neo", _REASON):
        import neo

    if not isinstance(block, neo.Block):
        raise TypeError(f"from_neo takes a neo.Block, got {type(block).__name__}")
    try:
        return cls(**_fields(block))
    except ValueError as error:
        raise ValueError(
            f"this block is no spike record ({error}); "
            "expected one made by SpikeRecord.to_neo, with its annotations"
        ) from error


def _fields(block: neo.Block) -> dict[str, Any]:
    annotations = {name: _plain(value) for name, value in block.annotations.items()}
    n_latents = annotations.get("n_latents")
    if not isinstance(n_latents, int):
        raise ValueError("it has no annotation n_latents")
    shape = (len(block.segments), n_latents)
    rates, counts = np.zeros(shape), np.zeros(shape, dtype=np.int64)
    parts = []
    for stimulus, segment in enumerate(block.segments):
        if len(segment.spiketrains) != n_latents:
            raise ValueError(
                f"segment {stimulus} must have a spike train for each of {n_latents} latents, got "
                f"{len(segment.spiketrains)}"
            )
        for latent, train in enumerate(segment.spiketrains):
            rates[stimulus, latent] = _rate(train, stimulus, latent)
            counts[stimulus, latent] = len(train)
            parts.append(np.asarray(train.times.rescale("s").magnitude))
    of_stimulus, of_latent = (np.repeat(index, counts.ravel()) for index in _numbers(shape))
    times = sort_spikes(of_stimulus, of_latent, np.concatenate([np.zeros(0), *parts]))
    return fields_of(unflatten(annotations), counts, rates, times)


def _numbers(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Stimulus and latent of each train."""
    stimulus, latent = np.indices(shape)
    return stimulus.ravel(), latent.ravel()


def _rate(train: neo.SpikeTrain, stimulus: int, latent: int) -> float:
    found = {name: _plain(value) for name, value in train.annotations.items()}
    for name, expected in (("stimulus", stimulus), ("latent", latent)):
        if found.get(name) != expected:
            raise ValueError(
                f"spike train {latent} of segment {stimulus} must be annotated with {name} "
                f"{expected}, got {found.get(name)!r}; select stimuli and latents in the record"
            )
    rate = found.get("rate")
    if not isinstance(rate, float):
        raise ValueError(
            f"spike train {latent} of segment {stimulus} must be annotated with its rate, a float, "
            f"got {rate!r}"
        )
    return rate


def _plain(value: Any) -> Any:
    # Files of Neo may give numpy's numbers back.
    return value.item() if isinstance(value, np.generic) else value
