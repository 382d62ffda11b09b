"""The budgets that can be called by name: those in `budgets/`, and those that users register."""

from __future__ import annotations

import os
import tomllib
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType

from pvae_brian.metabolism.budget import EnergyBudget

_FOLDER = Path(__file__).parent / "budgets"
_FIELDS = [field.name for field in fields(EnergyBudget)]


def load_budget(path: str | os.PathLike[str]) -> EnergyBudget:
    """Read a budget from a TOML file, whose keys are the attributes of `EnergyBudget`.

    Parameters
    ----------
    path : path-like
        The file.

    Raises
    ------
    FileNotFoundError, PermissionError
        If there is no such file, or it may not be read.
    ValueError
        If it is no TOML, has keys of other names, or values that no budget can have.

    Examples
    --------
    >>> from pathlib import Path
    >>> _ = Path("mine.toml").write_text('''
    ... name = "mine"
    ... unit = "ATP"
    ... spike_cost = 1e9
    ... rest_cost = 3e8
    ... grade = "C"
    ... source = "a guess"
    ... ''')
    >>> load_budget("mine.toml").cost_per_spike
    1000000000.0
    """
    path = Path(path)
    try:
        # Some editors begin a file with a mark of its byte order.
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a readable TOML file: {error}") from error
    unknown = sorted(set(values) - set(_FIELDS))
    if unknown:
        raise ValueError(
            f"{path} has {', '.join(unknown)}, which no budget has; its keys can be "
            f"{', '.join(_FIELDS)}"
        )
    if "name" not in values:
        raise ValueError(f'{path} must give the budget a name; add name = "..."')
    values["notes"] = " ".join(str(values.get("notes", "")).split())
    try:
        return EnergyBudget(**values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from error


_registered = {budget.name: budget for budget in map(load_budget, sorted(_FOLDER.glob("*.toml")))}
_shipped = frozenset(_registered.values())
BUDGETS = MappingProxyType(_registered)


def is_shipped(budget: EnergyBudget) -> bool:
    """Whether it came with the package, and nobody chose its fan-out."""
    return budget in _shipped


def register_budget(budget: EnergyBudget | str | os.PathLike[str]) -> EnergyBudget:
    """Make a budget available by its name, in this process.

    Parameters
    ----------
    budget : EnergyBudget or path-like
        A budget, or a TOML file of one (see `load_budget`).

    Returns
    -------
    EnergyBudget

    Raises
    ------
    ValueError
        If another budget has that name, or the file holds none.

    Examples
    --------
    >>> from pvae_brian import EnergyBudget, metabolic_cost, register_budget, simulate
    >>> _ = register_budget(EnergyBudget("doc", 1e9, 0.0, grade="C", source="a guess"))
    >>> metabolic_cost(simulate([[0.0]]), "doc").total_per_stimulus.value
    0.0
    """
    if not isinstance(budget, EnergyBudget):
        budget = load_budget(budget)
    if _registered.get(budget.name, budget) != budget:
        raise ValueError(f"there is another budget named {budget.name!r}; give yours another name")
    _registered[budget.name] = budget
    return budget


def find_budget(budget: str | os.PathLike[str] | EnergyBudget) -> EnergyBudget:
    """Return a budget by its name, from a TOML file, or as it is.

    Raises
    ------
    ValueError
        If there is no budget of that name.
    """
    if isinstance(budget, EnergyBudget):
        return budget
    if isinstance(budget, str) and budget in BUDGETS:
        return BUDGETS[budget]
    if isinstance(budget, (str, os.PathLike)) and Path(budget).suffix.lower() == ".toml":
        return load_budget(budget)
    raise ValueError(
        f"budget must be one of {', '.join(sorted(BUDGETS))}, a .toml file or an EnergyBudget, got "
        f"{budget!r}"
    )
