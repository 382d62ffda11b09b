"""What a user sees of a sweep while it runs: a bar on a terminal, and a line for each point."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from tqdm import tqdm

from pvae_brian.sweep.study import Point

# Fitted to seconds on one core, 50 000 patches: 14, 20 and 30 for a P-VAE of 128, 256 and 512
# latents, and 1.5 to 2.5 times as many for a control. Work whatever the size, in latents:
_BASE = 208
_CONTROL = 2
_BAR = "{percentage:3.0f}%|{bar}| {postfix[0]}/{postfix[1]} points [{elapsed}<{remaining}]"


def expected_cost(point: Point) -> int:
    """Return about how long a point takes, in units that are common to a study."""
    return (point.n_latents + _BASE) * (1 if point.model == "poisson" else _CONTROL)


class Progress:
    """Tells on standard error what is done; a context manager.

    Parameters
    ----------
    is_shown : bool
        Whether to tell anything.
    todo : iterable of Point
        What will be computed.
    n_there : int
        How many points are finished already.
    """

    def __init__(self, is_shown: bool, todo: Iterable[Point], n_there: int):
        self._is_shown = is_shown
        todo = list(todo)
        self._counts = [0, len(todo)]
        self._there = n_there
        self._cost = sum(map(expected_cost, todo))
        self._bar = None

    def __enter__(self) -> Progress:
        if self._is_shown:
            there = f", {self._there} are there already" if self._there else ""
            print(f"{self._counts[1]} points to compute{there}", file=sys.stderr, flush=True)
            # Without smoothing: the time left is that of all points so far, by their cost.
            self._bar = tqdm(
                total=self._cost,
                smoothing=0,
                bar_format=_BAR,
                postfix=self._counts,
                disable=None,
            )
        return self

    def __exit__(self, *exception: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def finished(self, point: Point, text: str) -> None:
        """Tell of a point that is finished, or has failed."""
        if self._bar is None:
            return
        self._counts[0] += 1
        tqdm.write(f"{point.name}: {text}", file=sys.stderr)
        self._bar.update(expected_cost(point))
