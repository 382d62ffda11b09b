"""The one-draw sampler, block by block: a reference, not a simulation."""

from __future__ import annotations

import numpy as np

from pvae_brian.engine.block import Plan, sorted_spikes
from pvae_brian.spikes import SpikeTimes


def sample_block(
    plan: Plan, block: int, rates: np.ndarray, counts: np.ndarray
) -> SpikeTimes | None:
    """Draw the counts of one block; arguments and result as `run_block`."""
    stimuli = plan.stimuli(block)
    generator = np.random.default_rng(np.random.SeedSequence(plan.seed, spawn_key=(block,)))
    counts[stimuli] = generator.poisson(rates[stimuli])
    if not plan.with_times:
        return None
    drawn = counts[stimuli].ravel()
    neuron = np.repeat(np.arange(len(drawn)), drawn)
    return sorted_spikes([neuron], [generator.random(len(neuron))], plan, stimuli.start)
