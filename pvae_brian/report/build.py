"""`build_page`: from an analysis and how it was made to a page of a report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

from pvae_brian.analysis import Analysis
from pvae_brian.intervals import Estimate
from pvae_brian.report.assumptions import collect_assumptions
from pvae_brian.report.charts import collect_charts
from pvae_brian.report.parts import Page, Table
from pvae_brian.report.quantity import format_number
from pvae_brian.report.results import collect_quantities
from pvae_brian.runs import Provenance

# A right simulation is further from its prediction, or fits worse, once in a thousand times.
_SUSPECT_Z = 3.29
_SUSPECT_P = 1e-3
# Fewer stimuli than this say little of stimuli like them.
_FEW_STIMULI = 30
_N_NEURONS = 10
# As people write them; another neuron model goes by its own name.
_KINDS = {"poisson": "Poisson", "bernoulli": "Bernoulli", "sampler": "sampled Poisson"}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def build_page(analysis: Analysis, provenance: Provenance) -> Page:
    """Put together all that a report says.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.
    provenance : Provenance
        Of the record, by `describe_provenance` or from a run.

    Returns
    -------
    Page
        For `render_html` and `write_report`.
    """
    return Page(
        title=f"Metabolic cost in simulated spikes: {provenance.model_file or 'a P-VAE'}",
        headline=_headline(analysis),
        warnings=tuple(_warnings(analysis)),
        quantities=collect_quantities(analysis),
        charts=collect_charts(analysis),
        assumptions=collect_assumptions(analysis),
        reproduction=dataclasses.asdict(provenance),
        tables=(_budget_table(analysis), _neuron_table(analysis)),
        data=_arrays(analysis),
    )


def _headline(analysis: Analysis) -> str:
    record, comparison, cost = analysis.record, analysis.comparison, analysis.cost
    ratio = comparison.prior.ratio
    kind = _KINDS.get(record.neuron.name, record.neuron.name)
    neurons = f"1 {kind} neuron" if record.n_latents == 1 else f"{record.n_latents} {kind} neurons"
    stimuli = "1 stimulus" if record.n_stimuli == 1 else f"{record.n_stimuli} stimuli"
    # Without a prior rate there is nothing to hold against it.
    foretold = f", {_number(ratio)} times what the prior rates foretold"
    return (
        f"Looking at {stimuli}, {neurons} fired {_number(comparison.prior.measured)} spikes per "
        f"stimulus{foretold if math.isfinite(ratio.value) else ''}, at a cost of "
        f"{_number(cost.spiking_per_stimulus)} {cost.unit} beyond rest."
    )


def _number(estimate: Estimate) -> str:
    if math.isnan(estimate.low):
        return _in_words(estimate.value)
    return f"{_in_words(estimate.value)} [{_in_words(estimate.low)}, {_in_words(estimate.high)}]"


def _in_words(x: float) -> str:
    """A number for a sentence: with a power of ten rather than 3.49e+10."""
    text = format_number(x)
    mantissa, _, exponent = text.partition("e")
    if not (exponent and math.isfinite(x)):
        return text
    return f"{mantissa}\N{MULTIPLICATION SIGN}10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def _warnings(analysis: Analysis) -> Iterator[str]:
    record, comparison = analysis.record, analysis.comparison
    fidelity, clamp, prior = comparison.fidelity, comparison.clamp, comparison.prior
    law = record.prediction
    if record.neuron.name == "sampler":
        yield (
            "Counts were drawn from their laws, one draw per window: no spike was simulated. Leave "
            "the sampler away to simulate."
        )
    if law is None:
        yield (
            f"The neuron model {record.neuron.name!r} has no theory here: its counts are held "
            "against the posterior rates."
        )
    if abs(fidelity.z) > _SUSPECT_Z:
        yield (
            f"The simulation deviates from its prediction by {fidelity.z:+.1f} standard errors. Do "
            "not trust the rest before that is explained."
        )
    if (law is None or law.is_poisson) and fidelity.fit.p_value < _SUSPECT_P:
        yield (
            f"The counts do not fit Poisson laws of the posterior rates (p = "
            f"{fidelity.fit.p_value:.2g}). Do not trust the rest before that is explained."
        )
    if record.n_stimuli < _FEW_STIMULI:
        yield (
            f"With {record.n_stimuli} stimuli the intervals over stimuli are rough"
            + (" or unknown." if record.n_stimuli < 2 else ".")
        )
    if prior.ratio.low > 1.1 or prior.ratio.high < 0.9:
        yield (
            f"Measured spikes are {format_number(prior.ratio.value)} times the prior rate cost: "
            "the prior is not at its optimum for these stimuli, as of a model stopped early, or "
            "of stimuli unlike those it was trained on."
        )
    change = clamp.unclamped.value - clamp.clamped.value
    if change > 0.01 * clamp.clamped.value:
        yield (
            f"The clamp on the rate takes {format_number(change)} spikes per stimulus away. The "
            f"model's own KL, {format_number(clamp.model_kl.value)} nats, does not see it; between "
            f"the Poisson laws it is {format_number(clamp.poisson_kl.value)} nats."
        )
    if analysis.reconstruction is None:
        yield "The model has no decoder, so the code is not held against the images."
    elif record.times is None:
        yield (
            "Only counts were recorded, so there are no spike trains and no course of the code; "
            "simulate with spike times for these (--record times)."
        )


def _budget_table(analysis: Analysis) -> Table:
    rows = []
    for cost, compared in zip(analysis.costs, analysis.cost_comparisons, strict=True):
        budget, joules = cost.budget, cost.in_joules()
        factor = cost.joules_per_unit
        per_bit = compared.spiking_per_bit.scaled(factor).value
        grades = budget.grade
        if budget.rest_cost is not None and budget.rest_grade not in (None, budget.grade):
            grades = f"{budget.grade}, rest {budget.rest_grade}"
        rows.append(
            (
                budget.name,
                grades,
                joules.cost_per_spike,
                float(joules.spiking_per_stimulus.value),
                float(joules.spiking_per_stimulus.low),
                float(joules.spiking_per_stimulus.high),
                joules.resting,
                float(joules.total_per_stimulus.value),
                float(per_bit),
            )
        )
    return Table(
        "Cost under each budget",
        "In joules. The first is the one used above. 'Not defined' where a budget does not state "
        "what rest costs.",
        (
            "budget",
            "grade",
            "a spike (J)",
            "spikes per stimulus (J)",
            "from",
            "to",
            "rest per stimulus (J)",
            "both (J)",
            "spikes per bit (J)",
        ),
        tuple(rows),
    )


def _neuron_table(analysis: Analysis) -> Table:
    prior, coding, cost = analysis.comparison.prior, analysis.comparison.coding, analysis.cost
    spent = cost.spiking_per_neuron
    dearest = np.argsort(-spent.value, kind="stable")[:_N_NEURONS]
    prior_rates = analysis.encoder.prior_rates
    counts = analysis.record.counts.mean(axis=0)
    return Table(
        "The dearest neurons",
        "Those whose spikes cost most, per stimulus; all of them are in the JSON.",
        (
            "neuron",
            "prior rate (spikes)",
            "measured (spikes)",
            "measured / prior",
            "from",
            "to",
            "KL (nats)",
            f"spikes' cost ({cost.unit})",
        ),
        tuple(
            (
                str(i),
                float(prior_rates[i]),
                float(counts[i]),
                float(prior.ratio_per_neuron.value[i]),
                float(prior.ratio_per_neuron.low[i]),
                float(prior.ratio_per_neuron.high[i]),
                float(coding.kl_nats_per_neuron.value[i]),
                float(spent.value[i]),
            )
            for i in dearest
        ),
    )


def _arrays(analysis: Analysis) -> dict:
    """What is too long to be listed: by neuron, and over time."""
    comparison, measures, course = analysis.comparison, analysis.measures, analysis.course
    data = {
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
    if isinstance(value, Estimate):
        return {end: np.asarray(getattr(value, end)).tolist() for end in ("value", "low", "high")}
    return value.tolist() if isinstance(value, np.ndarray) else value
