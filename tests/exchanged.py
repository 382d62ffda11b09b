"""Records at their extremes, to give to other formats and take back."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from pvae_brian import SpikeRecord, SpikeTimes
from pvae_brian.spikes.exchange.described import sort_spikes

from .test_spikes import NEURONS

# HDF5 keeps no NUL in a text.
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=5)


@st.composite
def extreme_records(draw, with_times=st.just(True), min_size=0) -> SpikeRecord:  # noqa: B008
    """Records of no spikes, stimuli or latents, of many spikes in one train, and at all times.

    Times are any in the window: 0, the least number there is, the window's end and the one
    before it are likely, and so are equal ones.
    """
    shape = draw(st.tuples(st.integers(min_size, 5), st.integers(min_size, 4)))
    window_s = draw(st.one_of(st.just(1.0), st.floats(1e-6, 1e6)))
    special = st.sampled_from([0.0, 5e-324, 1e-300, np.nextafter(window_s, 0), window_s])
    time = draw(
        st.lists(st.one_of(special, st.floats(0, window_s)), max_size=12)
        if all(shape)
        else st.just([])
    )
    n_many = draw(st.sampled_from([0, 0, 1000])) if all(shape) else 0
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    time = np.concatenate([np.array(time, float), generator.uniform(0, window_s, n_many)])
    cell = generator.integers(0, max(1, shape[0] * shape[1]), len(time))
    # All of the many in one train.
    cell[len(cell) - n_many :] = 0
    # In the order of latents where times are equal.
    order = np.argsort(cell, kind="stable")
    stimulus, latent = np.divmod(cell[order], max(1, shape[1]))
    times = sort_spikes(stimulus.astype(np.int32), latent.astype(np.int32), time[order])
    counts = np.bincount(cell, minlength=shape[0] * shape[1]).reshape(shape).astype(np.int32)
    return SpikeRecord(
        counts=counts,
        rates=counts + generator.random(shape),
        times=times if draw(with_times) else None,
        window_s=window_s,
        n_steps=draw(st.integers(1, 10**12)),
        seed=draw(st.integers(0, 2**32 - 1)),
        device=draw(st.sampled_from(["numpy", "cython", "cpp_standalone"])),
        versions=draw(st.dictionaries(TEXT, TEXT, max_size=3)),
        neuron=draw(st.sampled_from(NEURONS)),
    )


def with_equal_times() -> SpikeRecord:
    """A record whose spikes at the same time are not in the order of their latents."""
    times = SpikeTimes(
        np.zeros(3, np.int32), np.array([2, 0, 1], np.int32), np.array([0.5, 0.5, 0.5])
    )
    return SpikeRecord(
        counts=np.ones((1, 3), np.int32),
        rates=np.ones((1, 3)),
        window_s=1.0,
        n_steps=10,
        seed=0,
        device="numpy",
        versions={},
        times=times,
    )
