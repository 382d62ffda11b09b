"""The charts of a report: each plot with its title, what to see in it, and words in its place."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pvae_brian.analysis import Analysis
from pvae_brian.decoding import decoder_features
from pvae_brian.report import plots
from pvae_brian.report.overview import typical_stimuli
from pvae_brian.report.page.parts import Chart
from pvae_brian.report.page.quantity import format_number
from pvae_brian.report.page.style import report_style
from pvae_brian.report.pictures import as_pictures, picture_shape

# Of the shared features and stimuli, as many as a page has room for.
_N_FEATURES = 64
_N_STIMULI = 8
_BEND = " Before the bend spiking noise prevails, after it what the model misses."


def collect_charts(analysis: Analysis) -> tuple[Chart, ...]:
    """Draw every chart of a report.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.

    Returns
    -------
    tuple of Chart
        Those of images need grey pictures (square if flat) and a decoder, the raster and the
        course spike times; without they are left out.
    """
    makers = (_raster, _reconstructions, _measured, _fano, _kl, _energy, _course, _r2, _features)
    with report_style():
        return tuple(chart for maker in makers for chart in maker(analysis))


def _raster(analysis: Analysis) -> Iterator[Chart]:
    record = analysis.record
    if record.times is None:
        return
    stimulus = int(typical_stimuli(analysis.record, 1)[0])
    spikes = int(record.counts[stimulus].sum())
    active = int((record.counts[stimulus] > 0).sum())
    yield _chart(
        "raster",
        "Spikes for one stimulus",
        "One mark for each simulated spike, at its arrival time, while a stimulus with the median "
        "number of spikes was shown.",
        f"Raster of stimulus {stimulus}: {spikes} spikes of {active} of {record.n_latents} neurons "
        f"in {record.window_s:g} s.",
        lambda ax: plots.plot_raster(record, stimulus, ax),
    )


def _reconstructions(analysis: Analysis) -> Iterator[Chart]:
    code = analysis.reconstruction
    shape = picture_shape(analysis.encoder)
    if code is None or shape is None:
        return
    shown = typical_stimuli(analysis.record, _N_STIMULI)
    decoded = analysis.encoder.decode(analysis.record.counts[shown])
    yield _chart(
        "reconstructions",
        "Images read from the spikes",
        "Above, stimuli with a typical number of spikes; below, what the model's decoder makes of "
        "their simulated spike counts.",
        f"{len(shown)} images above their reconstructions. Over all stimuli the spikes explain "
        f"{_percent(code.r2.value)} of the variance.",
        lambda ax: plots.plot_reconstructions(
            as_pictures(analysis.images[shown], shape),
            as_pictures(decoded, shape),
            ax,
            n_shown=len(shown),
        ),
        height=1.8,
    )


def _measured(analysis: Analysis) -> Iterator[Chart]:
    fidelity = analysis.comparison.fidelity
    yield _chart(
        "measured",
        "Measured against predicted spikes",
        "One dot for each neuron, mean over stimuli. The band holds 95 % of the neurons if the "
        "simulation is right.",
        f"{_percent(fidelity.outside.value)} of {analysis.record.n_latents} neurons lie outside "
        f"their 95 % band. All together fired {format_number(fidelity.measured.value)} spikes per "
        f"stimulus, and {format_number(fidelity.predicted)} were predicted.",
        lambda ax: plots.plot_measured_against_predicted(analysis.record, ax),
    )


def _fano(analysis: Analysis) -> Iterator[Chart]:
    fano = analysis.comparison.fidelity.fano
    yield _chart(
        "fano",
        "Variability against rate",
        "Variance of the counts about their prediction over their mean, for each neuron. Poisson "
        "neurons lie on the line at 1; the band holds 95 % of them.",
        f"Over all neurons the Fano factor is {format_number(fano.value)}, with an interval from "
        f"{format_number(fano.low)} to {format_number(fano.high)}; predicted is "
        f"{format_number(analysis.comparison.fidelity.predicted_fano)}.",
        lambda ax: plots.plot_fano_against_rate(analysis.record, ax),
    )


def _kl(analysis: Analysis) -> Iterator[Chart]:
    coding = analysis.comparison.coding
    yield _chart(
        "kl",
        "KL term against spikes, for each neuron",
        "KL term of each neuron against its measured spikes. On the line the KL per spike is that "
        "of all neurons together.",
        f"All neurons together have {format_number(coding.bits_per_spike.value)} bits of KL per "
        "spike. The largest KL term of a neuron is "
        f"{format_number(float(np.max(coding.kl_nats_per_neuron.value)) / math.log(2))} bits per "
        "stimulus.",
        lambda ax: plots.plot_kl_against_spikes(analysis.comparison, analysis.record, ax),
    )


def _energy(analysis: Analysis) -> Iterator[Chart]:
    parts = []
    for cost in analysis.costs:
        joules = cost.in_joules()
        rest = "not stated" if math.isnan(joules.resting) else f"{joules.resting:.2g} J"
        spiking = joules.spiking_per_stimulus.value
        parts.append(f"{cost.budget.name}: spikes {spiking:.2g} J, rest {rest}")
    yield _chart(
        "energy",
        "Energy per stimulus under each budget",
        "What the measured spikes cost, and what rest costs for as long, on a logarithmic scale. "
        "The spikes are the same; tissues and chips differ. Most intervals are narrower than the "
        "dots.",
        "; ".join(parts) + ".",
        lambda ax: plots.plot_energy_by_budget(analysis.costs, ax),
    )


def _course(analysis: Analysis) -> Iterator[Chart]:
    course = analysis.course
    if course is None:
        return
    has_bend = math.isfinite(course.bend_s.value)
    bend = f" It bends at {format_number(course.bend_s.value)} s of {analysis.record.window_s:g} s."
    yield _chart(
        "course",
        "Error against energy",
        "Error of the image decoded from the spikes so far, against the energy spent so far, with "
        "the band of its interval." + (_BEND if has_bend else ""),
        f"The error goes from {format_number(course.error.value[0])} to "
        f"{format_number(course.error.value[-1])} squared pixel units while the window fills."
        + (bend if has_bend else ""),
        lambda ax: plots.plot_error_against_energy(course, ax),
    )


def _r2(analysis: Analysis) -> Iterator[Chart]:
    course = analysis.course
    if course is None:
        return
    reached = ", ".join(
        f"{100 * fraction:g} % of it after {format_number(time)} s"
        for fraction, time in zip(course.fractions, course.time_to_fraction.value, strict=True)
    )
    yield _chart(
        "r2",
        "Explained variance over time",
        "R2 of the images decoded from the spikes so far. Below 0 they are worse than the mean "
        "image; the axis leaves out most of that.",
        f"R2 begins at {format_number(course.r2.value[0])} and ends at "
        f"{format_number(course.r2.value[-1])}; {reached}.",
        lambda ax: plots.plot_r2_over_time(course, ax),
    )


def _features(analysis: Analysis) -> Iterator[Chart]:
    encoder = analysis.encoder
    shape = picture_shape(encoder)
    if not encoder.has_decoder or shape is None:
        return
    cost = analysis.cost
    n_shown = min(_N_FEATURES, encoder.n_latents)
    spent = np.sort(cost.spiking_per_neuron.value)[::-1]
    yield _chart(
        "features",
        "Decoder features of the most expensive neurons",
        "What one spike of each neuron adds to the image, the neurons that cost most first.",
        f"Decoder features of {n_shown} of {encoder.n_latents} neurons. Their spikes cost from "
        f"{format_number(float(spent[0]))} down to {format_number(float(spent[n_shown - 1]))} "
        f"{cost.unit} per stimulus.",
        lambda ax: plots.plot_features(
            as_pictures(decoder_features(encoder), shape), cost, ax, n_shown=n_shown
        ),
        height=5.6,
    )


def _chart(
    key: str,
    title: str,
    caption: str,
    alt: str,
    draw: Callable[[Axes], Axes],
    *,
    height: float | None = None,
) -> Chart:
    figure = Figure()
    if height is not None:
        figure.set_figheight(height)
    draw(figure.subplots())
    return Chart(key=key, title=title, caption=caption, alt=alt, figure=figure)


def _percent(share: float) -> str:
    return "an unknown share" if math.isnan(share) else f"{100 * share:.3g} %"
