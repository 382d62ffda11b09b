"""A simulation with all that there is to plot, and what axes hold."""

from __future__ import annotations

import io
from types import SimpleNamespace

import matplotlib
import numpy as np
import pytest
import torch
from brian2 import ms, second
from matplotlib.figure import Figure

from pvae_brian import Encoder, Refractory, compare, metabolic_cost, simulate
from pvae_brian.decoding import compute_code_course, decoder_features
from pvae_brian.metabolism import BUDGETS, metabolic_costs

from .chance import fresh_generator, fresh_seed

matplotlib.use("Agg")

# All warnings in the plots and in drawing them.
NO_WARNINGS = [
    pytest.mark.filterwarnings("error::RuntimeWarning"),
    pytest.mark.filterwarnings("error::UserWarning:matplotlib"),
]

REFRACTORY = Refractory(absolute=50 * ms, relative=50 * ms)


def make_run(
    n_stimuli=12,
    n_latents=6,
    n_inputs=16,
    log_rate=1.0,
    window=1 * second,
    n_steps=10,
    **options,
):
    """Simulate a random encoder, and work out all that there is to plot."""
    torch.manual_seed(fresh_seed())
    encoder = Encoder.from_module(
        torch.nn.Linear(n_inputs, n_latents).double(),
        np.full(n_latents, log_rate),
        image_shape=(n_inputs,),
        decoder=torch.nn.Linear(n_latents, n_inputs).double(),
    )
    images = fresh_generator().normal(size=(n_stimuli, n_inputs))
    record = simulate(
        encoder.posterior_rates(images),
        window=window,
        n_steps=n_steps,
        seed=fresh_seed(),
        record="times",
        **options,
    )
    costs = metabolic_costs(record, list(BUDGETS))
    return SimpleNamespace(
        encoder=encoder,
        images=images,
        record=record,
        decoded=encoder.decode(record.counts),
        features=decoder_features(encoder),
        comparison=compare(encoder, images, record),
        costs=costs,
        course=compute_code_course(encoder, images, record, costs[0]),
        # Of a budget that does not state what rest costs.
        restless=compute_code_course(
            encoder, images, record, metabolic_cost(record, "lennie-2003")
        ),
        # Nothing is spent until the first spike.
        sparing=compute_code_course(encoder, images, record, metabolic_cost(record, "truenorth")),
    )


def new_axes(layout=None):
    return Figure(figsize=(5, 3.6), layout=layout).subplots()


def rendered(ax, name="png") -> bytes:
    file = io.BytesIO()
    ax.figure.savefig(file, format=name)
    return file.getvalue()


def texts_of(ax) -> list[str]:
    return [text.get_text() for text in ax.texts]


def legend_of(ax) -> list[str]:
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line_called(ax, beginning):
    (line,) = [line for line in ax.get_lines() if str(line.get_label()).startswith(beginning)]
    return line


def intervals_of(line) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, and lower and upper ends, of a line that holds an interval for each place."""
    x, y = (np.asarray(data, dtype=float).reshape(-1, 3) for data in line.get_data())
    if np.isnan(x[:, 2]).all():
        x, y = y, x
    np.testing.assert_array_equal(x, x[:, :1] * np.ones(3))
    assert np.isnan(y[:, 2]).all()
    return x[:, 0], y[:, 0], y[:, 1]


def band_of(collection) -> np.ndarray:
    return collection.get_paths()[0].vertices
