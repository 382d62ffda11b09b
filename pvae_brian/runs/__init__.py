"""Runs: a simulation with its model, its images and how it was made, as one folder."""

from pvae_brian.runs.folder import Run, load_run, save_run
from pvae_brian.runs.place import check_run_writable
from pvae_brian.runs.provenance import Provenance, describe_provenance

__all__ = [
    "Provenance",
    "Run",
    "check_run_writable",
    "describe_provenance",
    "load_run",
    "save_run",
]
