"""The two clocks of a network, which agree to the last bit on when a window starts."""

from __future__ import annotations

import math
from dataclasses import dataclass

from brian2 import Clock, second

# Of the mantissa of a double.
_BITS = 53


@dataclass(frozen=True)
class Clocks:
    """The two clocks of a network.

    Attributes
    ----------
    window : Clock
        Ticks as images change; graded units follow it.
    step : Clock
        Ticks at each time step; whatever spikes, or gets spikes, follows it.
    """

    window: Clock
    step: Clock

    @classmethod
    def of(cls, window_s: float, n_steps: int, n_windows: int) -> Clocks:
        """Make the clocks for so many windows, of so many steps each."""
        step_s = exact_step(window_s / n_steps, n_steps * n_windows)
        return cls(window=Clock(n_steps * step_s * second), step=Clock(step_s * second))


def exact_step(step_s: float, n_steps: int) -> float:
    """Round a time step such that multiples of it, up to ``n_steps`` times, are not rounded.

    In C++ standalone, Brian2 runs clocks together where their times differ by less than 1e-14 s.
    After a minute that is less than the rounding of a time: the step in which a window starts might
    come before its image does.

    Examples
    --------
    >>> step = exact_step(0.1 / 3, 3000)
    >>> any(k * (3 * step) != (3 * k) * step for k in range(1000)), abs(step - 0.1 / 3) < 1e-13
    (False, True)
    """
    mantissa, exponent = math.frexp(step_s)
    bits = _BITS - n_steps.bit_length()
    return math.ldexp(round(math.ldexp(mantissa, bits)), exponent - bits)
