"""Tables that figures of a study are made from, and what is in the figures."""

from __future__ import annotations

import functools

import pandas as pd
import pytest
from matplotlib.legend import Legend

from pvae_brian.report.study import (
    plot_growth,
    plot_kl_over_models,
    plot_spikes_against_beta,
    plot_spikes_against_prior,
    plot_tradeoff,
    plot_zeros_against_beta,
)

from .chance import fresh_generator
from .sweep_tables import example_table

NAMES = {"poisson": "P-VAE", "gaussian-relu": "ReLU control", "gaussian": "Gaussian VAE"}
SPIKING = ("poisson", "gaussian-relu")
FIGURES = {
    "spikes": plot_spikes_against_beta,
    "zeros": plot_zeros_against_beta,
    "prior": plot_spikes_against_prior,
    "kl": plot_kl_over_models,
    "tradeoff": plot_tradeoff,
    "growth": plot_growth,
}
every_figure = pytest.mark.parametrize("plot", FIGURES.values(), ids=FIGURES)

NO_SPIKES = dict.fromkeys(["spikes", "prior_rate_cost", "energy", "kl_nats"], 0.0)
TABLES = {
    "all": {},
    "one beta": {"betas": (1.0,)},
    "one K": {"n_latents": (64,)},
    "one model": {"betas": (1.0,), "n_latents": (64,), "models": ("poisson",)},
    "no control": {"models": ("poisson",)},
    "no P-VAE": {"models": ("gaussian-relu", "gaussian")},
    "no spikes known": {"models": ("gaussian",)},
    "missing points": {"without": [("poisson", 0.1, 32, 0), ("gaussian-relu", 4.0, 128, 0)]},
    "some not converged": {"not_converged": [("poisson", 4.0, 128, 0), ("poisson", 0.1, 32, 0)]},
    "none converged": {"columns": {"converged": False}},
    "silent": {"columns": NO_SPIKES},
    "beta of 0": {"betas": (0.0, 0.5, 2.0)},
    "nothing but beta of 0": {"betas": (0.0,)},
    "many": {
        "betas": (0.01, 0.1, 0.5, 1.0, 1.5, 2.0, 4.0, 8.0),
        "n_latents": (32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096),
    },
    "no intervals": {
        "columns": {"spikes": lambda table: table["spikes"].where(table["beta"] > 0.5)}
    },
}


@functools.cache
def table_of(name) -> pd.DataFrame:
    if name == "several seeds":
        return example_table(seeds=(0, 1, 2), noise=0.2, rng=fresh_generator())
    if name == "empty":
        return example_table()[:0]
    return example_table(**TABLES[name])


every_table = pytest.mark.parametrize("name", [*TABLES, "several seeds", "empty"])


def legends_of(ax) -> list[str]:
    legends = [child for child in ax.get_children() if isinstance(child, Legend)]
    # Those below come first, for the one above them is made last.
    return [text.get_text() for legend in legends for text in legend.get_texts()]


def one_called(ax, label):
    (line,) = [line for line in ax.get_lines() if line.get_label() == label]
    return line


def labels_of(ax) -> list[str]:
    return [str(line.get_label()) for line in ax.get_lines()]
