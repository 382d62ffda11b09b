"""The learning rate over a training, and when the training ends."""

from __future__ import annotations

import math

# Share of the epochs in which the learning rate falls to zero, and over how many epochs the free
# energy is watched for a plateau.
_COOLING = 0.3
_WATCHED = 2


class Cosine:
    """A fixed number of epochs, while the learning rate falls to zero along a cosine.

    >>> schedule = Cosine(epochs=2)
    >>> [round(schedule.factor(done), 2) for done in (0.0, 1.0, 2.0)]
    [1.0, 0.5, 0.0]
    """

    plateau = None

    def __init__(self, epochs: int):
        self._epochs = epochs

    def factor(self, done: float) -> float:
        """Of the learning rate, after so many epochs and parts of them."""
        return 0.5 * (1 + math.cos(math.pi * done / self._epochs))

    def ends(self, energies: list[float]) -> bool:
        """Whether the training ends after these epochs."""
        return len(energies) >= self._epochs


class Plateau:
    """A constant learning rate until the free energy is on a plateau, then a linear fall to zero.

    It is on a plateau when it changed over the last two epochs by less than ``tolerance`` of itself
    per epoch. The fall of the learning rate, which takes 0.3 of all epochs, begins there, or where
    it must begin to end after the most epochs that are allowed.

    >>> schedule = Plateau(epochs=100, tolerance=0.01)
    >>> energies = [200.0, 150.0, 120.0, 119.0, 118.9]
    >>> schedule.ends(energies), schedule.plateau, schedule.factor(5.0), schedule.factor(6.0)
    (False, True, 1.0, 0.5)
    """

    def __init__(self, epochs: int, tolerance: float, *, first: int = 0):
        """Watch from epoch ``first`` on: before it, the weight of the KL term still rises."""
        self._tolerance = tolerance
        self._first = first
        self._latest = max(0, epochs - max(1, round(_COOLING * epochs)))
        self._cooling: tuple[int, int] | None = None
        self._epochs = epochs
        self.plateau = False

    def factor(self, done: float) -> float:
        """Of the learning rate, after so many epochs and parts of them."""
        start, length = self._cooling or (self._latest, self._epochs - self._latest)
        return min(1.0, max(0.0, 1 - (done - start) / length))

    def ends(self, energies: list[float]) -> bool:
        """Whether the training ends after epochs of these free energies."""
        done = len(energies)
        if self._cooling is None and done <= self._latest and self._is_flat(energies):
            self.plateau = True
            length = max(1, round(done * _COOLING / (1 - _COOLING)))
            self._cooling = (done, min(length, self._epochs - done))
        start, length = self._cooling or (self._latest, self._epochs - self._latest)
        return done >= start + length

    def _is_flat(self, energies: list[float]) -> bool:
        if len(energies) - self._first <= _WATCHED:
            return False
        last = energies[-1]
        change = abs(energies[-1 - _WATCHED] - last) / _WATCHED
        # Of something that diverges all is small beside its last value.
        return change < self._tolerance * min(abs(last), abs(energies[0]))
