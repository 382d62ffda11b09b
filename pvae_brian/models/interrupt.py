"""Ctrl-C as a wish to stop, not as an accident."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType


@contextlib.contextmanager
def stop_on_interrupt() -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into a flag, so that no step is left half done; a second one raises."""
    pressed = threading.Event()

    def note(signum: int, frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    # Only the main thread may handle signals; elsewhere Ctrl-C is the caller's affair.
    is_main = threading.current_thread() is threading.main_thread()
    previous = signal.signal(signal.SIGINT, note) if is_main else None
    try:
        yield pressed.is_set
    finally:
        if is_main:
            signal.signal(signal.SIGINT, previous)
