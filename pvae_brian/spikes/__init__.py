"""Spike records: what a simulation measured, how it was made, and where it is kept."""

from pvae_brian.spikes.record import SpikeRecord
from pvae_brian.spikes.storage import RecordWriter
from pvae_brian.spikes.times import SpikeTimes
from pvae_brian.spikes.trains import Psth

__all__ = ["Psth", "RecordWriter", "SpikeRecord", "SpikeTimes"]
