from .comparison import Comparison, compare
from .conversion import convert
from .encoder import Encoder
from .engine import BuildError, EngineError, simulate
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
from .neurons import Bernoulli, NeuronModel, Poisson, Refractory, Sampler
from .neurons.group import LatentNeurons
from .spikes import Psth, SpikeRecord, SpikeTimes

__version__: str

__all__ = [
    "BUDGETS",
    "Bernoulli",
    "BuildError",
    "CheckpointError",
    "Comparison",
    "Encoder",
    "EnergyBudget",
    "EngineError",
    "Estimate",
    "LatentNeurons",
    "MetabolicCost",
    "NeuronModel",
    "Poisson",
    "PoissonVAE",
    "PoissonVAEConfig",
    "Psth",
    "Refractory",
    "Sampler",
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
