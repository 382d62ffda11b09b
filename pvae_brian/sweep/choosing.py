"""Which study a call of `run` means, from what it is given and what the folder was begun with."""

from __future__ import annotations

import dataclasses
from typing import Any

from pvae_brian.engine.devices import choose_device
from pvae_brian.neurons import Poisson
from pvae_brian.sweep.folder import StudyFile
from pvae_brian.sweep.presets import PRESETS
from pvae_brian.sweep.study import GRID, Point, Study, study_of


def choose_study(
    begun: StudyFile | None, study: Study | None, preset: str | None, changes: dict[str, Any]
) -> tuple[Study, tuple[Point, ...]]:
    """Return the study that is asked for, and its points.

    Parameters
    ----------
    begun : StudyFile or None
        What the folder was begun with.
    study : Study or None
    preset : str or None
        Instead of a study.
    changes : dict
        Fields that take the place of those of either, or of the folder's.

    Raises
    ------
    TypeError, ValueError
        If there is no such field or preset, a value is wrong, or nothing says what the grid is.
    """
    known = [field.name for field in dataclasses.fields(Study)]
    if unknown := sorted(changes.keys() - set(known)):
        raise TypeError(f"a study has no {', '.join(unknown)}; it has {', '.join(known)}")
    if study is not None and preset is not None:
        raise ValueError("give a study or a preset, not both")
    if preset is not None:
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        study = PRESETS[preset]
    points = None
    if study is None and begun is not None:
        study = study_of(begun.points, begun.settings)
        # The grid of what was asked for bit by bit may have holes.
        points = None if changes.keys() & set(GRID) else begun.points
    if study is not None:
        study = dataclasses.replace(study, **changes)
    elif {"betas", "n_latents"} <= changes.keys():
        study = Study(**changes)
    else:
        raise ValueError(
            "a new sweep needs a grid: betas and n_latents (--betas, --latents), or a preset "
            f"({', '.join(PRESETS)})"
        )
    if begun is not None and study.device == "auto":
        study = dataclasses.replace(study, device=begun.settings["device"])
    return study, study.points() if points is None else points


def with_device(study: Study, n_stimuli: int) -> Study:
    """Settle what simulates: once for all points, whatever machine computes them."""
    largest = n_stimuli * max(study.n_latents)
    device = choose_device(study.device, Poisson(), largest, study.n_steps)
    return dataclasses.replace(study, device=device)
