"""The one-draw sampler, for comparison: no neuron, no simulation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from pvae_brian.neurons.model import CountPrediction, NeuronModel


@dataclass(frozen=True)
class Sampler(NeuronModel):
    """One Poisson draw per window and latent: no spike is simulated.

    `numpy.random.Generator.poisson` draws the counts. Spike times, if asked for, are uniform in
    the window, as those of a Poisson process are, given their number. A reference to compare
    with; records and tables name it as a sampler.

    Examples
    --------
    >>> from pvae_brian import simulate
    >>> simulate([[3.0]], neuron="sampler").neuron
    Sampler()
    """

    name: ClassVar[str] = "sampler"
    knows_arrivals: ClassVar[bool] = False

    def predict(self, rates: np.ndarray, window_s: float, n_steps: int) -> CountPrediction:
        return CountPrediction(mean=rates, variance=rates)
