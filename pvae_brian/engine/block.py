r"""Blocks of stimuli: which neurons will fire, and where their spikes belong.

Silence is cheap. The first arrival of a Poisson process of rate :math:`\lambda` per window is
:math:`-\ln(1 - U) / \lambda`. Where it lies beyond the window the neuron is silent, and nothing is
left to simulate; Brian2 steps only the others, from their first arrival on. The law of the counts
is that of stepping all of them. Nor does anything happen before the first arrival in a network: it
starts there.

Three sizes are nested. A job is cut into blocks of whole stimuli, each drawn, sorted and put in
place by one thread. The neurons of a block that fire are cut into parts, each of which is one run
of Brian2's network, whose number of neurons is fixed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pvae_brian.engine.errors import EngineError
from pvae_brian.spikes import SpikeTimes

# Neurons in a block, and about how many spikes it may have: both bound the memory. Part of what a
# seed means: other sizes give other counts.
BLOCK = 2**18
_MOST_SPIKES = 2**20
# 32-bit words of a part's seed: far more than chance could make agree.
SEED_WORDS = 8
# An arrival before this, in windows, is one of the window; the last step may end a rounding early.
END = 1 - 1e-12


@dataclass(frozen=True, eq=False)
class PartResult:
    """What one run of the network gave.

    Attributes
    ----------
    counts : ndarray of int32, shape (n,)
        Spikes of each neuron.
    neuron : ndarray of int32, shape (n_spikes,), or None
        Which neuron emitted each spike, if times are recorded.
    time : ndarray of float64, shape (n_spikes,), or None
        When, in units of the window.
    """

    counts: np.ndarray
    neuron: np.ndarray | None = None
    time: np.ndarray | None = None


class Runner(Protocol):
    """Runs one network of ``n`` neurons again and again."""

    n: int

    n_steps: int

    def run(
        self, rates: np.ndarray, arrivals: np.ndarray | None, seed: np.ndarray, first_step: int = 0
    ) -> PartResult:
        """Simulate at most ``n`` neurons from a step on to the end of the window."""


@dataclass(frozen=True)
class Plan:
    """How a job is cut into blocks, whatever runs them.

    Attributes
    ----------
    n_stimuli, n_latents : int
        Of the whole job.
    seed : int
        Of the whole job.
    window_s : float
        Duration of the window in seconds.
    mean_rate : float
        Mean of all rates, in spikes per window.
    knows_arrivals : bool
        Whether the neurons are given their first arrivals.
    with_times : bool
        Whether spike times are recorded.
    """

    n_stimuli: int
    n_latents: int
    seed: int
    window_s: float
    mean_rate: float
    knows_arrivals: bool
    with_times: bool

    @property
    def stimuli_per_block(self) -> int:
        n_neurons = min(BLOCK, _MOST_SPIKES / max(self.mean_rate, 1))
        return min(self.n_stimuli, max(1, int(n_neurons / self.n_latents)))

    @property
    def n_blocks(self) -> int:
        return -(-self.n_stimuli // self.stimuli_per_block)

    def stimuli(self, block: int) -> slice:
        start = block * self.stimuli_per_block
        return slice(start, min(start + self.stimuli_per_block, self.n_stimuli))

    def n_stimuli_in(self, block: int) -> int:
        stimuli = self.stimuli(block)
        return stimuli.stop - stimuli.start

    def part_seed(self, block: int, part: int) -> np.ndarray:
        """Seed of one run of the network: 32-bit words, unlike those of any other part or job."""
        return np.random.SeedSequence(self.seed, spawn_key=(block, part)).generate_state(SEED_WORDS)


def run_block(
    plan: Plan, block: int, runner: Runner, rates: np.ndarray, counts: np.ndarray
) -> SpikeTimes | None:
    """Simulate one block and put its counts in place.

    Parameters
    ----------
    plan : Plan
        Of the job.
    block : int
        Number of the block, in [0, ``plan.n_blocks``).
    runner : Runner
        What runs the network.
    rates : ndarray, shape (n_stimuli, n_latents)
        Of all stimuli.
    counts : ndarray of int32, shape (n_stimuli, n_latents)
        Zeros; those of this block are filled in.

    Returns
    -------
    SpikeTimes or None
        The spikes of this block, stimuli numbered within the job.

    Raises
    ------
    EngineError
        If the network left spikes of the window behind.
    """
    stimuli = plan.stimuli(block)
    rates = rates[stimuli].ravel()
    generator = np.random.Generator(
        np.random.SFC64(np.random.SeedSequence(plan.seed, spawn_key=(block,)))
    )
    if plan.knows_arrivals:
        firing, arrivals = _first_arrivals(rates, generator)
    else:
        firing, arrivals = np.flatnonzero(rates), None
    # Views, so that the counts go straight to their place.
    counts = counts[stimuli].reshape(-1)
    neurons, times = [], []
    for start in range(0, len(firing), runner.n):
        part = firing[start : start + runner.n]
        seed = plan.part_seed(block, start // runner.n)
        if arrivals is None:
            result = runner.run(rates[part], None, seed)
        else:
            first = arrivals[start : start + runner.n]
            # A step early, so that rounding cannot make it too late.
            first_step = max(0, int(first.min() * runner.n_steps) - 1)
            result = runner.run(rates[part], first, seed, first_step)
        counts[part] = result.counts
        if plan.with_times:
            neuron, time = _all_spikes(result, generator)
            neurons.append(part[neuron])
            times.append(time)
    return sorted_spikes(neurons, times, plan, stimuli.start) if plan.with_times else None


def _first_arrivals(
    rates: np.ndarray, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the neurons that fire in the window, and when they first do, in that order.

    So each network of a part of them can start late: nothing happens before its first arrival.
    """
    uniform = generator.random(len(rates))
    # As -ln(1 - U) is no less than U, most silent neurons are found without a logarithm.
    firing = np.flatnonzero(uniform < rates)
    arrivals = -np.log1p(-uniform[firing]) / rates[firing]
    # In 256 classes, which numpy sorts by radix: order enough. The silent are the last class.
    order = np.argsort((np.minimum(arrivals, 1) * 0xFF).astype(np.uint8), kind="stable")
    order = order[: np.count_nonzero(arrivals < 1)]
    return firing[order], arrivals[order]


