"""Error, energy and KL of the models of a study."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian.report.study import (
    plot_tradeoff,
)
from pvae_brian.sweep.answers import compute_fronts

from .plotted import NO_WARNINGS, new_axes
from .study_figures import NAMES, SPIKING, legends_of, one_called, table_of
from .sweep_tables import example_table

pytestmark = NO_WARNINGS


def marks_of(ax) -> dict[str, object]:
    return {mark.get_label(): mark for mark in ax.collections}


@pytest.mark.parametrize("name", ["all", "some not converged", "several seeds"])
def test_tradeoff_holds_three_columns(name):
    table = table_of(name)
    ax = plot_tradeoff(table, new_axes())
    spiking = table[table["model"] != "gaussian"]
    greatest = spiking["kl_nats"].max()
    for (model, k), rows in spiking.groupby(["model", "n_latents"]):
        mark = marks_of(ax)[f"_{NAMES[model]}, K = {k}"]
        np.testing.assert_array_equal(mark.get_offsets(), rows[["energy", "error"]])
        sizes = mark.get_sizes()
        large = sizes > sizes.min()
        np.testing.assert_allclose(sizes[large], 81 * rows["kl_nats"].to_numpy()[large] / greatest)
        faces = np.broadcast_to(mark.get_facecolor()[:, 3] > 0, len(rows))
        np.testing.assert_array_equal(faces, rows["converged"])
        means = rows.groupby("beta")[["energy", "error"]].mean()
        path = one_called(ax, f"{NAMES[model]}, K = {k}")
        np.testing.assert_array_equal(path.get_xydata(), means)
    assert len(marks_of(ax)) == 6


def test_front_falls_in_steps():
    table = table_of("all")
    front = compute_fronts(table)[-1].points
    ax = plot_tradeoff(table, new_axes(), front=front.sample(frac=1, random_state=1))
    line = one_called(ax, "Pareto front")
    np.testing.assert_array_equal(line.get_xydata(), front[["energy", "error"]])
    # Between two models the cheaper one is the best that can be afforded.
    assert line.get_drawstyle() == "steps-post"
    assert "Pareto front" in legends_of(ax)
    assert "Pareto front" not in legends_of(plot_tradeoff(table, new_axes(), front=front[:0]))


def test_betas_are_written_at_models_that_have_them():
    table = table_of("all")
    ax = plot_tradeoff(table, new_axes("constrained"))
    spiking = table[table["model"] != "gaussian"]
    written = set()
    for text in ax.texts:
        energy, error = text.xy
        row = spiking[(spiking["energy"] == energy) & (spiking["error"] == error)]
        assert row["beta"].item() == float(text.get_text())
        written.add((row["model"].item(), row["beta"].item()))
    # The ends of each family at least.
    assert {(model, beta) for model in SPIKING for beta in (0.1, 4.0)} <= written
    ax.figure.draw_without_rendering()
    boxes = [text.get_window_extent().padded(-1) for text in ax.texts]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])


def test_kl_in_the_legend_is_round():
    entries = legends_of(plot_tradeoff(table_of("all"), new_axes()))
    assert {"KL 50 nats", "KL 10 nats"} <= set(entries)
    silent = example_table(columns={"kl_nats": 0.0})
    assert not [text for text in legends_of(plot_tradeoff(silent, new_axes())) if "nats" in text]
