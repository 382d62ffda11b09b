"""Brian2's own `PoissonGroup`, for comparison: at most one spike per time step."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pvae_brian.neurons.model import CountPrediction, NeuronModel, Population

# Above this chance of a spike per step, counts are visibly not Poisson.
_LARGE_CHANCE = 0.01


@dataclass(frozen=True)
class Bernoulli(NeuronModel):
    r"""Stock `brian2.PoissonGroup`: one Bernoulli draw per time step, not a Poisson process.

    A neuron fires in a step with chance :math:`p = \min(1, r\,dt)`, so over n steps its counts are
    binomial: mean :math:`n p`, variance :math:`n p (1 - p)`, Fano factor :math:`1 - p`. A
    reference to compare with; it warns where ``rate*dt`` exceeds 0.01.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> record = simulate([[0.5, 0.9]], n_steps=100, neuron="bernoulli")
    >>> [round(float(fano), 4) for fano in record.prediction.fano[0]]
    [0.995, 0.991]
    """

    name: ClassVar[str] = "bernoulli"
    knows_arrivals: ClassVar[bool] = False

    def check(self, rates: np.ndarray, window_s: float, n_steps: int) -> None:
        chance = min(1.0, float(rates.max()) / n_steps)
        if chance > _LARGE_CHANCE:
            warnings.warn(
                f"Bernoulli neurons fire at most once per time step: at the largest rate, "
                f"{rates.max():g} spikes in {n_steps} steps, expect {n_steps * chance:g} spikes "
                f"and a Fano factor of {1 - chance:.3g} instead of 1; take neuron='poisson', or "
                "more steps",
                stacklevel=3,
            )

    def predict(self, rates: np.ndarray, window_s: float, n_steps: int) -> CountPrediction:
        chance = np.minimum(1.0, rates / n_steps)
        return CountPrediction(mean=n_steps * chance, variance=n_steps * chance * (1 - chance))

    def population(self, n: int) -> Population:
        from brian2 import Hz, PoissonGroup, SpikeMonitor

        group = PoissonGroup(n, rates=0 * Hz, name="bernoulli_neurons*")
        counter = SpikeMonitor(group, record=False)
        return Population(
            objects=(group, counter),
            rate=group.variables["rates"],
            count=counter.variables["count"],
        )
