"""What can go wrong in an engine, though what the user asked for is right."""

from __future__ import annotations


class EngineError(RuntimeError):
    """A simulation could not be carried out; no part of its result is returned."""


class BuildError(EngineError):
    """The C++ program could not be built or started."""


class WorkerLostError(EngineError):
    """A worker process ended in the middle of its work."""
