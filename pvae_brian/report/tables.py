"""The further tables of a report: cost under each budget, and the neurons that cost most."""

from __future__ import annotations

import math

import numpy as np

from pvae_brian.analysis import Analysis
from pvae_brian.report.page.parts import Table

_N_NEURONS = 10


def collect_tables(analysis: Analysis) -> tuple[Table, ...]:
    """Return the further tables of a report.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.

    Returns
    -------
    tuple of Table
    """
    return _budget_table(analysis), _neuron_table(analysis)


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
            "low 95 % (J)",
            "high 95 % (J)",
            "rest per stimulus (J)",
            "both (J)",
            "spikes per bit (J)",
        ),
        tuple(rows),
    )


def _neuron_table(analysis: Analysis) -> Table:
    prior, coding, cost = analysis.comparison.prior, analysis.comparison.coding, analysis.cost
    spent = cost.spiking_per_neuron
    expensive = np.argsort(-spent.value, kind="stable")[:_N_NEURONS]
    prior_rates = analysis.encoder.prior_rates
    counts = analysis.record.counts.mean(axis=0)
    return Table(
        "The most expensive neurons",
        "Those whose spikes cost most, per stimulus; all of them are in the JSON.",
        (
            "neuron",
            "prior rate (spikes per stimulus)",
            "measured (spikes per stimulus)",
            "measured / prior",
            "ratio, low 95 %",
            "ratio, high 95 %",
            "KL (bits per stimulus)",
            f"cost of spikes ({cost.unit} per stimulus)",
        ),
        tuple(
            (
                str(i),
                float(prior_rates[i]),
                float(counts[i]),
                float(prior.ratio_per_neuron.value[i]),
                float(prior.ratio_per_neuron.low[i]),
                float(prior.ratio_per_neuron.high[i]),
                float(coding.kl_nats_per_neuron.value[i]) / math.log(2),
                float(spent.value[i]),
            )
            for i in expensive
        ),
    )
