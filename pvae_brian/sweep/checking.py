"""Checks of what a study is told: each returns the value as it is kept, or raises."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pvae_brian._checks import check_positive_integer
from pvae_brian.engine.devices import DEVICES
from pvae_brian.metabolism import EnergyBudget, find_budget
from pvae_brian.models import FAMILIES

T = TypeVar("T")

# Integers in NetCDF files are signed and have 32 bits.
_MOST_SEEDS = 2**31


def by_name(budget: EnergyBudget) -> str | EnergyBudget:
    """Return the name of a budget that pvae_brian knows, and another as it is."""
    try:
        is_known = find_budget(budget.name) == budget
    except ValueError:
        is_known = False
    return budget.name if is_known else budget


def several(name: str, check: Callable[[Any], T]) -> Callable[[object], tuple[T, ...]]:
    """Return a check for one value or more, each of them right and there once."""

    def check_all(values: object) -> tuple[T, ...]:
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise TypeError(f"{name} must be several values, such as ({values!r},), got {values!r}")
        checked = tuple(check(value) for value in values)
        if not checked or len(set(checked)) < len(checked):
            raise ValueError(f"{name} must be one value or more, each once, got {checked}")
        return checked

    return check_all


def positive(name: str) -> Callable[[int], int]:
    return lambda value: check_positive_integer(value, name)


def number_that(
    name: str, rule: str, is_right: Callable[[float], bool]
) -> Callable[[float], float]:
    """Return a check for a finite number of which ``is_right`` holds; ``rule`` says so in words."""

    def check(value: object) -> float:
        number = _as_float(value, name)
        if not (math.isfinite(number) and is_right(number)):
            raise ValueError(f"{name} must be {rule}, got {number}")
        return number

    return check


def or_none(check: Callable[[Any], T]) -> Callable[[object], T | None]:
    return lambda value: None if value is None else check(value)


def _as_float(value: Any, name: str) -> float:
    if isinstance(value, str):
        raise TypeError(f"{name} must be a number, got {value!r}")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number, got {value!r}") from None


def check_beta(beta: float) -> float:
    # A zero has no sign: one name for one point.
    number = _as_float(beta, "beta") + 0.0
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"beta must be finite and not negative, got {number}")
    return number


def check_seed(seed: int) -> int:
    try:
        number = operator.index(seed)
    except TypeError:
        raise TypeError(f"seed must be an integer, got {seed!r}") from None
    if not 0 <= number < _MOST_SEEDS:
        raise ValueError(f"seed of a study must lie between 0 and 2**31 - 1, got {number}")
    return number


def check_model(model: str) -> str:
    if model not in FAMILIES:
        raise ValueError(f"model must be one of {', '.join(map(repr, FAMILIES))}, got {model!r}")
    return model


def check_data(data: str) -> str:
    if not isinstance(data, str) or not data:
        raise TypeError(
            f"data must be the name of a data set, a file or a folder, as text, got {data!r}"
        )
    return data


def check_device(device: str) -> str:
    if device not in DEVICES:
        raise ValueError(f"device must be one of {', '.join(map(repr, DEVICES))}, got {device!r}")
    return device


def check_budget(budget: str | EnergyBudget) -> str | EnergyBudget:
    return by_name(find_budget(budget))
