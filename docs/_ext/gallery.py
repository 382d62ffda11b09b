"""The gallery of examples: in which order they stand, and how they are kept apart.

sphinx-gallery runs them one after the other in one process.
"""

from __future__ import annotations

import warnings
from pathlib import Path

# From first steps to what goes deeper. Others follow by name.
_ORDER = (
    "from_checkpoint_to_atp",
    "train_convert_compare",
    "latents_in_your_own_network",
    "autoencoder_as_a_network",
    "digits_read_by_lif_neurons",
    "refractoriness_breaks_the_prediction",
    "sweep_in_ten_lines",
    "spikes_to_nwb_and_elephant",
    "known_answers",
    "dense_limit",
)


class LearningOrder:
    """Sort files of examples as one learns from them."""

    def __init__(self, src_dir: str):
        self.src_dir = src_dir

    def __call__(self, filename: str) -> tuple[int, str]:
        name = Path(filename).stem
        return (_ORDER.index(name) if name in _ORDER else len(_ORDER)), name


def reset(gallery_conf: dict, filename: str) -> None:
    """Give an example Brian2 and torch as a new process would have them."""
    import brian2
    import elephant.statistics  # noqa: F401
    import torch

    # Elephant has Python show what Brian2 uses of pyparsing that has a new name, once it is loaded.
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    brian2.start_scope()
    brian2.set_device("runtime")
    brian2.prefs.reset_to_defaults()
    brian2.defaultclock.dt = 0.1 * brian2.ms
    brian2.seed()
    torch.seed()
