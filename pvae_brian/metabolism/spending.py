"""`Spending`: the spiking and the resting part of a cost, and what follows from the two."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pvae_brian.intervals import Estimate
from pvae_brian.metabolism.budget import EnergyBudget


@dataclass(frozen=True, eq=False)
class Spending:
    """What stimuli cost, with spiking and resting parts apart.

    All costs are in `unit`. Where the budget does not state what rest costs, the resting parts and
    the totals are NaN.

    Attributes
    ----------
    budget : EnergyBudget
        The budget it was counted by.
    unit : str
        'ATP' (molecules) or 'J'.
    joules_per_unit : float
        What one unit is in joules.
    n_stimuli, n_latents : int
        How many of each.
    window_s : float
        Duration of the window in seconds.
    resting : float
        Of all neurons at rest in a window.
    spiking_per_stimulus : Estimate
        Mean over stimuli, with an interval for stimuli drawn like these (bootstrap).
    seed : int
        Of the resampling: that of the record.
    """

    budget: EnergyBudget
    unit: str
    joules_per_unit: float
    n_stimuli: int
    n_latents: int
    window_s: float
    resting: float
    spiking_per_stimulus: Estimate[float]
    seed: int

    @property
    def total_per_stimulus(self) -> Estimate[float]:
        """Of spikes and rest of all neurons in a window, mean over stimuli."""
        return self.spiking_per_stimulus.shifted(self.resting)

    @property
    def spiking_in_total(self) -> Estimate[float]:
        """Of the spikes of all neurons in the windows of all stimuli."""
        return self.spiking_per_stimulus.scaled(self.n_stimuli)

    @property
    def resting_in_total(self) -> float:
        """Of rest of all neurons in the windows of all stimuli."""
        return self.resting * self.n_stimuli

    @property
    def total(self) -> Estimate[float]:
        """Of spikes and rest of all neurons in the windows of all stimuli."""
        return self.total_per_stimulus.scaled(self.n_stimuli)

    @property
    def energy(self) -> Estimate[float]:
        """`total_per_stimulus` as `brian2.Quantity`, in joules."""
        from brian2 import joule

        return self.total_per_stimulus.scaled(self.joules_per_unit * joule)

    @property
    def power(self) -> Estimate[float]:
        """Mean power of all neurons in a window as `brian2.Quantity`, in watts."""
        from brian2 import watt

        return self.total_per_stimulus.scaled(self.joules_per_unit / self.window_s * watt)


def cost_of_rest(budget: EnergyBudget, n_neurons: int, window_s: float) -> float:
    """Return what neurons cost at rest in a window; NaN where the budget does not state it."""
    per_second = math.nan if budget.rest_cost is None else float(budget.rest_cost)
    return per_second * window_s * n_neurons


def check_stimuli(n_stimuli: int) -> None:
    """Raise ValueError if there are no stimuli to take a mean over."""
    if n_stimuli == 0:
        raise ValueError("a mean over stimuli needs at least one, and none is selected")
