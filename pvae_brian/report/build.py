"""`build_page`: from an analysis and how it was made to a page of a report."""

from __future__ import annotations

import dataclasses
import math
from importlib.metadata import version
from typing import Any

import numpy as np

from pvae_brian.analysis import Analysis
from pvae_brian.intervals import Estimate
from pvae_brian.report.assumptions import collect_assumptions
from pvae_brian.report.cautions import collect_cautions
from pvae_brian.report.charts import collect_charts
from pvae_brian.report.page.parts import Page
from pvae_brian.report.page.quantity import format_number, with_powers
from pvae_brian.report.results import collect_quantities
from pvae_brian.report.tables import collect_tables
from pvae_brian.runs import Provenance

# As people write them; another neuron model goes by its own name.
_KINDS = {"poisson": "Poisson", "bernoulli": "Bernoulli", "sampler": "sampled Poisson"}


def build_page(
    analysis: Analysis, provenance: Provenance, *, report_command: str | None = None
) -> Page:
    """Put together all that a report says.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.
    provenance : Provenance
        Of the record, by `describe_provenance` or from a run.
    report_command : str, optional
        What was typed to make the report of it.

    Returns
    -------
    Page
        For `render_html` and `write_report`.
    """
    return Page(
        title=f"Metabolic cost in simulated spikes: {provenance.model_file or 'a P-VAE'}",
        headline=_headline(analysis),
        warnings=collect_cautions(analysis),
        quantities=collect_quantities(analysis),
        charts=collect_charts(analysis),
        assumptions=collect_assumptions(analysis),
        reproduction=_reproduction(provenance, report_command),
        tables=collect_tables(analysis),
        data=_arrays(analysis),
    )


def _reproduction(provenance: Provenance, report_command: str | None) -> dict[str, Any]:
    facts = dataclasses.asdict(provenance)
    facts["versions"] |= {name: version(name) for name in ("scipy", "matplotlib")}
    if report_command is None:
        return facts
    command = {"command": facts.pop("command")}
    return command | {"report_command": report_command} | facts


def _headline(analysis: Analysis) -> str:
    record, comparison, cost = analysis.record, analysis.comparison, analysis.cost
    ratio = comparison.prior.ratio
    kind = _KINDS.get(record.neuron.name, record.neuron.name)
    neurons = f"1 {kind} neuron" if record.n_latents == 1 else f"{record.n_latents} {kind} neurons"
    stimuli = "1 stimulus" if record.n_stimuli == 1 else f"{record.n_stimuli} stimuli"
    # The prior of a control foretells nothing.
    is_foretold = analysis.encoder.family == "poisson"
    what = "what the prior rates foretold" if is_foretold else "the activity of its prior"
    # Without a prior rate there is nothing to hold against it.
    foretold = f", {_number(ratio)} times {what}"
    return (
        f"Looking at {stimuli}, {neurons} fired {_number(comparison.prior.measured)} spikes per "
        f"stimulus{foretold if math.isfinite(ratio.value) else ''}, at a cost of "
        f"{_number(cost.spiking_per_stimulus)} {cost.unit} beyond rest (budget "
        f"{cost.budget.name}, grade {cost.budget.grade}), in windows of {cost.window_s:g} s."
    )


def _number(estimate: Estimate[float]) -> str:
    if math.isnan(estimate.low):
        return _in_words(estimate.value)
    return f"{_in_words(estimate.value)} [{_in_words(estimate.low)}, {_in_words(estimate.high)}]"


def _in_words(x: float) -> str:
    """A number for a sentence: with a power of ten rather than 3.49e+10."""
    return with_powers(format_number(x))


def _arrays(analysis: Analysis) -> dict[str, Any]:
    """What is too long to be listed: by neuron, and over time."""
    comparison, measures, course = analysis.comparison, analysis.measures, analysis.course
    data: dict[str, dict[str, object]] = {
        "per_neuron": {
            "prior_rate": analysis.encoder.prior_rates,
            "measured_over_prior": comparison.prior.ratio_per_neuron,
            "kl_nats": comparison.coding.kl_nats_per_neuron,
            "bits_per_spike": comparison.coding.bits_per_spike_per_neuron,
            "rate_hz": measures.rate_per_neuron,
            "fano": measures.fano_per_neuron,
            "residual_fano": measures.residual_fano_per_neuron,
            "cv": None if measures.isi is None else measures.isi.cv_per_neuron,
            "cv2": None if measures.isi is None else measures.isi.cv2_per_neuron,
            f"spiking_cost_{analysis.cost.unit.lower()}": analysis.cost.spiking_per_neuron,
        }
    }
    if course is not None:
        data["course"] = {
            "time_s": course.time_s,
            "error": course.error,
            "r2": course.r2,
            "spikes": course.spikes,
            "spiking": course.spiking,
            "energy": course.energy,
            "unit": course.unit,
        }
    return {
        group: {name: _as_lists(value) for name, value in values.items()}
        for group, values in data.items()
    }


def _as_lists(value: object) -> object:
    """Arrays as lists, with None for what is not defined: JSON knows no NaN and no infinity."""
    if isinstance(value, Estimate):
        return {end: _as_lists(np.asarray(getattr(value, end))) for end in ("value", "low", "high")}
    if isinstance(value, np.ndarray):
        return [x if math.isfinite(x) else None for x in value.tolist()]
    return value
