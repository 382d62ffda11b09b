"""Options of ``pvae-brian sweep`` that are fields of a study, and the command that they make."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pvae_brian.sweep import Study


def _number_or_none(text: str) -> float | None:
    return None if text.lower() == "none" else float(text)


# Options that are fields of a study: flag, field, type, whether several, name of a value, help.
GRID = (
    ("--betas", "betas", float, True, "B", "weights of the KL term"),
    ("--latents", "n_latents", int, True, "K", "numbers of latent neurons"),
    ("--seeds", "seeds", int, True, "S", "each model is trained once from each (default: 0)"),
    (
        "--models",
        "models",
        str,
        True,
        "MODEL",
        "families: poisson, and as controls gaussian-relu and gaussian (default: poisson "
        "gaussian-relu)",
    ),
)
SETTINGS = (
    ("--data", "data", str, False, "WHAT", "as for 'train' (default: natural)"),
    ("--n-train", "n_train", int, False, "N", "images to train on, at most (default: 100000)"),
    ("--n-test", "n_test", int, False, "N", "held-out images to simulate (default: 2000)"),
    ("--data-seed", "data_seed", int, False, "S", "of the choice of images (default: 0)"),
    ("--epochs", "epochs", int, False, "N", "passes over the images, at most (default: 50)"),
    ("--batch-size", "batch_size", int, False, "N", "images per step (default: 200)"),
    ("--learning-rate", "learning_rate", float, False, "R", "at the start (default: 0.02)"),
    (
        "--warmup",
        "warmup",
        float,
        False,
        "SHARE",
        "of the epochs in which beta rises from 0 (default: 0.0)",
    ),
    (
        "--tolerance",
        "tolerance",
        _number_or_none,
        False,
        "T",
        "training ends after the free energy falls by less than this share of it per epoch; 'none' "
        "for all epochs (default: 0.001)",
    ),
    ("--window", "window_s", float, False, "S", "window in seconds (default: 1)"),
    ("--steps", "n_steps", int, False, "N", "time steps per window (default: 100)"),
    (
        "--device",
        "device",
        str,
        False,
        "NAME",
        "what simulates: 'auto', 'numpy', 'cython' or 'cpp_standalone' (default: auto)",
    ),
    (
        "--budget",
        "budget",
        str,
        False,
        "NAME",
        "energy budget, as for 'simulate' (default: attwell-laughlin-2001)",
    ),
)


def write_command(study: Study, folder: str, *, budget_file: str | None = None) -> str:
    """Write the command that makes a study anew, in a folder that is not there yet.

    Whatever commands made the grid bit by bit, it is one here; holes in it are filled. The device
    is named, for what 'auto' means depends on the machine.

    Parameters
    ----------
    study : Study
        Of `Sweep`.
    folder : str
        Where to.
    budget_file : str, optional
        Where a budget of the user's own is: a study holds only what is in it. By default its name
        with the ending ``.toml``.

    Returns
    -------
    str
        Quoted for a shell. Files of data and budgets are named as they were given.

    Examples
    --------
    >>> from pvae_brian.sweep import PRESETS, Study
    >>> study = Study(betas=(0.5, 2), n_latents=(64,), models=("poisson",), tolerance=None)
    >>> write_command(study, "my study")
    "pvae-brian sweep 'my study' --betas 0.5 2.0 --latents 64 --models poisson --tolerance none"
    >>> write_command(dataclasses.replace(PRESETS["quick"], device="numpy"), "STUDY")
    'pvae-brian sweep STUDY --preset quick --device numpy'
    """
    from pvae_brian.sweep import PRESETS

    # A name that begins with a hyphen would be taken for an option.
    words = ["pvae-brian", "sweep", f"./{folder}" if folder.startswith("-") else folder]
    for name, preset in PRESETS.items():
        if dataclasses.replace(preset, device=study.device) == study:
            words += ["--preset", name]
            usual = dataclasses.asdict(preset)
            break
    else:
        usual = {field.name: field.default for field in dataclasses.fields(study)}
    for flag, field, *_ in (*GRID, *SETTINGS):
        value = getattr(study, field)
        if value == usual[field]:
            continue
        if isinstance(value, tuple):
            words += [flag, *map(str, value)]
            continue
        if field == "budget" and not isinstance(value, str):
            value = budget_file or f"{value.name}.toml"
        text = "none" if value is None else str(value)
        words += [f"{flag}={text}"] if text.startswith("-") else [flag, text]
    return shlex.join(words)
