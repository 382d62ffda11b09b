"""What spikes cost: energy budgets, the cost of a record under one, and the cost of a bit."""

from pvae_brian.metabolism.budget import GRADES, EnergyBudget
from pvae_brian.metabolism.coding import CostComparison, compare_costs
from pvae_brian.metabolism.cost import (
    HYDROLYSIS,
    HYDROLYSIS_RANGE,
    MetabolicCost,
    joules_per_mole,
    metabolic_cost,
    metabolic_costs,
)
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
    "compare_costs",
    "find_budget",
    "is_shipped",
    "joules_per_mole",
    "load_budget",
    "metabolic_cost",
    "metabolic_costs",
    "register_budget",
]
