"""Blocks of work on several workers at once, in order, with bounded memory."""

from __future__ import annotations

import os
import queue
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from pvae_brian.engine.standalone.worker import Worker

Result = TypeVar("Result")

# Blocks that may be finished and waiting for an earlier one, for each worker.
_AHEAD = 2


def cores() -> int:
    """Count the cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def run_in_order(
    task: Callable[[int, Worker], Result], n_tasks: int, workers: Sequence[Worker]
) -> Generator[Result, None, None]:
    """Yield ``task(k, worker)`` for each k in order, each on the worker that is free.

    A thread per worker sends it work and sees to its results. Whatever goes wrong, an interrupt
    too, the workers are killed, and no thread is left when the error comes out.
    """
    _keep_freed_memory()
    idle: queue.SimpleQueue[Worker] = queue.SimpleQueue()
    for worker in workers:
        idle.put(worker)

    def run(k: int) -> Result:
        worker = idle.get()
        try:
            return task(k, worker)
        finally:
            idle.put(worker)

    pool = ThreadPoolExecutor(len(workers), thread_name_prefix="pvae_brian")
    futures: deque[Future[Result]] = deque()
    try:
        for k in range(n_tasks):
            if len(futures) == _AHEAD * len(workers):
                yield futures.popleft().result()
            futures.append(pool.submit(run, k))
        while futures:
            yield futures.popleft().result()
    except BaseException:
        for future in futures:
            future.cancel()
        for worker in workers:
            worker.kill()
        raise
    finally:
        pool.shutdown(wait=True)


def _keep_freed_memory() -> None:
    """Let the allocator keep what blocks free: the next ones need as much again.

    glibc returns large arrays to the system at once, and then pays for each page of the next ones,
    which takes longer than to fill them, until one as large as this has been freed.
    """
    np.empty(31 * 2**20, dtype=np.uint8)
