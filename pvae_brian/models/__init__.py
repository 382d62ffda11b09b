"""Models in torch: the Poisson VAE, its training, and reading checkpoints."""

from pvae_brian.models.checkpoints import CheckpointError, read_model, save_checkpoint
from pvae_brian.models.objective import FreeEnergy, free_energy
from pvae_brian.models.poisson_vae import PoissonVAE, PoissonVAEConfig
from pvae_brian.models.training import TrainingRecord, evaluate, train

__all__ = [
    "CheckpointError",
    "FreeEnergy",
    "PoissonVAE",
    "PoissonVAEConfig",
    "TrainingRecord",
    "evaluate",
    "free_energy",
    "read_model",
    "save_checkpoint",
    "train",
]
