"""The engine: rates in, simulated spike counts out."""

from pvae_brian.engine.simulation import simulate

__all__ = ["simulate"]
