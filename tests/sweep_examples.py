"""A small study that several test modules run, and what it must come to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from pvae_brian.sweep import Point, Study, Sweep, compute_point

PIXELS = 16


def save_images(path: Path, n: int = 250) -> Path:
    """Images with some structure, the same each time."""
    generator = np.random.default_rng(5)
    causes = generator.exponential(size=(n, 6)) @ generator.normal(size=(6, PIXELS))
    np.save(path, causes - causes.mean())
    return path


def small_study(path: Path, **changes) -> Study:
    settings = {
        "betas": (0.5, 2),
        "n_latents": (4, 8),
        "models": ("poisson",),
        "data": str(path),
        "epochs": 3,
        "batch_size": 50,
        "learning_rate": 0.05,
    }
    return Study(**(settings | changes))


def compute_alone(study: Study) -> dict[Point, dict]:
    """Values of all points, without Dask, folders or other processes."""
    return {point: compute_point(study, point).values for point in study.points()}


def assert_comes_to(sweep: Sweep, expected: dict[Point, dict]) -> None:
    """Hold the table of a sweep against values, to the last bit."""
    assert sweep.missing == ()
    rows = [
        {"model": p.model, "beta": p.beta, "n_latents": p.n_latents, "seed": p.seed} | values
        for p, values in expected.items()
    ]
    pd.testing.assert_frame_equal(sweep.table, pd.DataFrame(rows), check_exact=True)