def _all_spikes(
    result: PartResult, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Add the spikes that were counted at the end of the window but never emitted.

    Given their number, the arrivals of a Poisson process are uniform between the last one seen
    and the end.
    """
    # Recorded, for whoever asks for all spikes asked for times.
    assert result.neuron is not None
    assert result.time is not None
    n = len(result.counts)
    waiting = result.counts - np.bincount(result.neuron, minlength=n)
    if waiting.any():
        # In the order of emission, so that each neuron's last spike comes last.
        last = np.zeros(n)
        last[result.neuron] = result.time
        late = np.repeat(np.arange(n), waiting)
        late_times = 1 - (1 - last[late]) * generator.random(len(late))
        return np.concatenate([result.neuron, late]), np.concatenate([result.time, late_times])
    return result.neuron, result.time


def sorted_spikes(
    neurons: list[np.ndarray], times: list[np.ndarray], plan: Plan, first_stimulus: int
) -> SpikeTimes:
    """Spikes of a block by stimulus, then by time, from neurons numbered within the block."""
    neuron = np.concatenate([np.zeros(0, np.int32), *neurons]).astype(np.int32)
    time = np.concatenate([np.zeros(0), *times])
    n_latents = np.int32(plan.n_latents)
    order = _rough_order(neuron // n_latents, time)
    # Stimuli are worked out again: that is quicker than to look them up in the new order.
    neuron, time = neuron[order], time[order]
    stimulus = neuron // n_latents
    if ((time[1:] < time[:-1]) & (stimulus[1:] == stimulus[:-1])).any():
        order = np.lexsort((time, stimulus))
        neuron, time = neuron[order], time[order]
    latent = neuron - stimulus * n_latents
    stimulus += np.int32(first_stimulus)
    time *= plan.window_s
    return SpikeTimes(stimulus=stimulus, latent=latent, time=time)


def _rough_order(stimulus: np.ndarray, time: np.ndarray) -> np.ndarray:
    """The order of ``np.lexsort((time, stimulus))`` for times in [0, 1], all but the closest.

    numpy sorts 16-bit keys by radix, several times as fast. Two of them hold 32 bits of the time.
    """
    ticks = (time * (2**32 - 1)).astype(np.uint32)
    keys = [_low(ticks), _low(ticks >> 16), _low(stimulus)]
    if len(stimulus) and stimulus.max() > 0xFFFF:
        keys.append(_low(stimulus >> 16))
    return np.lexsort(keys)


def _low(values: np.ndarray) -> np.ndarray:
    return values.astype(np.uint16)


def check_complete(n_late: int) -> None:
    """Raise if spikes of the window are still waiting after the run.

    Raises
    ------
    EngineError
        If there are any: the counts would be too low.
    """
    if n_late:
        raise EngineError(
            f"{n_late} neurons had spikes left when the simulation ended, which the neuron model "
            "should not let happen; nothing was kept, please report this"
        )
