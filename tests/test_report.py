"""Tables and plots: what they hold, their labels, and that they survive the extremes."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
import torch
from brian2 import ms, second
from scipy.stats import poisson

from pvae_brian import Encoder, compare, metabolic_cost, simulate
from pvae_brian.report import (
    format_table,
    plot_image,
    plot_measured_against_predicted,
    plot_overview,
    plot_raster,
    summary_rows,
)

from .chance import fresh_generator, fresh_seed

matplotlib.use("Agg")

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def make_encoder(n_inputs=16, n_latents=6, log_rate=1.0, *, has_decoder=True) -> Encoder:
    torch.manual_seed(fresh_seed())
    return Encoder.from_module(
        torch.nn.Linear(n_inputs, n_latents).double(),
        np.full(n_latents, log_rate),
        image_shape=(n_inputs,),
        decoder=torch.nn.Linear(n_latents, n_inputs).double() if has_decoder else None,
    )


def make_run(n_stimuli=12, window=1 * second, **options):
    encoder = make_encoder(**options)
    images = fresh_generator().normal(size=(n_stimuli, encoder.n_inputs))
    record = simulate(
        encoder.posterior_rates(images),
        window=window,
        n_steps=10,
        seed=fresh_seed(),
        record="times",
    )
    return encoder, images, record


def rendered(figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


@pytest.fixture(scope="module")
def example():
    return make_run()


# Tables


def test_columns_are_aligned_and_no_line_ends_in_blanks():
    rows = [("a", "1", ""), ("long name", "22.5", "[1, 2]"), ("b", "", "remark")]
    lines = format_table(rows).split("\n")
    assert lines == [
        "a          1",
        "long name  22.5  [1, 2]",
        "b                remark",
    ]


def test_summary_holds_the_numbers_of_the_comparison(example):
    encoder, images, record = example
    comparison, cost = compare(encoder, images, record), metabolic_cost(record)
    rows = {name: (value, remark) for name, value, remark in summary_rows(comparison, cost)}
    assert len(rows) == len(summary_rows(comparison, cost))
    measured = comparison.fidelity.measured
    assert rows["measured spikes per stimulus"] == (
        f"{measured.value:.4g}",
        f"[{measured.low:.4g}, {measured.high:.4g}]",
    )
    assert rows["predicted (posterior rates)"][1] == f"z = {comparison.fidelity.z:+.2f}"
    assert rows["prior rate cost"][0] == f"{comparison.prior.predicted:.4g}"
    assert rows["measured / prior rate cost"][0] == f"{comparison.prior.ratio.value:.4g}"
    assert rows["bits per spike"][0] == f"{comparison.coding.bits_per_spike.value:.4g}"
    poisson_kl = comparison.clamp.poisson_kl.value
    assert rows["KL between the Poisson laws, nats"][0] == f"{poisson_kl:.4g}"
    assert rows["ATP per stimulus, rest"][0] == f"{6 * 0.444e9:.3g}"
    spiking, both = (float(rows[f"ATP per stimulus, {part}"][0]) for part in ("spikes", "both"))
    assert both == pytest.approx(spiking + 6 * 0.444e9, rel=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"n_stimuli": 1},
        {"n_latents": 1},
        {"log_rate": -60.0},
        {"n_stimuli": 1, "n_latents": 1, "log_rate": -60.0},
        {"log_rate": -800.0},
    ],
    ids=["one stimulus", "one latent", "silent", "one silent", "rate zero"],
)
def test_extremes_have_a_table_and_a_picture(options):
    encoder, images, record = make_run(**options)
    rows = summary_rows(compare(encoder, images, record), metabolic_cost(record))
    assert all(isinstance(cell, str) for row in rows for cell in row)
    assert len(format_table(rows).split("\n")) == len(rows)
    assert rendered(plot_overview(encoder, images, record))


# Plots


def test_image_is_symmetric_about_zero():
    pixels = np.array([[-1.0, 0.5], [0.0, 3.0]])
    (image,) = plot_image(pixels).get_images()
    assert image.get_clim() == (-3, 3)
    np.testing.assert_array_equal(image.get_array(), pixels)
    assert plot_image(pixels, scale=5.0).get_images()[0].get_clim() == (-5, 5)
    assert plot_image(np.zeros((2, 2))).get_images()[0].get_clim() == (-1, 1)


def test_raster_shows_each_spike_of_its_stimulus(example):
    record = example[2]
    for stimulus in (0, 11):
        ax = plot_raster(record, stimulus)
        (points,) = ax.get_lines()
        shown = np.bincount(points.get_ydata(), minlength=6)
        np.testing.assert_array_equal(shown, record.counts[stimulus])
        time = points.get_xdata()
        assert ((time >= 0) & (time <= 1)).all()
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (s)", "latent neuron")
        assert ax.get_ylim() == (-0.5, 5.5)


def test_raster_spans_the_window_and_ticks_whole_neurons():
    record = make_run(n_latents=2, window=200 * ms)[2]
    ax = plot_raster(record, 0)
    assert ax.get_xlim() == (0, 0.2)
    ticks = ax.get_yticks()
    assert (ticks == np.round(ticks)).all()


def test_raster_needs_spike_times():
    with pytest.raises(ValueError, match="record='times'"):
        plot_raster(simulate([[1.0]]), 0)


def test_measured_against_predicted_has_a_point_per_neuron_and_a_band(example):
    record = example[2]
    ax = plot_measured_against_predicted(record)
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
    corner = band.get_paths()[0].vertices
    lowest = corner[np.isclose(corner[:, 0], ends.x1), 1].min()
    assert lowest == pytest.approx(poisson.ppf(0.025, top) / 12)
    assert "spikes per stimulus" in ax.get_xlabel()
    assert "spikes per stimulus" in ax.get_ylabel()
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["95 % if Poisson", "predicted", "neurons"]


def test_plots_go_where_they_are_told(example):
    record = example[2]
    _, axes = matplotlib.pyplot.subplots(1, 3)
    assert plot_image(np.eye(2), axes[0]) is axes[0]
    assert plot_raster(record, 0, axes[1]) is axes[1]
    assert plot_measured_against_predicted(record, axes[2]) is axes[2]
    matplotlib.pyplot.close("all")


# Overview


@pytest.mark.parametrize(("n_shown", "columns"), [(1, 1), (3, 3), (50, 12)])
def test_overview_shows_typical_stimuli(example, n_shown, columns):
    encoder, images, record = example
    figure = plot_overview(encoder, images, record, n_shown=n_shown)
    *panels, last = figure.axes
    assert len(panels) == 3 * columns
    spikes = record.counts.sum(axis=1)
    distance = np.abs(spikes - np.median(spikes))
    titles = [ax.get_title() for ax in panels[:columns]]
    shown = [int(title.split()[0]) for title in titles]
    np.testing.assert_array_equal(
        np.sort(np.abs(shown - np.median(spikes))), np.sort(distance)[:columns]
    )
    assert all(title.split()[1] == ("spike" if title[:2] == "1 " else "spikes") for title in titles)
    assert last.get_title() == "6 neurons, 12 stimuli"


def test_overview_decodes_what_it_shows(example):
    encoder, images, record = example
    figure = plot_overview(encoder, images, record, n_shown=12)
    for stimulus in range(12):
        top, middle, bottom = (figure.axes[12 * row + stimulus] for row in range(3))
        np.testing.assert_allclose(top.get_images()[0].get_array(), images[stimulus].reshape(4, 4))
        assert len(middle.get_lines()[0].get_xdata()) == record.counts[stimulus].sum()
        decoded = encoder.decode(record.counts[stimulus][None]).reshape(4, 4)
        np.testing.assert_allclose(bottom.get_images()[0].get_array(), decoded)
        assert top.get_images()[0].get_clim() == bottom.get_images()[0].get_clim()


def test_overview_takes_image_shaped_stimuli_and_is_no_blank_sheet(example):
    encoder, images, record = example
    flat = rendered(plot_overview(encoder, images, record))
    assert flat[:8] == b"\x89PNG\r\n\x1a\n"
    assert rendered(plot_overview(encoder, images.reshape(-1, 1, 4, 4), record)) == flat
    pixels = matplotlib.image.imread(io.BytesIO(flat))
    assert pixels[..., :3].std() > 0.05


def test_overview_labels_do_not_overlap(example):
    figure = plot_overview(*example)
    # Not laid out before it is drawn.
    assert rendered(figure)
    boxes = [ax.get_tightbbox() for ax in figure.axes]
    for i, box in enumerate(boxes):
        # A pixel is allowed for: labels of neighbours may touch.
        inner = box.padded(-1)
        assert not any(inner.overlaps(other.padded(-1)) for other in boxes[i + 1 :])
        width, height = figure.bbox.size
        assert box.x0 >= -1
        assert box.y0 >= -1
        assert box.x1 <= width + 1
        assert box.y1 <= height + 1


def test_overview_needs_the_images_of_the_record(example):
    encoder, images, record = example
    with pytest.raises(ValueError, match="24 images and a record of 12"):
        plot_overview(encoder, np.concatenate([images, images]), record)
    with pytest.raises(ValueError, match="16 pixels"):
        plot_overview(encoder, images[:, :4], record)


def test_overview_needs_square_images():
    with pytest.raises(ValueError, match="square, got 12 pixels"):
        plot_overview(*make_run(n_inputs=12))


def test_overview_needs_spike_times_and_a_decoder(example):
    encoder, images, record = example
    counts_only = simulate(record.rates, n_steps=1)
    with pytest.raises(ValueError, match="record='times'"):
        plot_overview(encoder, images, counts_only)
    with pytest.raises(ValueError, match="decoder"):
        plot_overview(*make_run(has_decoder=False))


def test_overview_needs_no_window_and_leaves_none_open(example):
    before = matplotlib.pyplot.get_fignums()
    plot_overview(*example)
    assert matplotlib.pyplot.get_fignums() == before
