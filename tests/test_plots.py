"""All plots: they survive the extremes, hold to the style, and write numbers alike."""

from __future__ import annotations

import contextlib
import functools
import io
import warnings

import matplotlib
import matplotlib.image
import matplotlib.pyplot
import matplotlib.style
import numpy as np
import pytest
from brian2 import ms
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from pvae_brian.report import plots
from pvae_brian.report.page.style import report_style
from pvae_brian.report.plots import (
    plot_energy_by_budget,
    plot_error_against_energy,
    plot_fano_against_rate,
    plot_features,
    plot_image,
    plot_kl_against_spikes,
    plot_measured_against_predicted,
    plot_r2_over_time,
    plot_raster,
    plot_reconstructions,
)
from pvae_brian.report.plots._axes import padded, write_number

from .plotted import NO_WARNINGS, REFRACTORY, make_run, new_axes, rendered

pytestmark = NO_WARNINGS

PLOTS = {
    "raster": lambda run, ax: plot_raster(run.record, 0, ax),
    "image": lambda run, ax: plot_image(run.images[:1], ax),
    "reconstructions": lambda run, ax: plot_reconstructions(run.images, run.decoded, ax),
    "features": lambda run, ax: plot_features(run.features, run.costs[0], ax),
    "measured": lambda run, ax: plot_measured_against_predicted(run.record, ax),
    "fano": lambda run, ax: plot_fano_against_rate(run.record, ax),
    "kl": lambda run, ax: plot_kl_against_spikes(run.comparison, run.record, ax),
    "energy": lambda run, ax: plot_energy_by_budget(run.costs, ax),
    "error": lambda run, ax: plot_error_against_energy(run.course, ax),
    "error, no rest": lambda run, ax: plot_error_against_energy(run.restless, ax),
    "error, rest free": lambda run, ax: plot_error_against_energy(run.sparing, ax),
    "r2": lambda run, ax: plot_r2_over_time(run.course, ax),
}
EXTREMES = {
    "one stimulus": {"n_stimuli": 1},
    "two stimuli": {"n_stimuli": 2},
    "one latent": {"n_latents": 1},
    "one pixel": {"n_inputs": 1},
    "silent": {"log_rate": -60.0},
    "rate zero": {"log_rate": -800.0},
    "one silent": {"n_stimuli": 1, "n_latents": 1, "n_inputs": 1, "log_rate": -60.0},
    "one of all": {"n_stimuli": 1, "n_latents": 1, "n_inputs": 1},
    "few spikes": {"log_rate": -3.0},
    "short window": {"window": 1 * ms},
    "refractory": {"neuron": REFRACTORY, "n_steps": 400},
    "silent refractory": {"neuron": REFRACTORY, "n_steps": 400, "log_rate": -60.0},
    "one draw": {"neuron": "sampler"},
}
every_plot = pytest.mark.parametrize("plot", PLOTS.values(), ids=PLOTS)


@pytest.fixture(scope="module")
def example():
    # So many spikes that there are some by the first time of the course, with any seed.
    return make_run(log_rate=2.5)


# All of them


@functools.cache
def extreme(name):
    return make_run(**EXTREMES[name])


