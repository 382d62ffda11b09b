"""`EnergyBudget`: what a spike and a second of rest cost, with source and grade."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real

UNITS = ("ATP", "J")
GRADES = {
    "A": "read in the source itself",
    "B": "quoted by others, and consistent with what was read",
    "C": "derived, or assumed",
}
_SCOPES = ("all-in", "per part")
_COSTS = ("spike_cost", "propagation_cost", "synaptic_cost", "rest_cost")


@dataclass(frozen=True)
class EnergyBudget:
    r"""What a spike and a second of rest cost a neuron.

    .. math:: \mathrm{cost} = n_\mathrm{spikes}\, c_\mathrm{spike} + T\, c_\mathrm{rest}

    A spike's cost is either all-in, one number that holds all its parts, or per part:
    propagation, and synaptic events as many as the fan-out,

    .. math:: c_\mathrm{spike} = c_\mathrm{propagation} + f\, c_\mathrm{synaptic}.

    The two are never added: a budget that adds parts to an all-in cost is refused.

    Attributes
    ----------
    name : str
        Name to call it by.
    spike_cost : float or None
        Cost of a spike, all-in: the action potential and the synaptic events that it causes.
    rest_cost : float or None
        Cost of a second without spikes, per neuron. None where the source does not state it: then
        there is no total either.
    grade : str
        How far the cost of a spike was traced: 'A' read in the source itself, 'B' as quoted by
        others and consistent with it, 'C' derived from such, or assumed.
    source : str
        Citation.
    unit : str
        Of all costs: 'ATP' (molecules) or 'J'.
    scope : str
        'all-in' or 'per part'.
    propagation_cost : float or None
        Of a spike, whatever its targets.
    synaptic_cost : float or None
        Of one synaptic event. With scope 'all-in' it holds a share of everything else.
    fan_out : float or None
        Synaptic events per spike.
    rest_grade : str or None
        Grade of ``rest_cost``; that of the spike by default.
    notes : str
        What a reader should know before trusting it.

    Raises
    ------
    ValueError
        If a cost is negative or not finite, if parts are added to an all-in cost or are missing,
        or if unit, scope or grade is none of these.
    TypeError
        If a cost is no number, or a text no string.

    Examples
    --------
    >>> budget = EnergyBudget("mine", spike_cost=1e9, rest_cost=3e8, grade="C", source="a guess")
    >>> budget.cost_per_spike
    1000000000.0
    >>> chip = EnergyBudget(
    ...     "chip", grade="C", source="a guess", unit="J", scope="per part",
    ...     propagation_cost=2e-12, synaptic_cost=1e-12, fan_out=100,
    ... )
    >>> f"{chip.cost_per_spike:.3g} J"
    '1.02e-10 J'
    """

    name: str
    spike_cost: float | None = None
    rest_cost: float | None = None
    grade: str = ""
    source: str = ""
    _: KW_ONLY
    unit: str = "ATP"
    scope: str = "all-in"
    propagation_cost: float | None = None
    synaptic_cost: float | None = None
    fan_out: float | None = None
    rest_grade: str | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        for field in ("name", "source", "notes"):
            if not isinstance(getattr(self, field), str):
                raise TypeError(f"{field} must be a string, got {getattr(self, field)!r}")
        if not self.name.strip() or not self.source.strip():
            raise ValueError(
                "a budget needs a name and a source, so that readers can trace it; got name "
                f"{self.name!r} and source {self.source!r}"
            )
        self._check_choices()
        for field in (*_COSTS, "fan_out"):
            self._check_cost(field)
        if self.scope == "all-in":
            self._check_all_in()
        else:
            self._check_parts()
        if (self.synaptic_cost is None) != (self.fan_out is None):
            raise ValueError(
                f"synaptic_cost and fan_out go together, in budget {self.name!r} they are "
                f"{self.synaptic_cost!r} and {self.fan_out!r}; give both or neither"
            )

    def _check_choices(self) -> None:
        grades = tuple(GRADES)
        for field, known in (("unit", UNITS), ("scope", _SCOPES), ("grade", grades)):
            if getattr(self, field) not in known:
                raise ValueError(
                    f"{field} of budget {self.name!r} must be one of {', '.join(known)}, got "
                    f"{getattr(self, field)!r}"
                )
        if self.rest_grade not in (None, *grades):
            raise ValueError(
                f"rest_grade of budget {self.name!r} must be one of {', '.join(grades)}, got "
                f"{self.rest_grade!r}"
            )

    def _check_cost(self, field: str) -> None:
        cost = getattr(self, field)
        if cost is None:
            return
        if not isinstance(cost, Real) or isinstance(cost, bool):
            raise TypeError(
                f"{field} must be a plain number, in {self.unit}, got {cost!r}; of a quantity take "
                "float(quantity/joule)"
            )
        try:
            is_fine = math.isfinite(cost) and float(cost) >= 0
        except OverflowError:
            is_fine = False
        if not is_fine:
            raise ValueError(f"{field} must be finite and not negative, got {cost!s:.30}")

    def _check_all_in(self) -> None:
        if (self.spike_cost is None) == (self.synaptic_cost is None):
            raise ValueError(
                f"the all-in budget {self.name!r} needs either spike_cost, or synaptic_cost and "
                "fan_out; for a sum of parts set scope='per part'"
            )
        if self.propagation_cost is not None:
            raise ValueError(
                f"the cost in budget {self.name!r} is all-in and already holds propagation; leave "
                "propagation_cost away, or give all parts with scope='per part'"
            )

    def _check_parts(self) -> None:
        if self.spike_cost is not None:
            raise ValueError(
                f"spike_cost is all-in and already holds its parts, but budget {self.name!r} says "
                "'per part'; leave spike_cost away, or set scope='all-in'"
            )
        if self.propagation_cost is None and self.synaptic_cost is None:
            raise ValueError(
                f"budget {self.name!r} has no parts; give propagation_cost, or synaptic_cost and "
                "fan_out"
            )

    @property
    def cost_per_spike(self) -> float:
        """Cost of a spike with all that it causes, in `unit`."""
        if self.spike_cost is not None:
            return float(self.spike_cost)
        # They go together.
        synaptic = (self.synaptic_cost or 0.0) * (self.fan_out or 0.0)
        return float((self.propagation_cost or 0.0) + synaptic)

    def with_fan_out(self, fan_out: float) -> EnergyBudget:
        """Return this budget with another number of synaptic events per spike.

        Raises
        ------
        ValueError
            If its cost of a spike is all-in, and so holds the synapses already.
        """
        if self.fan_out is None:
            raise ValueError(
                f"fan_out does not go with budget {self.name!r}: its cost of a spike already holds "
                "the synapses; leave fan_out away"
            )
        return replace(self, fan_out=fan_out)
