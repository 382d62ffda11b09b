"""Preferences that Brian2 keeps for us, under ``prefs.pvae_brian``."""

from __future__ import annotations

import numpy as np
from brian2 import BrianPreference, prefs

# Brian2's own values of what the neuron models count on, whatever the user prefers elsewhere.
DEFAULTS = {
    "core.default_float_dtype": np.float64,
    "core.default_integer_dtype": np.int32,
    "core.network.default_schedule": [
        "start",
        "groups",
        "thresholds",
        "synapses",
        "resets",
        "end",
    ],
}

prefs.register_preferences(
    "pvae_brian",
    "Preferences of pvae_brian",
    cache_folder=BrianPreference(
        default="",
        validator=lambda folder: isinstance(folder, str),
        docs="""
        Folder of the compiled C++ programs. If empty, the cache folder of the operating system; the
        environment variable ``PVAE_BRIAN_CACHE`` comes before both.
        """,
    ),
)


def cache_folder_preference() -> str:
    """Return the folder that the user prefers, or an empty string."""
    return prefs["pvae_brian.cache_folder"]
