"""Plots: what the axes hold, their labels and units, their colours, and the extremes."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import warnings
from types import SimpleNamespace

import matplotlib
import matplotlib.image
import matplotlib.pyplot
import matplotlib.style
import numpy as np
import pytest
import torch
from brian2 import joule, ms, second
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from scipy.stats import norm, poisson

from pvae_brian import Encoder, Refractory, compare, metabolic_cost, simulate
from pvae_brian.decoding import compute_code_course, decoder_features
from pvae_brian.fidelity import compute_fidelity
from pvae_brian.intervals import Estimate
from pvae_brian.measures import residual_fano_band
from pvae_brian.metabolism import BUDGETS, EnergyBudget, metabolic_costs
from pvae_brian.neurons import NeuronModel
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
from pvae_brian.report.plots._axes import draw_intervals, padded, write_number

from .chance import fresh_generator, fresh_seed

matplotlib.use("Agg")

# All warnings in the plots and in drawing them.
pytestmark = [
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


@pytest.fixture(scope="module")
def refractory():
    return make_run(neuron=REFRACTORY, n_steps=400, n_stimuli=200, n_latents=8, log_rate=2.0)


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


# Raster


def test_raster_shows_each_spike_of_its_stimulus(example):
    record = example.record
    for stimulus in (0, 11):
        ax = plot_raster(record, stimulus)
        (points,) = ax.get_lines()
        shown = np.bincount(points.get_ydata(), minlength=6)
        np.testing.assert_array_equal(shown, record.counts[stimulus])
        times = record.spikes.time[record.spikes.stimulus == stimulus]
        np.testing.assert_array_equal(np.sort(points.get_xdata()), np.sort(times))
        assert ax.get_xlim() == (0, 1)
        assert ax.get_ylim() == (-0.5, 5.5)
    matplotlib.pyplot.close("all")


def test_raster_counts_from_the_last(example):
    last, same = (plot_raster(example.record, k, new_axes()) for k in (-1, 11))
    np.testing.assert_array_equal(last.lines[0].get_xydata(), same.lines[0].get_xydata())


def test_raster_spans_the_window_and_ticks_whole_neurons():
    record = simulate([[3.0, 3.0]], window=200 * ms, record="times", n_steps=1)
    ax = plot_raster(record, 0, new_axes())
    assert ax.get_xlim() == (0, 0.2)
    ticks = ax.get_yticks()
    assert (ticks == np.round(ticks)).all()


def test_raster_needs_spike_times_and_a_stimulus(example):
    before = matplotlib.pyplot.get_fignums()
    with pytest.raises(ValueError, match="record='times'"):
        plot_raster(simulate([[1.0]]), 0)
    with pytest.raises(IndexError, match="12"):
        plot_raster(example.record, 12)
    with pytest.raises(TypeError, match="one stimulus"):
        plot_raster(example.record, [0, 1])
    assert matplotlib.pyplot.get_fignums() == before


@pytest.mark.parametrize("rate", [5.0, 100.0])
def test_raster_of_many_spikes_is_a_small_file(rate):
    record = simulate(np.full((1, 512), rate), record="times", n_steps=1)
    ax = plot_raster(record, 0, new_axes())
    assert len(ax.lines[0].get_xdata()) == record.counts.sum()
    assert len(rendered(ax, "svg")) < 300_000


# Images


def test_image_is_symmetric_about_zero():
    pixels = np.array([[-1.0, 0.5], [0.0, 3.0]])
    (image,) = plot_image(pixels, new_axes()).get_images()
    assert image.get_clim() == (-3, 3)
    np.testing.assert_array_equal(image.get_array(), pixels)
    assert plot_image(pixels, new_axes(), scale=5.0).get_images()[0].get_clim() == (-5, 5)
    assert plot_image(np.zeros((2, 2)), new_axes()).get_images()[0].get_clim() == (-1, 1)


def test_image_without_numbers_has_a_scale_too():
    pixels = np.array([[np.nan, 2.0], [np.inf, -1.0]])
    assert plot_image(pixels, new_axes()).get_images()[0].get_clim() == (-2, 2)
    assert plot_image(np.full((1, 1), np.nan), new_axes()).get_images()[0].get_clim() == (-1, 1)


def tiles_of(ax, n_columns, height, width) -> list[np.ndarray]:
    """Cut a mosaic into its tiles; all that is between them must be empty."""
    mosaic = np.ma.filled(ax.get_images()[0].get_array().astype(float), np.nan)
    n_rows = round((mosaic.shape[0] + 1) / (height + 1))
    rows = [row * (height + 1) for row in range(n_rows)]
    columns = [column * (width + 1) for column in range(n_columns)]
    inside = np.zeros(mosaic.shape, dtype=bool)
    tiles = []
    for top in rows:
        for left in columns:
            tiles.append(mosaic[top : top + height, left : left + width].copy())
            inside[top : top + height, left : left + width] = True
    assert np.isnan(mosaic[~inside]).all()
    return tiles


def test_reconstructions_stand_below_their_images(example):
    ax = plot_reconstructions(example.images, example.decoded, new_axes(), n_shown=5)
    tiles = tiles_of(ax, 5, 4, 4)
    assert len(tiles) == 10
    for k in range(5):
        np.testing.assert_allclose(tiles[k].ravel(), example.images[k])
        np.testing.assert_allclose(tiles[5 + k].ravel(), example.decoded[k])
    largest = max(np.abs(example.images[:5]).max(), np.abs(example.decoded[:5]).max())
    assert ax.get_images()[0].get_clim() == (-largest, largest)
    assert write_number(largest) in ax.get_xlabel()
    assert [label.get_text() for label in ax.get_yticklabels()] == ["stimulus", "from spikes"]
    # In the middle of their rows; between pixels 1 and 2 of 0 to 3, and of 5 to 8.
    np.testing.assert_allclose(ax.get_yticks(), [1.5, 6.5])


def test_reconstructions_are_as_many_as_there_are(example):
    ax = plot_reconstructions(example.images, example.decoded, new_axes(), n_shown=50)
    assert len(tiles_of(ax, 12, 4, 4)) == 24


@pytest.mark.parametrize("shape", [(12, 4, 4), (12, 1, 4, 4)])
def test_reconstructions_take_images_in_their_shape(example, shape):
    flat = plot_reconstructions(example.images, example.decoded, new_axes())
    shaped = plot_reconstructions(example.images.reshape(shape), example.decoded, new_axes())
    np.testing.assert_array_equal(
        flat.get_images()[0].get_array(), shaped.get_images()[0].get_array()
    )
    oblong = plot_reconstructions(example.images.reshape(12, 2, 8), example.decoded, new_axes())
    np.testing.assert_allclose(tiles_of(oblong, 8, 2, 8)[8].ravel(), example.decoded[0])


def test_reconstructions_need_square_images_and_as_many(example):
    images, decoded = example.images, example.decoded
    with pytest.raises(ValueError, match="square, got 15 pixels"):
        plot_reconstructions(images[:, :15], decoded[:, :15])
    with pytest.raises(ValueError, match=r"\(11, 16\) for images of shape \(12, 4, 4\)"):
        plot_reconstructions(images, decoded[:11])
    with pytest.raises(ValueError, match="reconstructions of the images"):
        plot_reconstructions(images, decoded[:, :4])
    with pytest.raises(ValueError, match="one image"):
        plot_reconstructions(images[0], decoded[0])
    with pytest.raises(ValueError, match="something in it"):
        plot_reconstructions(images[:0], decoded[:0])
    with pytest.raises(ValueError, match="n_shown must be at least 1"):
        plot_reconstructions(images, decoded, n_shown=0)


def test_features_are_in_the_order_of_what_their_neurons_cost(example):
    cost, features = example.costs[0], example.features
    ax = plot_features(features, cost, new_axes(), n_shown=5)
    # Three columns, so there is an empty place at the end.
    *tiles, last = tiles_of(ax, 3, 4, 4)
    assert np.isnan(last).all()
    totals = example.record.counts.sum(axis=0)
    order = np.argsort(-totals, kind="stable")[:5]
    for tile, neuron in zip(tiles, order, strict=True):
        expected = features[neuron] / np.abs(features[neuron]).max()
        np.testing.assert_allclose(tile.ravel(), expected)
    assert ax.get_images()[0].get_clim() == (-1, 1)
    first, final = (write_number(cost.spiking_per_neuron.value[k]) for k in order[[0, -1]])
    assert ax.get_xlabel() == (
        f"by cost of spikes: {first} to {final} ATP per stimulus\n"
        "5 most expensive of 6 neurons, each on its own scale"
    )


def test_all_features_are_shown_if_they_are_few_and_what_is_zero_stays_so(example):
    ax = plot_features(np.zeros((6, 16)), example.costs[0], new_axes())
    for tile in tiles_of(ax, 3, 4, 4):
        assert (tile == 0).all()
    assert "all 6 neurons, most expensive first" in ax.get_xlabel()


def test_features_must_be_those_of_the_costs(example):
    with pytest.raises(ValueError, match="6 neurons and 5 features"):
        plot_features(example.features[:5], example.costs[0])
    with pytest.raises(ValueError, match="square, got 15 pixels"):
        plot_features(example.features[:, :15], example.costs[0])


# Measured against predicted


def test_measured_against_predicted_has_a_point_per_neuron_and_a_band(example):
    record = example.record
    ax = plot_measured_against_predicted(record, new_axes())
    diagonal, points = ax.get_lines()
    np.testing.assert_allclose(points.get_xdata(), record.rates.mean(axis=0))
    np.testing.assert_allclose(points.get_ydata(), record.counts.mean(axis=0))
    np.testing.assert_array_equal(diagonal.get_xdata(), diagonal.get_ydata())
    assert diagonal.get_xdata().max() > record.rates.mean(axis=0).max()
    assert ax.get_xlim()[0] == ax.get_ylim()[0] == 0
    (band,) = ax.collections
    ends = band.get_datalim(ax.transData)
    np.testing.assert_allclose(ends.intervalx, diagonal.get_xdata()[[0, -1]])
    top = 12 * diagonal.get_xdata()[-1]
    np.testing.assert_allclose(ends.intervaly, [0, poisson.ppf(0.975, top) / 12])
    # Below the band there is nothing at the right end.
    corner = band_of(band)
    lowest = corner[np.isclose(corner[:, 0], ends.x1), 1].min()
    assert lowest == pytest.approx(poisson.ppf(0.025, top) / 12)
    assert legend_of(ax) == ["95 % if Poisson", "predicted", "neurons"]


def test_other_neurons_are_held_against_their_own_law(refractory):
    record = refractory.record
    law = record.prediction
    ax = plot_measured_against_predicted(record, new_axes())
    points = line_called(ax, "neurons")
    np.testing.assert_allclose(points.get_xdata(), law.mean.mean(axis=0))
    # The periods are long: the posterior rates are not what is predicted.
    assert (points.get_xdata() < 0.95 * record.rates.mean(axis=0)).all()
    at, low, high = intervals_of(line_called(ax, "95 % as predicted"))
    np.testing.assert_allclose(at, points.get_xdata())
    error = np.sqrt(law.variance.sum(axis=0)) / record.n_stimuli
    np.testing.assert_allclose(high - low, 2 * norm.ppf(0.975) * error)
    # Narrower than those of Poisson counts.
    assert (error < 0.9 * np.sqrt(law.mean.sum(axis=0)) / record.n_stimuli).all()


def test_neurons_outside_of_their_lines_are_those_that_fidelity_counts(refractory):
    right = refractory.record
    # Some neurons too many spikes, some too few, so that there is something to count.
    counts = right.counts + (np.arange(8) > 4) - (np.arange(8) < 2) * (right.counts > 0)
    for record in (right, dataclasses.replace(right, counts=counts.astype(np.int32))):
        ax = plot_measured_against_predicted(record, new_axes())
        _, low, high = intervals_of(line_called(ax, "95 %"))
        measured = line_called(ax, "neurons").get_ydata()
        outside = ((measured < low) | (measured > high)).mean()
        assert outside == compute_fidelity(record).outside.value
    assert outside >= 5 / 8


@dataclasses.dataclass(frozen=True)
class Lawless(NeuronModel):
    name = "lawless"

    def predict(self, rates, window_s, n_steps):
        return None


def test_neurons_without_a_theory_are_held_against_poisson_counts(example):
    lawless = dataclasses.replace(example.record, neuron=Lawless())
    for plot in (plot_measured_against_predicted, plot_fano_against_rate):
        ax, same = plot(lawless, new_axes()), plot(example.record, new_axes())
        assert legend_of(ax) == legend_of(same)
        for line, other in zip(ax.get_lines(), same.get_lines(), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), other.get_xydata())


def test_no_stimuli_have_no_mean(example):
    nothing = example.record[[]]
    for plot in (plot_measured_against_predicted, plot_fano_against_rate):
        with pytest.raises(ValueError, match="at least one"):
            plot(nothing)


# Fano factors


def test_fano_of_each_neuron_stands_at_its_rate(example):
    record = example.record
    ax = plot_fano_against_rate(record, new_axes())
    points = line_called(ax, "neurons")
    np.testing.assert_allclose(points.get_xdata(), record.rates.mean(axis=0))
    squares = (record.counts - record.rates) ** 2
    np.testing.assert_allclose(points.get_ydata(), squares.sum(axis=0) / record.rates.sum(axis=0))
    at, low, high = intervals_of(line_called(ax, "95 % if Poisson"))
    np.testing.assert_allclose(at, points.get_xdata())
    np.testing.assert_array_equal([low, high], residual_fano_band(record.prediction))
    assert set(line_called(ax, "Poisson").get_ydata()) == {1.0}
    assert ax.get_xscale() == "log"
    assert legend_of(ax) == ["95 % if Poisson", "Poisson counts", "neurons"]
    for line in (points, line_called(ax, "Poisson")):
        lowest, highest = ax.get_ylim()
        assert (lowest <= line.get_ydata()).all()
        assert (line.get_ydata() <= highest).all()


def test_rates_are_in_hertz():
    record = simulate(np.full((50, 2), 4.0), window=200 * ms, n_steps=1)
    points = line_called(plot_fano_against_rate(record, new_axes()), "neurons")
    np.testing.assert_allclose(points.get_xdata(), 20.0)


def test_fano_that_a_neuron_model_predicts_is_shown(refractory):
    record = refractory.record
    ax = plot_fano_against_rate(record, new_axes())
    predicted = line_called(ax, "refractory, predicted")
    law = record.prediction
    np.testing.assert_allclose(
        predicted.get_ydata(), law.variance.mean(axis=0) / law.mean.mean(axis=0)
    )
    assert (predicted.get_ydata() < 0.95).all()
    at, low, high = intervals_of(line_called(ax, "95 % as predicted"))
    np.testing.assert_array_equal(at, predicted.get_xdata())
    np.testing.assert_allclose((low + high) / 2, predicted.get_ydata())


def test_neurons_without_a_spike_to_expect_have_no_fano_factor():
    rates = np.tile([0.0, 1e-9, 0.009, 0.011, 5.0], (100, 1))
    record = simulate(rates, n_steps=1, seed=fresh_seed())
    ax = plot_fano_against_rate(record, new_axes())
    *_, label = legend_of(ax)
    assert label == "neurons\n(3 not shown: predicted < 1 spike)"
    np.testing.assert_allclose(line_called(ax, "neurons").get_xdata(), [0.011, 5.0])
    ax = plot_fano_against_rate(simulate(np.zeros((5, 2))), new_axes())
    assert texts_of(ax) == ["less than one spike is predicted of each neuron"]


# KL against spikes


def test_kl_of_each_neuron_stands_at_its_spikes():
    run = make_run(n_stimuli=200)
    ax = plot_kl_against_spikes(run.comparison, run.record, new_axes())
    points = line_called(ax, "neurons")
    np.testing.assert_allclose(points.get_xdata(), run.record.counts.mean(axis=0))
    bits = run.encoder.kl_per_latent(run.images).mean(axis=0) / np.log(2)
    np.testing.assert_allclose(points.get_ydata(), bits)
    at, low, high = intervals_of(ax.get_lines()[0])
    np.testing.assert_allclose(at, points.get_xdata())
    estimate = run.comparison.coding.kl_nats_per_neuron
    np.testing.assert_allclose(low * np.log(2), estimate.low)
    np.testing.assert_allclose(high * np.log(2), estimate.high)
    line = line_called(ax, f"{run.comparison.coding.bits_per_spike.value:.3g} bits per spike")
    # All neurons together are on it.
    slope = bits.sum() / run.record.counts.mean(axis=0).sum()
    np.testing.assert_allclose(line.get_ydata(), slope * line.get_xdata())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    np.testing.assert_allclose(line.get_xdata(), ax.get_xlim())


def test_silent_neurons_are_named_where_kl_is_logarithmic(example):
    record, comparison = example.record, example.comparison
    counts = np.maximum(record.counts, 1)
    counts[:, :2] = 0
    nats = comparison.coding.kl_nats_per_neuron.value.copy()
    nats[1:3] = [1e-12 * nats.max(), 0.0]
    coding = dataclasses.replace(comparison.coding, kl_nats_per_neuron=Estimate(nats, nats, nats))
    comparison = dataclasses.replace(comparison, coding=coding)
    record = dataclasses.replace(record, counts=counts)
    ax = plot_kl_against_spikes(comparison, record, new_axes())
    assert legend_of(ax)[0] == "neurons, 95 % intervals\n(3 not shown: at or near 0)"
    assert len(line_called(ax, "neurons").get_xdata()) == 3
    silent = dataclasses.replace(record, counts=0 * counts)
    ax = plot_kl_against_spikes(comparison, silent, new_axes())
    assert texts_of(ax) == ["no neuron has both spikes and a KL above 0"]


def test_intervals_without_an_end_are_not_drawn():
    ax = new_axes()
    low, high = np.array([0.2, 0.2, np.nan, 0.2]), np.array([0.8, np.nan, 0.8, np.inf])
    draw_intervals(ax, np.arange(4.0), low, high, color="black", alpha=1, lw=5)
    ax.set(xlim=(-0.5, 3.5), ylim=(0, 1))
    ax.set_axis_off()
    picture = matplotlib.image.imread(io.BytesIO(rendered(ax)))[..., :3].mean(axis=-1)
    columns = np.flatnonzero((picture < 0.5).any(axis=0))
    at = [ax.transData.transform((place, 0))[0] for place in (-0.5, 0.5)]
    assert columns.size
    assert at[0] < columns.min()
    assert columns.max() < at[1]


def test_one_stimulus_has_no_intervals():
    run = make_run(n_stimuli=1, log_rate=2.0)
    ax = plot_kl_against_spikes(run.comparison, run.record, new_axes())
    _, low, high = intervals_of(ax.get_lines()[0])
    assert np.isnan([low, high]).all()
    for plot in (plot_error_against_energy, plot_r2_over_time):
        ax = plot(run.course, new_axes())
        assert not ax.collections
        assert "95 %" not in legend_of(ax)


def test_comparison_must_be_of_the_record(example):
    with pytest.raises(ValueError, match="5 stimuli and 6 neurons, got one of 12 and 6"):
        plot_kl_against_spikes(example.comparison, example.record[:5])


# Energy by budget


def test_energy_has_a_row_for_each_budget(example):
    ax = plot_energy_by_budget(example.costs, new_axes())
    names = [cost.budget.name for cost in example.costs]
    assert [label.get_text() for label in ax.get_yticklabels()] == names
    # The first is on top.
    assert ax.get_ylim() == (len(names) - 0.5, -0.5)
    spikes, rest = line_called(ax, "spikes"), line_called(ax, "rest")
    assert ax.get_xscale() == "log"
    at, low, high = intervals_of(ax.get_lines()[0])
    np.testing.assert_array_equal(at, spikes.get_ydata())
    for row, cost in enumerate(example.costs):
        assert spikes.get_xdata()[row] == pytest.approx(
            cost.spiking_per_stimulus.value * cost.joules_per_unit
        )
        assert low[row] == pytest.approx(cost.spiking_per_stimulus.low * cost.joules_per_unit)
        assert high[row] == pytest.approx(cost.spiking_per_stimulus.high * cost.joules_per_unit)
        assert row - 0.5 < spikes.get_ydata()[row] < row
        at_rest = rest.get_xdata()[(rest.get_ydata() > row) & (rest.get_ydata() < row + 0.5)]
        remarks = [text for text in ax.texts if row < text.get_position()[1] < row + 0.5]
        if np.isnan(cost.resting):
            assert [text.get_text() for text in remarks] == ["rest not stated"]
            assert not at_rest.size
        elif cost.resting == 0:
            assert [text.get_text() for text in remarks] == ["rest not added"]
            assert not at_rest.size
        else:
            assert not remarks
            # With that of the spikes it is all the energy, as Brian2 has it.
            total = spikes.get_xdata()[row] + at_rest.item()
            assert total == pytest.approx(float(cost.energy.value / joule))


def test_energy_of_no_spikes_is_said():
    silent = simulate(np.zeros((3, 2)))
    nothing = EnergyBudget("nothing", 1.0, grade="C", source="a test")
    costs = metabolic_costs(silent, ["attwell-laughlin-2001", "truenorth", nothing])
    ax = plot_energy_by_budget(costs, new_axes())
    assert line_called(ax, "spikes").get_xdata().size == 0
    assert line_called(ax, "rest").get_xdata().size == 1
    assert texts_of(ax) == [
        *["spikes cost nothing"] * 2,
        "rest not added",
        "spikes cost nothing",
        "rest not stated",
    ]
    # Without any dot there is nothing to be logarithmic.
    ax = plot_energy_by_budget(costs[1:], new_axes())
    assert ax.get_xscale() == "linear"


def test_energy_remarks_stand_clear_of_dots(example):
    ax = plot_energy_by_budget(example.costs, new_axes("constrained"))
    rendered(ax)
    dots = [
        ax.transData.transform(place) for line in ax.get_lines()[1:] for place in line.get_xydata()
    ]
    for text in ax.texts:
        box = text.get_window_extent()
        assert not any(box.contains(*dot) for dot in dots)


def test_energy_needs_costs_of_one_record(example):
    with pytest.raises(ValueError, match="at least one, got windows of none"):
        plot_energy_by_budget([])
    longer = metabolic_cost(simulate([[1.0]], window=2 * second))
    with pytest.raises(ValueError, match="got windows of 1 s, 2 s"):
        plot_energy_by_budget([example.costs[0], longer])


# The course of the code


def with_marks(course, **changes):
    """A course with its bend and shares of R2 at known places."""
    places = course.time_s[[9, 19, 29]]

    def estimate(values):
        return Estimate(values[[9, 19, 29]], values[[8, 18, 28]], values[[10, 20, 30]])

    return dataclasses.replace(
        course,
        bend_s=Estimate(course.time_s[4], np.nan, np.nan),
        time_to_fraction=Estimate(places, 0.9 * places, 1.1 * places),
        energy_to_fraction=estimate(course.energy.value),
        spiking_to_fraction=estimate(course.spiking.value),
        **changes,
    )


@pytest.mark.parametrize(("name", "energy"), [("course", "energy"), ("restless", "spiking")])
def test_error_against_energy_holds_the_course(example, name, energy):
    course = with_marks(getattr(example, name))
    spent = getattr(course, energy).value
    assert np.isfinite(spent).all()
    ax = plot_error_against_energy(course, new_axes())
    curve = line_called(ax, "from the spikes so far")
    np.testing.assert_array_equal(curve.get_xdata(), spent)
    np.testing.assert_array_equal(curve.get_ydata(), course.error.value)
    (band,) = ax.collections
    assert band_of(band)[:, 1].min() == course.error.low.min()
    assert band_of(band)[:, 1].max() == course.error.high.max()
    bend = line_called(ax, "bend")
    np.testing.assert_allclose(bend.get_xdata(), spent[4])
    assert bend.get_label() == "bend, at 0.12 s"
    marks = line_called(ax, "shares of the final R²")
    np.testing.assert_allclose(marks.get_xdata(), spent[[9, 19, 29]])
    np.testing.assert_allclose(marks.get_ydata(), course.error.value[[9, 19, 29]])
    (lines,) = [line for line in ax.get_lines() if len(line.get_xdata()) == 9]
    at, low, high = intervals_of(lines)
    np.testing.assert_allclose(at, marks.get_ydata())
    np.testing.assert_allclose(low, spent[[8, 18, 28]])
    np.testing.assert_allclose(high, spent[[10, 20, 30]])
    assert texts_of(ax) == ["50 %", "80 %", "95 %"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_marks_between_times_are_on_the_curve(example):
    """The error goes with 1/t: halfway between in 1/t it is halfway between."""
    course = with_marks(example.course)
    halfway = 2 / (1 / course.time_s[[9, 19, 29]] + 1 / course.time_s[[10, 20, 30]])
    course = dataclasses.replace(course, time_to_fraction=Estimate(halfway, halfway, halfway))
    marks = line_called(plot_error_against_energy(course, new_axes()), "shares")
    error = course.error.value
    np.testing.assert_allclose(marks.get_ydata(), (error[[9, 19, 29]] + error[[10, 20, 30]]) / 2)


def test_r2_over_time_holds_the_course(example):
    course = with_marks(example.course)
    r2 = 1 - 0.5 / course.time_s
    reached = 0.5 / (1 - 0.5 * course.fractions)
    course = dataclasses.replace(
        course,
        r2=Estimate(r2, r2 - 0.1, r2 + 0.1),
        time_to_fraction=Estimate(reached, 0.9 * reached, 1.1 * reached),
    )
    ax = plot_r2_over_time(course, new_axes())
    curve = line_called(ax, "from the spikes so far")
    np.testing.assert_array_equal(curve.get_xydata(), np.stack([course.time_s, r2], axis=1))
    (band,) = ax.collections
    assert band_of(band)[:, 1].max() == pytest.approx(0.6)
    np.testing.assert_allclose(line_called(ax, "bend").get_xdata(), course.time_s[4])
    marks = line_called(ax, "shares of the final R²")
    np.testing.assert_allclose(marks.get_xdata(), reached)
    np.testing.assert_allclose(marks.get_ydata(), [0.25, 0.4, 0.475])
    (lines,) = [line for line in ax.get_lines() if len(line.get_xdata()) == 9]
    at, low, high = intervals_of(lines)
    np.testing.assert_allclose([at, low, high], [marks.get_ydata(), 0.9 * reached, 1.1 * reached])
    assert texts_of(ax) == ["50 %", "80 %", "95 %"]
    assert ax.get_xlim() == (0, 1)
    # As much below 0 as above, though it begins at -19.
    np.testing.assert_allclose(ax.get_ylim(), (-0.6, 0.69))


@pytest.mark.parametrize("bend", [np.nan, np.inf, 0.0, 1.01])
def test_bend_outside_of_the_window_is_not_marked(example, bend):
    course = dataclasses.replace(example.course, bend_s=Estimate(bend, bend, bend))
    for plot in (plot_error_against_energy, plot_r2_over_time):
        assert not [label for label in legend_of(plot(course, new_axes())) if "bend" in label]


def test_bend_before_the_first_time_is_on_the_way_from_nothing(example):
    course = example.course
    bend = course.time_s[0] / 2
    course = dataclasses.replace(course, bend_s=Estimate(bend, bend, bend))
    line = line_called(plot_error_against_energy(course, new_axes()), "bend")
    np.testing.assert_allclose(line.get_xdata(), course.energy.value[0] / 2)


def test_r2_that_is_not_positive_has_no_shares(example):
    unknown = Estimate(*(np.full(3, np.nan) for _ in range(3)))
    r2 = np.full(40, -1.0)
    course = dataclasses.replace(
        example.course,
        r2=Estimate(r2, r2 - 1, r2 + 0.1),
        time_to_fraction=unknown,
        energy_to_fraction=unknown,
    )
    for plot in (plot_error_against_energy, plot_r2_over_time):
        ax = plot(course, new_axes())
        assert not [label for label in legend_of(ax) if "shares" in label]
        assert not ax.texts


def test_images_that_are_alike_are_said_to_be(example):
    nothing = Estimate(*(np.full(40, np.nan) for _ in range(3)))
    ax = plot_r2_over_time(dataclasses.replace(example.course, r2=nothing), new_axes())
    assert texts_of(ax)[-1] == "all images are alike: no variance to explain"


def test_energy_that_is_nothing_at_first_has_no_logarithm(example):
    energy = example.course.energy
    first = np.where(np.arange(40) < 3, 0.0, energy.value)
    course = dataclasses.replace(example.course, energy=Estimate(first, first, first))
    ax = plot_error_against_energy(course, new_axes())
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert line_called(ax, "from").get_xdata()[0] == 0


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
