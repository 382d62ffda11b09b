"""What the engine asks of a neuron model: one small class per model, in a module of its own."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

if TYPE_CHECKING:
    from brian2 import BrianObject, NeuronGroup
    from brian2.core.variables import ArrayVariable


@dataclass(frozen=True, eq=False)
class CountPrediction:
    """Mean and variance of each spike count, as theory predicts them.

    Attributes
    ----------
    mean, variance : ndarray, shape (n_stimuli, n_latents)
        Spikes per window, and their variance over repetitions.
    """

    mean: np.ndarray
    variance: np.ndarray

    @property
    def is_poisson(self) -> bool:
        """Whether variances are the means themselves, as those of Poisson counts."""
        return self.variance is self.mean

    @property
    def fano(self) -> np.ndarray:
        """Variance over mean; NaN for a neuron that never fires."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.variance / self.mean


@dataclass(frozen=True, eq=False)
class Population:
    """Brian2 objects of one neuron model, and the variables through which the engine drives them.

    The network runs in units of the window: it starts at 0 s, and the window lasts 1 s.

    Attributes
    ----------
    objects : tuple of BrianObject
        What goes into the network; the first is the group that spikes.
    rate : ArrayVariable
        Takes the rates of the neurons in Hz, that is in expected spikes per window.
    count : ArrayVariable
        Holds the spike counts when the run is over.
    arrival : ArrayVariable or None
        Takes the time of the next spike, and the model moves it on. The engine draws the first
        ones, and steps only neurons that have one in the window. None if a model does not know
        its spikes ahead, so that every neuron must be stepped.
    """

    objects: tuple[BrianObject, ...]
    rate: ArrayVariable
    count: ArrayVariable
    arrival: ArrayVariable | None = None

    @classmethod
    def of(cls, group: NeuronGroup) -> Self:
        """Take a group that calls its variables ``rate``, ``count`` and ``arrival``."""
        return cls((group,), *(group.variables[name] for name in ("rate", "count", "arrival")))


@dataclass(frozen=True)
class NeuronModel:
    """Base of all neuron models: plain settings, hashable and comparable.

    Attributes
    ----------
    name : str
        How records and tables call it.
    knows_arrivals : bool
        Whether a neuron knows its next spike ahead, as `Population.arrival`.
    """

    name: ClassVar[str]
    knows_arrivals: ClassVar[bool] = True

    def settings(self) -> dict[str, str | float]:
        """Name and parameters, as a record keeps them."""
        return {"name": self.name} | dataclasses.asdict(self)

    @classmethod
    def from_parameters(cls, **parameters: Any) -> Self:
        """Make the model from the parameters in its `settings`."""
        return cls(**parameters)

    def check(self, rates: np.ndarray, window_s: float, n_steps: int) -> None:
        """Raise ValueError, or warn, where the model is not what the user may expect."""

    def predict(self, rates: np.ndarray, window_s: float, n_steps: int) -> CountPrediction | None:
        """Predict the counts, or None where no theory is at hand."""
        raise NotImplementedError

    def population(self, n: int) -> Population:
        """Make Brian2 objects for ``n`` neurons on the active device."""
        raise NotImplementedError

    def constants(self, window_s: float) -> dict[str, float]:
        """Values of the group's shared variables, times in units of the window."""
        return {}

    def n_extra_steps(self, window_s: float, n_steps: int) -> int:
        """Count the steps after the window in which spikes of the window may still be emitted."""
        return 0
