"""What the numbers of a report rest on: statements with their source and how far it was traced."""

from __future__ import annotations

from collections.abc import Iterator

from scipy.constants import Avogadro

from pvae_brian.analysis import Analysis
from pvae_brian.metabolism import HYDROLYSIS, HYDROLYSIS_RANGE, EnergyBudget
from pvae_brian.report.page.parts import Assumption
from pvae_brian.report.page.quantity import with_powers

THIS_STUDY = "choice of this analysis"


def collect_assumptions(analysis: Analysis) -> tuple[Assumption, ...]:
    """Return what the numbers of an analysis rest on.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.

    Returns
    -------
    tuple of Assumption
        On the neurons, on the window, and on every energy budget that was used.
    """
    return (*_on_simulation(analysis), *_on_energy(analysis))


def _on_simulation(analysis: Analysis) -> Iterator[Assumption]:
    record = analysis.record
    yield Assumption(
        "A latent of the model is counted as one neuron. It is no neuron of any tissue or chip: "
        "read its cost as what as many spikes would cost there.",
        "",
        THIS_STUDY,
    )
    yield Assumption(
        f"Neurons are those of the model {record.neuron.name!r}, driven at a constant rate while a "
        "stimulus is shown.",
        "",
        "Vafaii, Galor and Yates (2024), arXiv:2405.14473, for Poisson counts",
    )
    yield Assumption(
        "The model knows counts per window, but no seconds: how long a window lasts is a choice. "
        "Rates in Hz, times and the cost of rest go with it.",
        "",
        THIS_STUDY,
        f"{record.window_s:g} s",
    )
    yield Assumption(
        "Intervals over stimuli are for stimuli drawn like these, independently of each other.",
        "",
        "Hesterberg (2015), The American Statistician 69:371",
    )


def _on_energy(analysis: Analysis) -> Iterator[Assumption]:
    if analysis.encoder.family == "poisson":
        yield Assumption(
            "Bits are those of the KL term. Averaged over stimuli it bounds the information that "
            "the counts hold about the stimulus from above, so a bit of information costs more "
            "than a bit of KL.",
            "",
            "the KL is mutual information and the divergence of the mean posterior from the prior",
        )
    else:
        yield Assumption(
            "Bits are those of the KL between normal latents. It does not bound the information "
            "that the counts hold about the stimulus.",
            "",
            "the counts are drawn anew at the expected latents",
        )
    budgets = [cost.budget for cost in analysis.costs]
    for budget in budgets:
        yield from describe_budget(budget)
    if any(budget.unit == "ATP" for budget in budgets):
        low, high = (end / 1e3 for end in HYDROLYSIS_RANGE)
        joules = next(c.joules_per_unit for c in analysis.costs if c.unit == "ATP")
        default = (
            "about 50 kJ/mol in cells; eQuilibrator gives 44 kJ/mol at 1 mM; plausible are "
            f"{low:g} to {high:g} kJ/mol"
        )
        is_default = abs(joules * Avogadro / HYDROLYSIS - 1) < 1e-9
        yield Assumption(
            "What the hydrolysis of ATP sets free. Only turns ATP into joules.",
            "B" if is_default else "",
            default if is_default else f"{THIS_STUDY}; {default}",
            with_powers(f"{joules * Avogadro / 1e3:.4g} kJ/mol, {joules:.2g} J per ATP"),
        )


def describe_budget(budget: EnergyBudget) -> Iterator[Assumption]:
    """Yield what a spike costs under a budget, and what a second of rest does."""
    unit = budget.unit
    if budget.fan_out is None:
        parts = "all-in" if budget.scope == "all-in" else "propagation alone"
    else:
        events = f"{budget.fan_out:g} synaptic events of {budget.synaptic_cost:.3g} {unit}"
        beside = f" and {budget.propagation_cost:.3g} {unit}" if budget.propagation_cost else ""
        parts = f"{events}{beside}, {budget.scope}"
    yield Assumption(
        f"{budget.name}: a spike. {with_powers(budget.notes)}".strip(),
        budget.grade,
        budget.source,
        with_powers(f"{budget.cost_per_spike:.3g} {unit} ({parts})"),
    )
    yield Assumption(
        f"{budget.name}: a second of rest, per neuron.",
        "" if budget.rest_cost is None else budget.rest_grade or budget.grade,
        "as above" if budget.rest_cost is not None else "not stated by the source",
        "not stated"
        if budget.rest_cost is None
        else with_powers(f"{budget.rest_cost:.3g} {unit} per second"),
    )
