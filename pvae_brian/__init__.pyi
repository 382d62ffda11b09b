from .comparison import Comparison, compare
from .conversion import convert
from .encoder import Encoder
from .engine import simulate
from .intervals import Estimate
from .loading import load_encoder
from .metabolism import BUDGETS, EnergyBudget, MetabolicCost, metabolic_cost
from .models import (
    CheckpointError,
    PoissonVAE,
    PoissonVAEConfig,
    TrainingRecord,
    save_checkpoint,
    train,
)
from .neurons import LatentNeurons
from .spikes import SpikeRecord, SpikeTimes

__version__: str

__all__ = [
    "BUDGETS",
    "CheckpointError",
    "Comparison",
    "Encoder",
    "EnergyBudget",
    "Estimate",
    "LatentNeurons",
    "MetabolicCost",
    "PoissonVAE",
    "PoissonVAEConfig",
    "SpikeRecord",
    "SpikeTimes",
    "TrainingRecord",
    "compare",
    "convert",
    "load_encoder",
    "metabolic_cost",
    "save_checkpoint",
    "simulate",
    "train",
]
