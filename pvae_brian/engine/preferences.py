"""Preferences that Brian2 keeps for us, under ``prefs.pvae_brian``."""

from __future__ import annotations

from brian2 import BrianPreference, prefs

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
