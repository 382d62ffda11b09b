"""The process of one method: reads requests, a line of JSON each, and answers them likewise.

It ends with its input. Whatever a package prints goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
from methods import METHODS, Shape

RATES = (0.1, 1.0, 10.0, 100.0)


def main() -> None:
    """Prepare the method that the command line names, then serve."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**values) -> None:
        print(json.dumps(values), file=answers, flush=True)

    name, n_stimuli, n_latents, folder = sys.argv[1:]
    method = METHODS[name]
    shape = Shape(int(n_stimuli), int(n_latents), method.n_steps, Path(folder))
    started = time.perf_counter()
    try:
        try:
            versions = {name: version(name) for name in (method.package, "numpy")}
        except PackageNotFoundError:
            raise ModuleNotFoundError(f"{method.package} is not installed") from None
        job = method.prepare(shape)
        answer(seconds=time.perf_counter() - started, versions=versions)
        rates_of = _Rates()
        for line in sys.stdin:
            request = json.loads(line)
            rates = rates_of(**request.pop("rates"))
            started = time.perf_counter()
            counts = job(rates, **request)
            seconds = time.perf_counter() - started
            answer(
                seconds=seconds,
                spikes=float(counts.sum() / rates.sum()),
                moments=_moments(rates, counts),
            )
            del counts
    except Exception as error:
        text = str(error).strip().splitlines() or [""]
        answer(error=f"{type(error).__name__}: {text[-1][:200]}")


class _Rates:
    """Rates of any shape, repeated from those in a file; the last ones are kept."""

    def __init__(self):
        self._request = None

    def __call__(self, **request) -> np.ndarray:
        if request != self._request:
            self._request, self._rates = request, None
            self._rates = self._read(**request)
        return self._rates

    @staticmethod
    def _read(file: str, n_stimuli: int, n_latents: int) -> np.ndarray:
        some = np.load(file, mmap_mode="r")
        row, column = np.arange(n_stimuli) % len(some), np.arange(n_latents) % some.shape[1]
        return np.asarray(some[row[:, None], column], dtype=np.float64)


def _moments(rates: np.ndarray, counts: np.ndarray) -> dict[float, list[int]]:
    """Number, sum and sum of squares of the counts at each of `RATES`, if those are all."""
    if not np.isin(rates[0], RATES).all():
        return {}
    drawn = {rate: np.asarray(counts[:, rates[0] == rate], dtype=np.int64) for rate in RATES}
    return {
        rate: [some.size, int(some.sum()), int((some**2).sum())] for rate, some in drawn.items()
    }


if __name__ == "__main__":
    main()
