"""Modules saved by `torch.export.save`, read without executing anything in the file."""

from pvae_brian.models.checkpoints.exported.module import ExportedModule, read_exported

__all__ = ["ExportedModule", "read_exported"]
