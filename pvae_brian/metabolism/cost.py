"""What spikes cost: energy budgets, and the cost of a record under one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.spikes import SpikeRecord


@dataclass(frozen=True)
class EnergyBudget:
    r"""What a spike and a second of rest cost a neuron.

    .. math:: \mathrm{cost} = n_\mathrm{spikes}\, c_\mathrm{spike} + T\, c_\mathrm{rest}

    Attributes
    ----------
    name : str
        Name to call it by.
    spike_cost : float
        ATP per spike, all-in: the action potential and the synaptic events that it causes.
    rest_cost : float
        ATP per second and neuron without spikes.
    grade : str
        How far the numbers were traced: 'A' read in the source itself, 'B' as quoted by others
        and consistent with it, 'C' derived from such.
    source : str
        Where the numbers come from.
    """

    name: str
    spike_cost: float
    rest_cost: float
    grade: str
    source: str

    def __post_init__(self):
        for name in ("spike_cost", "rest_cost"):
            cost = getattr(self, name)
            if not (math.isfinite(cost) and cost >= 0):
                raise ValueError(f"{name} must be finite and not negative, in ATP, got {cost!r}")


# Per spike: 3.84e8 for the action potential and 2000 vesicles of glutamate at 1.64e5.
# Rest: 3.42e8 for the neuron and 1.02e8 for the glia that goes with it.
_ATTWELL_LAUGHLIN_2001 = EnergyBudget(
    name="attwell-laughlin-2001",
    spike_cost=7.1e8,
    rest_cost=3.42e8 + 1.02e8,
    grade="B",
    source="Attwell and Laughlin (2001), J Cereb Blood Flow Metab 21:1133, rodent grey matter",
)

BUDGETS = {budget.name: budget for budget in (_ATTWELL_LAUGHLIN_2001,)}


@dataclass(frozen=True)
class MetabolicCost:
    """The cost of a record, in ATP, with spiking and resting parts apart.

    Attributes
    ----------
    budget : EnergyBudget
        The budget it was counted by.
    spiking : ndarray, shape (n_stimuli,)
        ATP that the spikes of each stimulus cost.
    resting : float
        ATP that all neurons together spend at rest in a window.
    per_neuron : ndarray, shape (n_latents,)
        ATP per neuron and window, both parts, mean over stimuli.
    spiking_per_stimulus, total_per_stimulus : Estimate
        Mean ATP per stimulus: of spikes, and of spikes and rest. Intervals are for stimuli drawn
        like these (bootstrap).
    """

    budget: EnergyBudget
    spiking: np.ndarray
    resting: float
    per_neuron: np.ndarray
    spiking_per_stimulus: Estimate
    total_per_stimulus: Estimate


def metabolic_cost(
    record: SpikeRecord, budget: str | EnergyBudget = "attwell-laughlin-2001"
) -> MetabolicCost:
    """Count what the spikes of a record cost.

    Parameters
    ----------
    record : SpikeRecord
        What `simulate` returned.
    budget : str or EnergyBudget
        The name of one in `BUDGETS`, or one of your own.

    Returns
    -------
    MetabolicCost
        In ATP.

    Raises
    ------
    ValueError
        If there is no budget of that name.

    Examples
    --------
    >>> from brian2 import second
    >>> from pvae_brian import metabolic_cost, simulate
    >>> record = simulate([[0.0]], window=1*second)
    >>> f"{metabolic_cost(record).total_per_stimulus.value:.3g} ATP"
    '4.44e+08 ATP'
    """
    budget = _find_budget(budget)
    spiking = record.counts.sum(axis=1) * budget.spike_cost
    resting_per_neuron = budget.rest_cost * record.window_s
    resting = resting_per_neuron * record.n_latents
    spikes = bootstrap(lambda mean: mean, spiking, seed=record.seed)
    return MetabolicCost(
        budget=budget,
        spiking=spiking,
        resting=resting,
        per_neuron=record.counts.mean(axis=0) * budget.spike_cost + resting_per_neuron,
        spiking_per_stimulus=spikes,
        total_per_stimulus=Estimate(
            spikes.value + resting, spikes.low + resting, spikes.high + resting
        ),
    )


def _find_budget(budget: str | EnergyBudget) -> EnergyBudget:
    if isinstance(budget, EnergyBudget):
        return budget
    if not isinstance(budget, str) or budget not in BUDGETS:
        raise ValueError(
            f"budget must be one of {sorted(BUDGETS)} or an EnergyBudget, got {budget!r}"
        )
    return BUDGETS[budget]
