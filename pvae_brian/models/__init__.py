"""Models in torch: the Poisson VAE and its control, their training, and reading checkpoints."""

from pvae_brian.models.checkpoints import CheckpointError, read_model, save_checkpoint
from pvae_brian.models.families import FAMILIES, build_model
from pvae_brian.models.gaussian_vae import GaussianVAE, GaussianVAEConfig
from pvae_brian.models.objective import FreeEnergy, free_energy
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig
from pvae_brian.models.record import TrainingRecord
from pvae_brian.models.training import evaluate, train

__all__ = [
    "FAMILIES",
    "CheckpointError",
    "FreeEnergy",
    "GaussianVAE",
    "GaussianVAEConfig",
    "PoissonVAE",
    "PoissonVAEConfig",
    "TrainingRecord",
    "build_model",
    "evaluate",
    "free_energy",
    "read_model",
    "save_checkpoint",
    "train",
]
