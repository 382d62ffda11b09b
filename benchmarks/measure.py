"""How it is measured: processes to ask for jobs, their peak memory, and statistics."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from serve import RATES

HERE = Path(__file__).parent
_POLL_S = 0.01
# Far more than chance allows in the smallest job.
_FAR = 0.25


class MethodError(Exception):
    """A method is missing, or failed."""


class Process:
    """A process that does jobs with one method: a context manager.

    Parameters
    ----------
    method : str
        Key of `METHODS`.
    n_stimuli, n_latents : int
        Shape of its jobs.
    folder : Path
        For its files, and for compiled programs.
    python : str
        Interpreter.

    Attributes
    ----------
    shape : tuple of int
        Stimuli and latents of its jobs.
    prepared : dict
        Its first answer: seconds of preparation, versions.

    Raises
    ------
    MethodError
        If the method is missing or fails, then or later.
    """

    def __init__(
        self,
        method: str,
        n_stimuli: int,
        n_latents: int,
        folder: Path,
        python: str = sys.executable,
    ):
        self.shape = n_stimuli, n_latents
        folder.mkdir(parents=True, exist_ok=True)
        arguments = [python, str(HERE / "serve.py"), method, str(n_stimuli), str(n_latents)]
        self._log = open(folder / f"{method}.log", "ab")  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                [*arguments, str(folder)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                env=os.environ | {"PVAE_BRIAN_CACHE": str(folder / "programs")},
            )
        except OSError as error:
            self._log.close()
            raise MethodError(f"{python} does not start: {error.strerror}") from error
        try:
            self.prepared = self._answer()
        except BaseException:
            self.close()
            raise

    def run(self, rates: Path, n_steps: int, seed: int, shape: tuple[int, int] | None = None):
        """Do one job.

        Parameters
        ----------
        rates : Path
            Of the file with the rates.
        n_steps : int
            Time steps per window.
        seed : int
            Of the job.
        shape : tuple of int, optional
            Stimuli and latents, if other than prepared for.

        Returns
        -------
        dict
            Seconds, and moments at `RATES` if the rates are those.

        Raises
        ------
        MethodError
            If the method fails, or if its counts are not those of the rates by far.
        """
        n_stimuli, n_latents = shape or self.shape
        request = {
            "rates": {"file": str(rates), "n_stimuli": n_stimuli, "n_latents": n_latents},
            "n_steps": n_steps,
            "seed": seed,
        }
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        answer = self._answer()
        if abs(answer["spikes"] - 1) > _FAR:
            raise MethodError(f"it gave {answer['spikes']:.3g} times the spikes expected")
        return answer

    def peak_memory(self, work: Callable[[], object]) -> int | None:
        """Peak memory in bytes of this process and its children while some work is done.

        It is the most, over time, of the sum of their peaks; None where there is no /proc.
        `resource.getrusage` would not do: Linux counts what a child's parent had when it started
        it, and gives the largest of several children.
        """
        if not Path("/proc/self/status").is_file():
            work()
            return None
        with contextlib.suppress(OSError):
            # This makes the present size the peak.
            Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")
        peak, done = 0, threading.Event()

        def watch() -> None:
            nonlocal peak
            while True:
                peak = max(peak, sum(map(_peak_of, _family(self._process.pid))))
                if done.wait(_POLL_S):
                    return

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            work()
        finally:
            done.set()
            watcher.join()
        return peak

    def close(self) -> None:
        """End the process."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
        self._log.close()

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *exception) -> None:
        self.close()

    def _answer(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise MethodError(f"its process ended (status {self._process.wait()})")
        answer = json.loads(line)
        if "error" in answer:
            raise MethodError(answer["error"])
        return answer


def _family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    children = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name in brackets before them may hold anything, spaces too.
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.parent.name))
    family = [pid]
    for member in family:
        # One that is just being started still has its parent's command line, and its memory.
        command = _read(member, "cmdline")
        family += [one for one in children.get(member, []) if _read(one, "cmdline") != command]
    return family


def _read(pid: int, name: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{name}").read_text()
    return ""


def _peak_of(pid: int) -> int:
    for line in _read(pid, "status").splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 0


@dataclass
class Result:
    """What was measured of one method.

    Attributes
    ----------
    title : str
        Of the method.
    n_stimuli, n_steps : int
        Of its jobs.
    prepare_s, first_s : float
        Seconds of preparation, and of the first job; both include what is built.
    seconds : dict
        Seconds of the jobs by round.
    memory : int or None
        Peak in bytes.
    moments : ndarray, shape (4, 3)
        Number, sum and sum of squares of counts at each of `RATES`.
    error : str
        What went wrong.
    """

    title: str
    n_stimuli: int
    n_steps: int
    prepare_s: float = math.nan
    first_s: float = math.nan
    seconds: dict[int, float] = field(default_factory=dict)
    memory: int | None = None
    moments: np.ndarray = field(default_factory=lambda: np.zeros((len(RATES), 3)))
    error: str = ""

    @property
    def per_stimulus(self) -> dict[int, float]:
        """Seconds per stimulus by round."""
        return {number: seconds / self.n_stimuli for number, seconds in self.seconds.items()}

    def exactness(self) -> list[tuple[float, float]]:
        """Mean over that expected, and variance over mean, at each of `RATES`."""
        n, total, squares = self.moments.T
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = total / n
            variance = squares / n - mean**2
            return list(zip(mean / RATES, variance / mean, strict=True))

    def standard_error(self) -> float:
        """Largest standard error of those numbers, were the counts Poisson."""
        n = self.moments[:, 0]
        if not n.all():
            return math.nan
        return float(np.sqrt((2 + 1 / np.array(RATES)) / n).max())


def in_rounds(
    tasks: dict[str, Callable[[int], float]], n_rounds: int, patience_s: float
) -> dict[str, dict[int, float]]:
    """Time tasks in turn, round after round, so that a busy spell of the machine hits them all.

    Parameters
    ----------
    tasks : dict
        Functions that take the number of the round and return seconds. One that raises
        `MethodError` is left out from then on.
    n_rounds : int
        Rounds of the quick ones.
    patience_s : float
        A task that has taken as long as this in all runs in no further round.

    Returns
    -------
    dict
        Seconds by task and round.
    """
    seconds = {name: {} for name in tasks}
    for number in range(n_rounds):
        for name in list(tasks):
            if sum(seconds[name].values()) < patience_s:
                try:
                    seconds[name][number] = tasks[name](number)
                except MethodError:
                    del tasks[name]
    return seconds


def add_exactness(
    result: Result, process: Process, rates: Path, n_stimuli: int, patience_s: float
) -> None:
    """Draw counts at `RATES` for so many stimuli, or until the time is over."""
    shape = (min(n_stimuli, result.n_stimuli), process.shape[1])
    started = time.perf_counter()
    for seed in range(-(-n_stimuli // shape[0])):
        answer = process.run(rates, result.n_steps, 10_000 + seed, shape)
        result.moments += [answer["moments"][str(rate)] for rate in RATES]
        if time.perf_counter() - started > patience_s:
            return
