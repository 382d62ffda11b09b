"""Spike counts of refractory neurons, from renewal theory."""

from pvae_brian.neurons.renewal.prediction import predict_counts

__all__ = ["predict_counts"]
