"""What spikes cost: budgets, the cost of a record or a network under one, and of a bit."""

from pvae_brian.metabolism.budget import GRADES, EnergyBudget
from pvae_brian.metabolism.coding import CostComparison, compare_costs
from pvae_brian.metabolism.cost import MetabolicCost, metabolic_cost, metabolic_costs
from pvae_brian.metabolism.hydrolysis import HYDROLYSIS, HYDROLYSIS_RANGE, joules_per_mole
from pvae_brian.metabolism.network import NetworkCost, network_cost
from pvae_brian.metabolism.registry import (
    BUDGETS,
    find_budget,
    is_shipped,
    load_budget,
    register_budget,
)

__all__ = [
    "BUDGETS",
    "GRADES",
    "HYDROLYSIS",
    "HYDROLYSIS_RANGE",
    "CostComparison",
    "EnergyBudget",
    "MetabolicCost",
    "NetworkCost",
    "compare_costs",
    "find_budget",
    "is_shipped",
    "joules_per_mole",
    "load_budget",
    "metabolic_cost",
    "metabolic_costs",
    "network_cost",
    "register_budget",
]