@every_plot
@pytest.mark.parametrize("name", EXTREMES)
def test_extremes_can_be_plotted(name, plot):
    run = extreme(name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert b"</svg>" in rendered(plot(run, new_axes()), "svg")


@every_plot
def test_plots_are_no_blank_sheets(example, plot):
    picture = rendered(plot(example, new_axes()))
    assert picture.startswith(b"\x89PNG")
    assert matplotlib.image.imread(io.BytesIO(picture))[..., :3].std() > 0.05
    assert b"</svg>" in rendered(plot(example, new_axes()), "svg")


@every_plot
def test_plots_go_where_they_are_told(example, plot):
    before = matplotlib.pyplot.get_fignums()
    ax = new_axes()
    assert plot(example, ax) is ax
    assert matplotlib.pyplot.get_fignums() == before
    assert ax.get_title() == ""
    assert plot(example, None) is not ax
    assert len(matplotlib.pyplot.get_fignums()) == len(before) + 1
    matplotlib.pyplot.close("all")


@every_plot
def test_plots_leave_the_settings_of_matplotlib_alone(example, plot):
    before = dict(matplotlib.rcParams)
    plot(example, new_axes())
    assert dict(matplotlib.rcParams) == before


@every_plot
def test_colours_are_those_of_the_style(example, plot):
    """So that nothing is lost on a dark page: text, lines, bands, and what the notes say."""
    style = {
        "text.color": "#123456",
        "axes.labelcolor": "#123456",
        "xtick.color": "#123456",
        "ytick.color": "#123456",
        "axes.edgecolor": "#123456",
        "grid.color": "#123456",
        "axes.facecolor": "none",
        "figure.facecolor": "none",
        "axes.prop_cycle": matplotlib.cycler(color=["#222222", "#333333", "#444444", "#555555"]),
    }
    known = {to_rgb(f"#{digits}") for digits in ("123456", "222222", "333333", "444444", "555555")}
    for run in (example, extreme("rate zero")):
        with matplotlib.style.context(style):
            ax = plot(run, new_axes())
            shown = [to_rgb(line.get_color()) for line in ax.get_lines()]
            shown += [to_rgb(text.get_color()) for text in ax.texts]
            shown += [to_rgb(colour) for band in ax.collections for colour in band.get_facecolor()]
        assert set(shown) <= known


@every_plot
@pytest.mark.parametrize("style", [contextlib.nullcontext, report_style])
def test_nothing_sticks_out(example, plot, style):
    with style():
        ax = plot(example, new_axes("constrained"))
        rendered(ax)
    width, height = ax.figure.get_size_inches()
    box = ax.figure.get_tightbbox()
    # Lines at the edge of the axes have a width.
    assert box.x0 > -0.03
    assert box.y0 > -0.03
    assert box.x1 < width + 0.03
    assert box.y1 < height + 0.03


def test_labels_have_units(example):
    labels = {name: plot(example, new_axes()) for name, plot in PLOTS.items()}
    assert {name: (ax.get_xlabel(), ax.get_ylabel()) for name, ax in labels.items()} == {
        "raster": ("time (s)", "latent neuron"),
        "image": ("", ""),
        "reconstructions": (labels["reconstructions"].get_xlabel(), ""),
        "features": (labels["features"].get_xlabel(), ""),
        "measured": ("predicted (spikes per stimulus)", "measured (spikes per stimulus)"),
        "fano": ("predicted firing rate (Hz)", "residual Fano factor (variance / mean)"),
        "kl": ("measured (spikes per stimulus)", "KL (bits per stimulus)"),
        "energy": ("energy per stimulus of 1 s (J)", ""),
        "error": (
            "energy so far, spikes and rest, per stimulus (ATP)",
            "error (squared, summed over pixels)",
        ),
        "error, no rest": (
            "energy so far, spikes only, per stimulus (ATP)",
            "error (squared, summed over pixels)",
        ),
        "error, rest free": (
            "energy so far, spikes and rest, per stimulus (J)",
            "error (squared, summed over pixels)",
        ),
        "r2": ("time since the stimulus was shown (s)", "R² (share of variance explained)"),
    }


def test_public_names_are_the_plots():
    assert plots.__all__ == sorted(name for name in dir(plots) if name.startswith("plot_"))


# What they share


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0, "0"),
        (-0.314, "\N{MINUS SIGN}0.31"),
        (123.4, "120"),
        (9.96, "10"),
        (1e3, "1000"),
        (9.04e8, "9.0\N{MULTIPLICATION SIGN}10⁸"),
        (-4.8e-11, "\N{MINUS SIGN}4.8\N{MULTIPLICATION SIGN}10⁻¹¹"),
        (9.96e3, "1.0\N{MULTIPLICATION SIGN}10⁴"),
    ],
)
def test_numbers_are_written_with_two_digits(x, text):
    assert write_number(x) == text


@given(st.floats(min_value=1e-300, max_value=1e300))
def test_written_numbers_are_what_they_were(x):
    mantissa, _, exponent = write_number(-x).partition("\N{MULTIPLICATION SIGN}10")
    digits = exponent.translate(str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-"))
    written = float(f"{mantissa.replace(chr(0x2212), '-')}e{digits or 0}")
    # Half a unit of the second digit.
    assert written == pytest.approx(-x, rel=0.0501)


@given(st.lists(st.floats(min_value=1e-200, max_value=1e200), min_size=1))
def test_limits_of_a_log_axis_hold_all_and_a_decade(values):
    low, high = padded(np.array(values))
    assert low < min(values)
    assert high > max(values)
    assert np.log10(high / low) > 0.999


def test_many_neurons_make_small_files():
    run = make_run(n_latents=512, n_inputs=256, log_rate=0.0, n_stimuli=100)
    for name, plot in PLOTS.items():
        assert len(rendered(plot(run, new_axes()), "svg")) < 300_000, name
