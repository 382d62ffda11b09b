"""`Study` and `Point`: which models a sweep trains, and how."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pvae_brian._checks import check_positive_integer
from pvae_brian.metabolism import EnergyBudget, find_budget
from pvae_brian.models import FAMILIES
from pvae_brian.sweep.checking import (
    by_name,
    check_beta,
    check_budget,
    check_data,
    check_device,
    check_model,
    check_seed,
    number_that,
    or_none,
    positive,
    several,
)

# What tells the points of a study apart; all else is common to them.
GRID = ("betas", "n_latents", "seeds", "models")
_NAME = re.compile(r"(?P<model>[a-z-]+)_beta-(?P<beta>[^_]+)_K-(?P<n>\d+)_seed-(?P<seed>\d+)")


@dataclass(frozen=True)
class Point:
    """One model of a sweep.

    Attributes
    ----------
    model : {'poisson', 'gaussian-relu', 'gaussian'}
        Its family.
    beta : float
        Weight of the KL term.
    n_latents : int
        Latent neurons, K.
    seed : int
        Of its weights, batches and spikes.

    Examples
    --------
    >>> Point("poisson", 0.5, 128, 0).name
    'poisson_beta-0.5_K-128_seed-0'
    >>> Point.parse("gaussian-relu_beta-4_K-64_seed-1")
    Point(model='gaussian-relu', beta=4.0, n_latents=64, seed=1)
    """

    model: str
    beta: float
    n_latents: int
    seed: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "model", check_model(self.model))
        object.__setattr__(self, "beta", check_beta(self.beta))
        object.__setattr__(self, "n_latents", check_positive_integer(self.n_latents, "n_latents"))
        object.__setattr__(self, "seed", check_seed(self.seed))

    @property
    def name(self) -> str:
        """Name of its folder."""
        beta = repr(self.beta).removesuffix(".0")
        return f"{self.model}_beta-{beta}_K-{self.n_latents}_seed-{self.seed}"

    @classmethod
    def parse(cls, name: str) -> Point:
        """Return the point of a name.

        Raises
        ------
        ValueError
            If no point has this name.
        """
        match = _NAME.fullmatch(name)
        try:
            if match is None:
                raise ValueError("it has other parts")
            point = cls(match["model"], float(match["beta"]), int(match["n"]), int(match["seed"]))
            if point.name != name:
                raise ValueError(f"that point is called {point.name}")
        except ValueError as error:
            raise ValueError(
                f"a point must be named like poisson_beta-0.5_K-128_seed-0, got {name!r} ({error})"
            ) from error
        return point


@dataclass(frozen=True, kw_only=True)
class Study:
    """A grid of models, and how each of them is trained and simulated.

    Attributes
    ----------
    betas : tuple of float
        Weights of the KL term.
    n_latents : tuple of int
        Numbers of latents, K.
    seeds : tuple of int
        Each model is trained once from each.
    models : tuple of {'poisson', 'gaussian-relu', 'gaussian'}
        Families: the P-VAE, and as controls the Gaussian VAE with ReLU on its latents and without.
    data : str
        As for `pvae_brian.data.load_data`.
    n_train, n_test : int
        Images to train on, and held-out images that the neurons are shown; at most, for data that
        have an end.
    data_seed : int
        Of the choice of images.
    epochs : int
        Passes over the images, at most.
    batch_size : int
        Images per step.
    learning_rate, warmup, tolerance : float
        As for `pvae_brian.train`: at the start; the share of the epochs in which beta rises; the
        criterion of a plateau, or None for a fixed number of epochs.
    window_s : float
        How long each image is shown, in seconds.
    n_steps : int
        Time steps in it.
    device : {'auto', 'numpy', 'cython', 'cpp_standalone'}
        What simulates: 'auto' is 'cpp_standalone' where there is a compiler when the study
        begins, else 'numpy'.
    budget : str, path-like or EnergyBudget
        Counts energy.

    Raises
    ------
    TypeError, ValueError
        If a value is of the wrong kind or out of range, or the grid is empty or names a value
        twice.

    Examples
    --------
    >>> study = Study(betas=(0.5, 2), n_latents=(64,), models=("poisson",))
    >>> [point.name for point in study.points()]
    ['poisson_beta-0.5_K-64_seed-0', 'poisson_beta-2_K-64_seed-0']
    """

    betas: tuple[float, ...]
    n_latents: tuple[int, ...]
    seeds: tuple[int, ...] = (0,)
    models: tuple[str, ...] = ("poisson", "gaussian-relu")
    data: str = "natural"
    n_train: int = 100_000
    n_test: int = 2000
    data_seed: int = 0
    epochs: int = 50
    batch_size: int = 200
    learning_rate: float = 0.02
    warmup: float = 0.0
    tolerance: float | None = 0.001
    window_s: float = 1.0
    n_steps: int = 100
    device: str = "auto"
    budget: str | EnergyBudget = "attwell-laughlin-2001"

    def __post_init__(self) -> None:
        checks: dict[str, Callable[[Any], object]] = {
            "betas": several("betas", check_beta),
            "n_latents": several(
                "n_latents", lambda value: check_positive_integer(value, "n_latents")
            ),
            "seeds": several("seeds", check_seed),
            "models": several("models", check_model),
            "data": check_data,
            "data_seed": check_seed,
            "learning_rate": number_that("learning_rate", "positive", lambda x: x > 0),
            "warmup": number_that("warmup", "between 0 and 1", lambda x: 0 <= x <= 1),
            "tolerance": or_none(
                number_that("tolerance", "a finite number, not negative, or None", lambda x: x >= 0)
            ),
            "window_s": number_that("window_s", "positive", lambda x: x > 0),
            "device": check_device,
            "budget": check_budget,
        }
        for name in ("n_train", "n_test", "epochs", "batch_size", "n_steps"):
            checks[name] = positive(name)
        for name, check in checks.items():
            object.__setattr__(self, name, check(getattr(self, name)))

    def points(self) -> tuple[Point, ...]:
        """All points of the grid, in the order of the table."""
        grid = (self.models, self.betas, self.n_latents, self.seeds)
        return in_order(itertools.starmap(Point, itertools.product(*grid)))

    def settings(self) -> dict[str, Any]:
        """What is common to all points, in types that JSON has."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name not in GRID
        }
        return values | {"budget": dataclasses.asdict(find_budget(self.budget))}


def in_order(points: Iterable[Point]) -> tuple[Point, ...]:
    """Sort points by family, beta, K and seed: the order of every table."""
    return tuple(
        sorted(
            points,
            key=lambda point: (
                FAMILIES.index(point.model),
                point.beta,
                point.n_latents,
                point.seed,
            ),
        )
    )


def study_of(points: Iterable[Point], settings: dict[str, Any]) -> Study:
    """Return the study whose grid is the smallest that holds all points.

    Parameters
    ----------
    points : iterable of Point
        At least one.
    settings : dict
        Of `Study.settings`.

    Raises
    ------
    TypeError, ValueError
        If the settings are none of a study.
    """
    points = in_order(points)
    axes: dict[str, Any] = {
        axis: tuple(dict.fromkeys(getattr(point, name) for point in points))
        for axis, name in zip(GRID, ("beta", "n_latents", "seed", "model"), strict=True)
    }
    for axis in ("betas", "n_latents", "seeds"):
        axes[axis] = tuple(sorted(axes[axis]))
    budget = EnergyBudget(**settings["budget"])
    return Study(**axes, **(settings | {"budget": by_name(budget)}))
