from . import sweep
from .analysis import Analysis, analyse
from .comparison import Comparison, compare
from .conversion import convert
from .encoder import Encoder
from .engine import BuildError, EngineError, simulate
from .exporting import export, to_nir, write_nir
from .gaussian_encoder import GaussianEncoder
from .intervals import Estimate
from .loading import load_encoder
from .metabolism import (
    BUDGETS,
    CostComparison,
    EnergyBudget,
    MetabolicCost,
    NetworkCost,
    compare_costs,
    load_budget,
    metabolic_cost,
    metabolic_costs,
    network_cost,
    register_budget,
)
from .models import (
    CheckpointError,
    GaussianVAE,
    GaussianVAEConfig,
    PoissonVAE,
    PoissonVAEConfig,
    TrainingRecord,
    save_checkpoint,
    train,
)
from .network import AutoencoderNetwork, NetworkActivity, OnOffInput
from .neurons import Bernoulli, NeuronModel, Poisson, Refractory, Sampler
from .neurons.group import LatentNeurons
from .spikes import Psth, SpikeRecord, SpikeTimes

__version__: str

__all__ = [
    "BUDGETS",
    "Analysis",
    "AutoencoderNetwork",
    "Bernoulli",
    "BuildError",
    "CheckpointError",
    "Comparison",
    "CostComparison",
    "Encoder",
    "EnergyBudget",
    "EngineError",
    "Estimate",
    "GaussianEncoder",
    "GaussianVAE",
    "GaussianVAEConfig",
    "LatentNeurons",
    "MetabolicCost",
    "NetworkActivity",
    "NetworkCost",
    "NeuronModel",
    "OnOffInput",
    "Poisson",
    "PoissonVAE",
    "PoissonVAEConfig",
    "Psth",
    "Refractory",
    "Sampler",
    "SpikeRecord",
    "SpikeTimes",
    "TrainingRecord",
    "analyse",
    "compare",
    "compare_costs",
    "convert",
    "export",
    "load_budget",
    "load_encoder",
    "metabolic_cost",
    "metabolic_costs",
    "network_cost",
    "register_budget",
    "save_checkpoint",
    "simulate",
    "sweep",
    "to_nir",
    "train",
    "write_nir",
]
