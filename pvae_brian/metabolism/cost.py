"""`metabolic_cost`: what the spikes of a record cost under a budget, and what rest costs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pvae_brian.intervals import Estimate, bootstrap, count_interval
from pvae_brian.measures.rates import mean_counts
from pvae_brian.metabolism.budget import EnergyBudget
from pvae_brian.metabolism.hydrolysis import joules_per_unit
from pvae_brian.metabolism.registry import find_budget
from pvae_brian.metabolism.spending import Spending, check_stimuli, cost_of_rest
from pvae_brian.spikes import SpikeRecord

if TYPE_CHECKING:
    from brian2 import Quantity


@dataclass(frozen=True, eq=False)
class MetabolicCost(Spending):
    """The cost of a record, with spiking and resting parts apart.

    All costs are in `unit`. Where the budget does not state what rest costs, the resting parts and
    the totals are NaN.

    Attributes
    ----------
    budget : EnergyBudget
        The budget it was counted by, with the fan-out that was used.
    unit : str
        'ATP' (molecules) or 'J'.
    joules_per_unit : float
        What one unit is in joules.
    n_stimuli, n_latents : int
        How many of each.
    window_s : float
        Duration of the window in seconds.
    cost_per_spike : float
        Of one spike with all that it causes.
    resting : float
        Of all neurons at rest in a window.
    spiking : Estimate of ndarrays, shape (n_stimuli,)
        Of the spikes of each stimulus, with an interval for repetitions of it (Garwood's if counts
        are Poisson).
    spiking_per_stimulus : Estimate
        Mean over stimuli, with an interval for stimuli drawn like these (bootstrap).
    spiking_per_neuron : Estimate of ndarrays, shape (n_latents,)
        Of the spikes of each neuron in a window, mean over stimuli, with intervals by
        `mean_counts`.
    seed : int
        Of the resampling: that of the record.
    """

    cost_per_spike: float
    spiking: Estimate[np.ndarray]
    spiking_per_neuron: Estimate[np.ndarray]

    @property
    def resting_per_neuron(self) -> float:
        """Of one neuron at rest in a window."""
        return self.resting / self.n_latents

    @property
    def total_per_neuron(self) -> Estimate[np.ndarray]:
        """Of spikes and rest of each neuron in a window; arrays of shape (n_latents,)."""
        return self.spiking_per_neuron.shifted(self.resting_per_neuron)

    def in_joules(self) -> MetabolicCost:
        """Return the same cost in joules.

        Examples
        --------
        >>> from pvae_brian import metabolic_cost, simulate
        >>> cost = metabolic_cost(simulate([[0.0]]))
        >>> cost.unit, f"{cost.in_joules().resting:.3g} {cost.in_joules().unit}"
        ('ATP', '3.69e-11 J')
        """
        factor = self.joules_per_unit
        return replace(
            self,
            unit="J",
            joules_per_unit=1.0,
            cost_per_spike=self.cost_per_spike * factor,
            resting=self.resting * factor,
            spiking=self.spiking.scaled(factor),
            spiking_per_stimulus=self.spiking_per_stimulus.scaled(factor),
            spiking_per_neuron=self.spiking_per_neuron.scaled(factor),
        )


def metabolic_cost(
    record: SpikeRecord,
    budget: str | os.PathLike[str] | EnergyBudget = "attwell-laughlin-2001",
    *,
    fan_out: float | None = None,
    hydrolysis: Quantity | None = None,
) -> MetabolicCost:
    r"""Count what the spikes of a record cost.

    .. math:: E = n_\mathrm{spikes}\, c_\mathrm{spike} + K\, T\, c_\mathrm{rest}

    Parameters
    ----------
    record : SpikeRecord
        What `simulate` returned.
    budget : str, path-like or EnergyBudget
        The name of one in `BUDGETS`, a ``.toml`` file of one, or one of your own.
    fan_out : float, optional
        Synaptic events per spike, for a budget that counts them.
    hydrolysis : `brian2.Quantity`, optional
        Energy that ATP sets free, in joules per mole: 50 kJ/mol by default, 8.3e-20 J a molecule.
        Plausible are 44 to 60 kJ/mol. Only matters where ATP is turned into joules.

    Returns
    -------
    MetabolicCost
        In the unit of the budget, ATP or joules.

    Raises
    ------
    ValueError
        If there is no budget of that name, if ``fan_out`` does not go with it, if
        ``hydrolysis`` is not positive and finite, or if there are no stimuli.
    brian2.DimensionMismatchError
        If ``hydrolysis`` is no energy per amount of substance.

    Examples
    --------
    >>> from brian2 import second
    >>> from pvae_brian import metabolic_cost, simulate
    >>> cost = metabolic_cost(simulate([[0.0]], window=1*second))
    >>> f"{cost.total_per_stimulus.value:.3g} {cost.unit}, {float(cost.power.value):.2g} W"
    '4.44e+08 ATP, 3.7e-11 W'
    """
    return metabolic_costs(record, [budget], fan_out=fan_out, hydrolysis=hydrolysis)[0]


def metabolic_costs(
    record: SpikeRecord,
    budgets: Iterable[str | os.PathLike[str] | EnergyBudget],
    *,
    fan_out: float | None = None,
    hydrolysis: Quantity | None = None,
) -> list[MetabolicCost]:
    """Count what the spikes of a record cost under each of several budgets.

    As `metabolic_cost`, but the intervals are worked out once, for costs go with the spikes.
    """
    if isinstance(budgets, (str, os.PathLike, EnergyBudget)):
        raise TypeError(f"budgets must be several, such as [{budgets!r}]; for one: metabolic_cost")
    check_stimuli(record.n_stimuli)
    found = [find_budget(budget) for budget in budgets]
    if fan_out is not None:
        found = [budget.with_fan_out(fan_out) for budget in found]
    spikes = record.counts.sum(axis=1, dtype=np.int64)
    law = record.prediction
    variance = None if law is None or law.is_poisson else law.variance.sum(axis=1)
    low, high = count_interval(spikes, variance)
    per_stimulus = bootstrap(lambda mean: mean, spikes, seed=record.seed)
    per_neuron = mean_counts(record)
    costs = []
    for budget in found:
        cost = budget.cost_per_spike
        costs.append(
            MetabolicCost(
                budget=budget,
                unit=budget.unit,
                joules_per_unit=joules_per_unit(budget.unit, hydrolysis),
                n_stimuli=record.n_stimuli,
                n_latents=record.n_latents,
                window_s=record.window_s,
                cost_per_spike=cost,
                resting=cost_of_rest(budget, record.n_latents, record.window_s),
                spiking=Estimate(spikes, low, high).scaled(cost),
                spiking_per_stimulus=per_stimulus.scaled(cost),
                spiking_per_neuron=per_neuron.scaled(cost),
                seed=record.seed,
            )
        )
    return costs
