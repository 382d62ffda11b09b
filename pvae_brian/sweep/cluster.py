"""Dask workers for a sweep: processes of our own, or those of a running cluster."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import multiprocessing
import signal
import warnings
from collections.abc import Iterator

import dask
from distributed import Client, LocalCluster

_QUIET = {
    # A worker that computes for long, or a laptop that sleeps, is not a lost one.
    "distributed.scheduler.worker-ttl": None,
    # Points wait at the scheduler, so that the next free worker takes the longest.
    "distributed.scheduler.worker-saturation": 1.0,
}
# What a worker process begins with: tqdm's own lock is a semaphore of the system, which a killed
# worker would leave behind.
_BEGIN = """
import threading
from tqdm import tqdm
tqdm.set_lock(threading.RLock())
"""
_GUARD = (
    "worker processes import the script that calls run: put the call under "
    'if __name__ == "__main__":'
)
# A worker that is told to end gets so many seconds; it may be in the middle of a long training.
_LAST_SECONDS = 0.2


def check_main() -> None:
    """Raise RuntimeError in a worker process that imports a script without a guard."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError(_GUARD)


@contextlib.contextmanager
def connected(scheduler: str | None, n_workers: int, retries: int) -> Iterator[Client]:
    """Connect to a running cluster, or start worker processes and end them afterwards.

    Parameters
    ----------
    scheduler : str or None
        Address of a cluster.
    n_workers : int
        Processes of our own, without one.
    retries : int
        So many of our workers may die over a task before it is given up. A running cluster has a
        number of its own.

    Raises
    ------
    OSError
        If there is no scheduler at this address.
    RuntimeError
        If our workers do not start.
    """
    if scheduler is not None:
        with Client(scheduler, set_as_default=False) as client:
            if not client.scheduler_info()["workers"]:
                warnings.warn(
                    f"the cluster at {scheduler} has no workers yet; the points wait for them",
                    stacklevel=2,
                )
            yield client
        return
    with (
        dask.config.set(_QUIET | {"distributed.scheduler.allowed-failures": retries}),
        _local_cluster(n_workers) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        try:
            yield client
        finally:
            cluster.sync(_end_workers, cluster)


def _local_cluster(n_workers: int) -> LocalCluster:
    # After Ctrl-C it tells at exit of processes that it ends, below our last words.
    logging.getLogger("distributed.process").setLevel(logging.WARNING)
    try:
        with _ctrl_c_waits():
            return LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                dashboard_address=None,
                # Without a dashboard too it serves pages; at a port that nobody minds.
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
                # Errors come with the points; all else would be noise.
                silence_logs=logging.CRITICAL,
                # The system is the judge of memory.
                memory_limit=0,
                preload=[_BEGIN],
            )
    except RuntimeError as error:
        raise RuntimeError(f"no worker process starts ({error}); {_GUARD}") from error


@contextlib.contextmanager
def _ctrl_c_waits() -> Iterator[None]:
    """Let Ctrl-C wait till the end of this, and never reach threads and processes of this.

    A terminal sends it to all processes at once, but we end the workers ourselves; and while they
    start, Dask cannot.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


async def _end_workers(cluster: LocalCluster) -> None:
    ends = await asyncio.gather(
        *(nanny.close(timeout=_LAST_SECONDS) for nanny in cluster.workers.values()),
        return_exceptions=True,
    )
    for end in ends:
        # A timeout: it is killed, and on a busy machine not gone yet. No result waits for that.
        if isinstance(end, BaseException) and not isinstance(end, asyncio.TimeoutError):
            raise end
