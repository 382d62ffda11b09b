"""Trained models for others to run: as a stand-alone Brian2 project, and as NIR graphs."""

from pvae_brian.exporting.nir_graph import to_nir, write_nir
from pvae_brian.exporting.project import export

__all__ = ["export", "to_nir", "write_nir"]
