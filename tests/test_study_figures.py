"""Figures of a study: what holds for all of them, and the extremes."""

from __future__ import annotations

import warnings

import matplotlib
import matplotlib.pyplot
import pandas as pd
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from pvae_brian.report.page.style import report_style
from pvae_brian.report.study import (
    plot_tradeoff,
)

from .plotted import NO_WARNINGS, new_axes, rendered, texts_of
from .study_figures import FIGURES, every_figure, every_table, table_of

pytestmark = NO_WARNINGS


@every_figure
@every_table
def test_any_study_can_be_plotted(plot, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ax = plot(table_of(name), new_axes("constrained"))
        assert b"</svg>" in rendered(ax, "svg")
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    # There is something to see, or a word why not.
    assert ax.get_lines() or ax.collections or texts_of(ax) == ["no model has spikes"]


@every_figure
def test_figures_go_where_they_are_told(plot):
    before = matplotlib.pyplot.get_fignums()
    settings = dict(matplotlib.rcParams)
    table, ax = table_of("all"), new_axes()
    copy = table.copy()
    assert plot(table, ax) is ax
    assert matplotlib.pyplot.get_fignums() == before
    assert dict(matplotlib.rcParams) == settings
    assert ax.get_title() == ""
    pd.testing.assert_frame_equal(table, copy)
    assert plot(table) is not ax
    matplotlib.pyplot.close("all")


@every_figure
def test_what_is_no_table_of_a_study_is_refused(plot):
    before = matplotlib.pyplot.get_fignums()
    with pytest.raises(TypeError, match=r"got dict; pass sweep\.table"):
        plot({"model": ["poisson"]})
    with pytest.raises(ValueError, match="none named n_latents"):
        plot(table_of("all").drop(columns="n_latents"))
    with pytest.raises(ValueError, match=r"none named .*pass sweep\.table"):
        plot(table_of("all")[["model", "beta", "n_latents", "seed"]])
    assert matplotlib.pyplot.get_fignums() == before


def test_labels_have_units():
    labels = {name: plot(table_of("all"), new_axes()) for name, plot in FIGURES.items()}
    assert {name: (ax.get_xlabel(), ax.get_ylabel()) for name, ax in labels.items()} == {
        "spikes": ("β (weight of the KL)", "measured (spikes per stimulus)"),
        "zeros": ("β (weight of the KL)", "fraction of zero counts"),
        "prior": ("prior rate cost (spikes per stimulus)", "measured (spikes per stimulus)"),
        "kl": ("measured (spikes per stimulus)", "KL (nats per stimulus)"),
        "tradeoff": (
            "energy of spikes (ATP per stimulus)",
            "error (squared, summed over pixels)",
        ),
        "growth": ("K (latents)", "measured (spikes per stimulus)"),
    }
    ax = plot_tradeoff(table_of("all"), new_axes(), unit="J")
    assert ax.get_xlabel() == "energy of spikes (J per stimulus)"


@every_figure
@pytest.mark.parametrize("name", ["all", "many", "some not converged", "several seeds"])
def test_legends_cover_nothing_and_nothing_sticks_out(plot, name):
    with report_style():
        ax = plot(table_of(name), Figure(figsize=(4.9, 5.0)).subplots())
        ax.figure.draw_without_rendering()
    legends = [child for child in ax.get_children() if isinstance(child, Legend)]
    boxes = [legend.get_window_extent() for legend in legends]
    for k, box in enumerate(boxes):
        assert box.y0 >= ax.bbox.y1 - 1
        assert not any(box.padded(-1).overlaps(other.padded(-1)) for other in boxes[k + 1 :])
    width, height = ax.figure.get_size_inches()
    outside = ax.figure.get_tightbbox()
    assert outside.x0 > -0.03
    assert outside.y0 > -0.03
    assert outside.x1 < width + 0.03
    assert outside.y1 < height + 0.03
    # The axes have kept half of the sheet.
    assert ax.bbox.height > 0.45 * ax.figure.bbox.height


@every_figure
def test_colours_are_those_of_the_style(plot):
    ink, series = "#123456", ["#222222", "#333333", "#444444", "#555555"]
    style = {"text.color": ink, "axes.prop_cycle": matplotlib.cycler(color=series)}
    with matplotlib.rc_context(style):
        ax = plot(table_of("some not converged"), new_axes())
        shown = {to_rgba(line.get_color())[:3] for line in ax.get_lines()}
        shown |= {tuple(rgb) for each in ax.collections for rgb in each.get_edgecolor()[:, :3]}
        shown |= {to_rgba(text.get_color())[:3] for text in ax.texts}
    assert shown <= {to_rgba(colour)[:3] for colour in (ink, *series)}


@every_figure
def test_files_are_small(plot):
    assert len(rendered(plot(table_of("many"), new_axes()), "svg")) < 400_000
