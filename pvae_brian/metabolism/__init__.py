"""What spikes cost: energy budgets, and the cost of a record under one."""

from pvae_brian.metabolism.cost import BUDGETS, EnergyBudget, MetabolicCost, metabolic_cost

__all__ = ["BUDGETS", "EnergyBudget", "MetabolicCost", "metabolic_cost"]
