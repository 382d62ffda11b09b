"""Tables and the overview: what they hold, their labels, and that they survive the extremes."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
import pytest
import torch
from brian2 import second

from pvae_brian import Encoder, analyse, simulate
from pvae_brian.report import format_table, plot_overview, summary_rows
from pvae_brian.report.page.quantity import format_number

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


def test_summary_holds_the_numbers_of_the_analysis(example):
    analysis = analyse(*example)
    summary = summary_rows(analysis)
    rows = {name: (value, interval) for name, value, interval in summary}
    assert len(rows) == len(summary)
    assert summary[0] == ("neurons", "poisson", "")
    comparison, cost = analysis.comparison, analysis.cost
    for name, unit, estimate in (
        ("measured spikes per stimulus", " spikes", comparison.fidelity.measured),
        ("measured over prior rate cost", "", comparison.prior.ratio),
        ("bits per spike", " bits", comparison.coding.bits_per_spike),
        ("KL between the Poisson laws", " nats", comparison.clamp.poisson_kl),
        ("cost of spikes and rest, per stimulus", " ATP", cost.total_per_stimulus),
    ):
        value, low, high = map(format_number, (estimate.value, estimate.low, estimate.high))
        assert rows[name] == (f"{value}{unit}", f"[{low}, {high}]")
    assert rows["prior rate cost"][1] == "exact"
    assert rows["p-value of the Poisson fit"][1].endswith("if right")


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
    rows = summary_rows(analyse(encoder, images, record))
    assert all(isinstance(cell, str) for row in rows for cell in row)
    assert len(format_table(rows).split("\n")) == len(rows)
    assert rendered(plot_overview(encoder, images, record))


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
    with pytest.raises(ValueError, match="square if flat"):
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
