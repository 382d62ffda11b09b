"""Poisson neurons with exact counts: the neurons that a Poisson VAE assumes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pvae_brian.neurons.model import CountPrediction, NeuronModel, Population

EQUATIONS = """
rate : Hz                      # of the Poisson process
arrival : second               # continuous time of the next spike
count : integer                # spikes since the stimulus was shown
shown : second                 # when the stimulus was shown
window_duration : second (shared)  # how long one stimulus is counted
"""

THRESHOLD = "t + dt > arrival"

# A step emits at most one spike, so arrivals can queue up. At the window's last step, all that
# still wait are counted at once: given a first arrival before the end, the number of others is
# Poisson, and the process, having no memory, starts anew at the end. So counts are exact for
# any dt.
RESET = """
closing = int((timestep(t - shown, dt) + 1) % timestep(window_duration, dt) == 0)
waiting = closing*(t + dt - arrival)
count += 1 + poisson(rate*waiting)
arrival += waiting - log(1 - rand())/rate
"""


@dataclass(frozen=True)
class Poisson(NeuronModel):
    r"""Poisson neurons, exact for any time step: counts are ``Poisson(rates)``.

    Spikes arrive at intervals :math:`-\ln(1 - U) / r`, with U uniform in [0, 1), in continuous
    time; see `LatentNeurons`.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> simulate([[3.0]], neuron="poisson").neuron
    Poisson()
    """

    name: ClassVar[str] = "poisson"

    def predict(self, rates: np.ndarray, window_s: float, n_steps: int) -> CountPrediction:
        return CountPrediction(mean=rates, variance=rates)

    def population(self, n: int) -> Population:
        from brian2 import NeuronGroup

        group = NeuronGroup(
            n, EQUATIONS, threshold=THRESHOLD, reset=RESET, namespace={}, name="poisson_neurons*"
        )
        return Population.of(group)

    def constants(self, window_s: float) -> dict[str, float]:
        return {"window_duration": 1.0}
