"""How a record was made, as the JSON text that its files keep."""

from __future__ import annotations

import math
import operator
import platform
from collections.abc import Mapping
from typing import Any

from pvae_brian.neurons import NeuronModel, Poisson, from_settings

FORMAT = "pvae_brian spike record 2"
# The first did not keep the neuron model, for there was only one.
_READABLE = ("pvae_brian spike record 1", FORMAT)


def describe(
    *,
    window_s: float,
    n_steps: int,
    seed: int,
    device: str,
    versions: Mapping[str, str],
    neuron: NeuronModel,
) -> dict[str, object]:
    """Return the settings of a `SpikeRecord` in types that JSON has.

    Raises
    ------
    ValueError
        If `restore` would refuse them.
    TypeError
        If one is not of its type at all.

    Examples
    --------
    >>> settings = describe(
    ...     window_s=1.0, n_steps=100, seed=0, device="numpy", versions={}, neuron=Poisson()
    ... )
    >>> settings["neuron"]
    {'name': 'poisson'}
    """
    settings = {
        "window_s": float(window_s),
        "n_steps": operator.index(n_steps),
        "seed": operator.index(seed),
        "device": str(device),
        "versions": dict(versions),
        "neuron": neuron.settings(),
    }
    restore(settings)
    return settings


def current_versions() -> dict[str, str]:
    """Return the versions of what simulates here, as a `SpikeRecord` keeps them.

    >>> sorted(current_versions())
    ['brian2', 'numpy', 'pvae_brian', 'python']
    """
    import brian2
    import numpy

    import pvae_brian

    return {
        "pvae_brian": pvae_brian.__version__,
        "brian2": brian2.__version__,
        "numpy": numpy.__version__,
        "python": platform.python_version(),
    }


def restore(settings: object) -> dict[str, Any]:
    """Return the fields of a `SpikeRecord` that `describe` described.

    Settings without a neuron model, from files of format 1, are those of `Poisson`.

    Raises
    ------
    ValueError
        If a setting is missing, unknown, of another type or out of range.
    """
    if not isinstance(settings, dict):
        raise ValueError("its settings are no table of names and values")
    settings = {"neuron": Poisson().settings()} | settings
    missing = _RULES.keys() - settings
    unknown = settings.keys() - _RULES
    if missing or unknown:
        raise ValueError(f"its settings lack {sorted(missing)} and have unknown {sorted(unknown)}")
    for name, is_right in _RULES.items():
        if not is_right(settings[name]):
            raise ValueError(f"its setting {name} cannot be {settings[name]!r}")
    return settings | {"neuron": from_settings(settings["neuron"])}


def check_format(text: object) -> None:
    """Raise ValueError if files that call themselves so are not spike records."""
    if text not in _READABLE:
        raise ValueError(f"it is another kind of file, {text!r}")


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_table_of_text(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(text, str) for pair in value.items() for text in pair
    )


_RULES = {
    "window_s": lambda value: isinstance(value, float) and 0 < value < math.inf,
    "n_steps": lambda value: _is_integer(value) and value >= 1,
    "seed": lambda value: _is_integer(value) and 0 <= value < 2**32,
    "device": lambda value: isinstance(value, str),
    "versions": _is_table_of_text,
    "neuron": lambda value: isinstance(value, dict) and isinstance(value.get("name"), str),
}
