"""A worker process: the compiled program, which simulates one part of the work after another."""

from __future__ import annotations

import contextlib
import io
import signal
import struct
import subprocess
import sys
from typing import IO

import numpy as np

from pvae_brian.engine.block import PartResult, check_complete
from pvae_brian.engine.errors import BuildError, EngineError, WorkerLostError
from pvae_brian.engine.standalone.cache import VARIABLE, Program
from pvae_brian.engine.standalone.source import MAGIC, executable
from pvae_brian.neurons import NeuronModel

# Larger pipes mean fewer switches between us and the worker. Linux's usual limit for users.
_PIPE_SIZE = 2**20


class Worker:
    """Runs one compiled network again and again, in a process of its own.

    A context manager: the process is gone after it. Not for several threads at once, but several
    workers run side by side.

    Parameters
    ----------
    program : Program
        What to run.
    neuron : NeuronModel
        Its neurons, with their parameters.
    window_s : float
        Duration of the window in seconds.
    n_steps : int
        Time steps per window.

    Raises
    ------
    BuildError
        If the program cannot be started, or is no such program.
    """

    def __init__(self, program: Program, neuron: NeuronModel, window_s: float, n_steps: int):
        self.n = program.n
        self.n_steps = n_steps
        self._folder = program.folder
        self._with_times = program.with_times
        self._n_extra_steps = neuron.n_extra_steps(window_s, n_steps)
        constants = neuron.constants(window_s)
        self._constants = [constants[name] for name in sorted(constants)] or [0.0]

    def __enter__(self) -> Worker:
        try:
            self._process = subprocess.Popen(
                [executable(self._folder)],
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                # Ctrl-C is for us; the worker ends when we do.
                start_new_session=True,
            )
        except OSError as error:
            raise self._not_started(str(error)) from error
        self._stdin = _raw(self._process.stdin)
        self._stdout = _raw(self._process.stdout)
        self._stderr = _raw(self._process.stderr)
        try:
            if sys.platform == "linux":
                _enlarge(self._stdin, self._stdout)
            try:
                if self._receive(1, np.int64)[0] != MAGIC:
                    raise self._not_started("it speaks another protocol")
            except WorkerLostError as error:
                raise self._not_started(str(error)) from error
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.kill()
        self._process.wait()
        for pipe in (self._stdin, self._stdout, self._stderr):
            with contextlib.suppress(OSError):
                pipe.close()

    def kill(self) -> None:
        """End the process at once; what runs in it, in whatever thread, raises EngineError."""
        self._process.kill()

    def run(
        self, rates: np.ndarray, arrivals: np.ndarray | None, seed: np.ndarray, first_step: int = 0
    ) -> PartResult:
        """Simulate one window; as `RuntimeRunner.run`.

        Raises
        ------
        EngineError
            If the process ended before its time (`WorkerLostError`), or left spikes of the
            window behind.
        """
        n = len(rates)
        head = struct.pack(
            f"=qqqq{len(seed)}Id{len(self._constants)}d",
            MAGIC,
            n,
            first_step,
            self.n_steps + self._n_extra_steps,
            *seed.tolist(),
            1 / self.n_steps,
            *self._constants,
        )
        arrays = [rates] if arrivals is None else [rates, arrivals]
        self._send(head, *(np.ascontiguousarray(array, dtype=np.float64).data for array in arrays))
        magic, n_late, n_spikes = self._receive(3, np.int64).tolist()
        if magic != MAGIC:
            raise EngineError("the compiled program sent something unexpected")
        counts = self._receive(n, np.int32)
        result = PartResult(counts)
        if self._with_times:
            neuron = self._receive(n_spikes, np.int32)
            result = PartResult(counts, neuron, self._receive(n_spikes, np.float64))
        check_complete(n_late)
        return result

    def _not_started(self, cause: str) -> BuildError:
        return BuildError(
            f"the compiled program in {self._folder} does not start: {cause}; remove it "
            f"('pvae-brian cache clear'), or set {VARIABLE} to a folder whose programs may run here"
        )

    def _send(self, *messages: memoryview | bytes) -> None:
        try:
            for message in messages:
                view = memoryview(message).cast("B")
                while view:
                    view = view[self._stdin.write(view) :]
        except OSError:
            raise self._lost() from None

    def _receive(self, n: int, dtype: type) -> np.ndarray:
        array: np.ndarray = np.empty(n, dtype)
        view = memoryview(array.data).cast("B") if n else None
        while view:
            n_read = self._stdout.readinto(view)
            if not n_read:
                raise self._lost()
            view = view[n_read:]
        return array

    def _lost(self) -> WorkerLostError:
        # Its end may come a moment after that of its pipes; killing it now would hide the cause.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        self.kill()
        status = self._process.wait()
        message = self._stderr.read(2000).decode(errors="replace").strip()
        cause = f"killed by {_signal_name(-status)}" if status < 0 else f"exit status {status}"
        return WorkerLostError(
            f"a worker process ended in the middle of its work ({cause}"
            f"{': ' + message if message else ''}); nothing was kept"
        )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _raw(pipe: IO[bytes] | None) -> io.FileIO:
    # What Popen makes of PIPE without a buffer.
    assert isinstance(pipe, io.FileIO)
    return pipe


def _enlarge(*pipes: io.FileIO) -> None:
    import fcntl

    for pipe in pipes:
        # A user may have used up their share of large pipes; small ones serve as well.
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)
