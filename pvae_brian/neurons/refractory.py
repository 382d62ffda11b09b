"""Refractory neurons: after each spike silent for a while, then slow to recover."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from pvae_brian._checks import check_duration
from pvae_brian.neurons.model import CountPrediction, NeuronModel, Population

if TYPE_CHECKING:
    from brian2 import Function

_EQUATIONS = """
rate : Hz                      # when rested
arrival : second               # continuous time of the next spike
count : integer
absolute : second (shared)     # no spike for so long after each
relative : second (shared)     # then the rate recovers with this time constant
"""

# Spikes are emitted one per step; those still waiting when the window ends are emitted after it.
_THRESHOLD = "t + dt > arrival and arrival < 1*second"

_RESET = """
count += 1
arrival += absolute + recovered_wait(-log(1 - rand())/rate, relative)
"""

# Steps after the window in which waiting spikes are emitted. At half a spike per step, the chance
# of a longer queue is below 1e-30 (a queue with regular service, decay rate 1.26 per place).
_EXTRA_STEPS = 64
_LARGEST_LOAD = 0.5
# In windows: a shorter recovery makes no difference to a prediction.
_SHORTEST = 1e-12

_CPP = """
double recovered_wait(double wait, double relative)
{
    if (!(relative > 0)) return wait;
    const double x = wait / relative;
    double y = x < 1 ? sqrt(2*x) + x/3 : 1 + x;
    if (x > 1e-10)
        for (int k = 0; k < 8; k++)
            y -= (y + expm1(-y) - x) / -expm1(-y);
    return relative * y;
}
"""

_CYTHON = """
from libc.math cimport expm1 as _expm1, sqrt as _sqrt
cdef double recovered_wait(double wait, double relative) noexcept nogil:
    cdef double x, y
    cdef int k
    if not relative > 0:
        return wait
    x = wait / relative
    y = _sqrt(2*x) + x/3 if x < 1 else 1 + x
    if x > 1e-10:
        for k in range(8):
            y -= (y + _expm1(-y) - x) / -_expm1(-y)
    return relative * y
"""


def recovered_wait(wait: np.ndarray, relative: float) -> np.ndarray:
    r"""Stretch a wait at constant rate to one at a rate that recovers as ``1 - exp(-s/relative)``.

    Solves :math:`s + \tau e^{-s/\tau} - \tau = w` for s by Newton's method, so that an
    exponential wait w becomes an interval of hazard :math:`r (1 - e^{-s/\tau})`.
    """
    if not relative > 0:
        return wait
    x = np.asarray(wait) / relative
    y = np.where(x < 1, np.sqrt(2 * x) + x / 3, 1 + x)
    is_slow = (x > 1e-10) & (x < np.inf)
    x, z = x[is_slow], y[is_slow]
    for _ in range(8):
        z = z - (z + np.expm1(-z) - x) / -np.expm1(-z)
    y[is_slow] = z
    return relative * y


@cache
def _recovered_wait_function() -> Function:
    from brian2 import Function, second

    function = Function(
        recovered_wait,
        arg_units=[second, second],
        arg_names=["wait", "relative"],
        return_unit=second,
        stateless=True,
    )
    function.implementations.add_implementation("cpp", _CPP)
    function.implementations.add_implementation("cython", _CYTHON)
    function.implementations.add_numpy_implementation(recovered_wait, discard_units=True)
    return function


@dataclass(frozen=True)
class Refractory(NeuronModel):
    r"""Neurons with an absolute and a relative refractory period: counts are no longer Poisson.

    At a time s after its last spike a neuron of rate r fires with hazard

    .. math:: h(s) = r\,(1 - e^{-(s - \Delta)/\tau}) \text{ for } s > \Delta, \text{ else } 0,

    with the absolute period :math:`\Delta` and the relative one's time constant :math:`\tau`. A
    neuron is rested when the stimulus appears: its first spike comes at rate r. Counts are exact
    for any time step that `check` lets pass.

    Parameters
    ----------
    absolute : `brian2.Quantity`
        No spike for so long after each.
    relative : `brian2.Quantity`
        Time constant of the recovery that follows; 0 for none.

    Raises
    ------
    ValueError
        If a period is negative or not finite, or if both are zero.
    brian2.DimensionMismatchError
        If a period is not a time with its unit.

    References
    ----------
    Cox (1962), Renewal Theory, for the counts; Berry and Meister (1998), J Neurosci 18:2200, for
    the free firing rate times a recovery function.

    Examples
    --------
    >>> from brian2 import ms, second
    >>> from pvae_brian import Refractory, simulate
    >>> neuron = Refractory(absolute=5*ms)
    >>> record = simulate([[50.0]], window=1*second, neuron=neuron)
    >>> round(float(record.prediction.mean[0, 0]), 1)
    40.0
    """

    name: ClassVar[str] = "refractory"
    absolute: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        for name in ("absolute", "relative"):
            object.__setattr__(self, name, check_duration(getattr(self, name), name))
        if self.absolute == self.relative == 0:
            raise ValueError(
                "a refractory neuron needs an absolute or a relative period above zero, such as "
                "Refractory(absolute=2*ms); for none take neuron='poisson'"
            )

    @classmethod
    def from_parameters(  # type: ignore[override]  # the base takes whatever a model has
        cls, absolute: float, relative: float
    ) -> Refractory:
        from brian2 import second

        return cls(absolute=absolute * second, relative=relative * second)

    def check(self, rates: np.ndarray, window_s: float, n_steps: int) -> None:
        if not self.n_extra_steps(window_s, n_steps):
            return
        rate = float(rates.max())
        busiest = rate / (1 + rate * self.absolute / window_s)
        if busiest > _LARGEST_LOAD * n_steps:
            enough = math.ceil(busiest / _LARGEST_LOAD)
            if self.absolute > 0:
                enough = min(enough, math.ceil(window_s / self.absolute))
            raise ValueError(
                f"n_steps={n_steps} are too few for refractory neurons of {rate:g} spikes per "
                f"window: a step emits one spike, and others would queue; take n_steps={enough} "
                "or more"
            )

    def constants(self, window_s: float) -> dict[str, float]:
        return {"absolute": self.absolute / window_s, "relative": self.relative / window_s}

    def n_extra_steps(self, window_s: float, n_steps: int) -> int:
        # Spikes that lie further apart than a step cannot queue.
        return 0 if self.absolute >= window_s / n_steps else _EXTRA_STEPS

    def population(self, n: int) -> Population:
        from brian2 import NeuronGroup

        group = NeuronGroup(
            n,
            _EQUATIONS,
            threshold=_THRESHOLD,
            reset=_RESET,
            namespace={"recovered_wait": _recovered_wait_function()},
            name="refractory_neurons*",
        )
        return Population.of(group)

    def predict(self, rates: np.ndarray, window_s: float, n_steps: int) -> CountPrediction:
        from pvae_brian.neurons.renewal import predict_counts

        relative = self.relative / window_s
        return predict_counts(
            rates, self.absolute / window_s, relative if relative > _SHORTEST else 0.0
        )
