"""The engine: rates in, simulated spikes out."""

from pvae_brian.engine.errors import BuildError, EngineError
from pvae_brian.engine.simulation import simulate

__all__ = ["BuildError", "EngineError", "simulate"]
