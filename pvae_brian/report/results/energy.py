"""What spikes and rest cost, under the main budget."""

from __future__ import annotations

from collections.abc import Iterator

from pvae_brian.analysis import Analysis
from pvae_brian.intervals import Estimate
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.results.making import (
    BY_THEORY,
    GARWOOD,
    OVER_STIMULI,
    PARAMETERS,
    exact,
    make_quantity,
)


def energy_results(analysis: Analysis) -> Iterator[Quantity]:
    cost, compared = analysis.cost, analysis.cost_comparison
    unit = cost.unit
    source = f"budget {cost.budget.name}"
    law = analysis.record.prediction
    counting = GARWOOD if law is None or law.is_poisson else BY_THEORY
    no_rest = "" if cost.budget.rest_cost is not None else "the budget does not state rest"

    def quantity(
        key: str,
        name: str,
        estimate: Estimate[float],
        unit: str = unit,
        interval: str = OVER_STIMULI,
        remark: str = "",
    ) -> Quantity:
        return make_quantity(f"energy.{key}", "Energy", name, estimate, unit, interval, remark)

    yield quantity(
        "spiking", "cost of spikes, per stimulus", cost.spiking_per_stimulus, remark=source
    )
    yield quantity(
        "resting",
        "cost of rest, per stimulus",
        exact(cost.resting),
        interval="exact: neurons times window",
        remark=no_rest,
    )
    yield quantity(
        "total", "cost of spikes and rest, per stimulus", cost.total_per_stimulus, remark=no_rest
    )
    yield quantity(
        "spiking_all",
        "cost of spikes, all stimuli",
        cost.spiking_in_total,
        remark="of the whole record",
    )
    yield quantity("total_all", "cost of spikes and rest, all stimuli", cost.total, remark=no_rest)
    joules = cost.in_joules()
    yield quantity(
        "joules",
        "cost of spikes and rest in joules, per stimulus",
        joules.total_per_stimulus,
        "J",
        remark=no_rest,
    )
    if cost.unit != "J":
        yield quantity(
            "spiking_joules",
            "cost of spikes in joules, per stimulus",
            joules.spiking_per_stimulus,
            "J",
        )
        yield quantity(
            "spiking_joules_per_bit",
            "cost of spikes in joules, per bit of KL",
            compared.spiking_per_bit.scaled(cost.joules_per_unit),
            "J",
        )
    yield quantity(
        "power",
        "mean power of the population",
        joules.total_per_stimulus.scaled(1 / cost.window_s),
        "W",
        remark=no_rest,
    )
    yield quantity("predicted", "cost of predicted spikes, per stimulus", compared.predicted)
    yield quantity(
        "prior",
        "cost of spikes at the prior rates, per stimulus",
        exact(compared.prior),
        interval=PARAMETERS,
    )
    yield quantity(
        "spontaneous",
        "cost of spontaneous spikes, per window",
        compared.spontaneous,
        interval=counting,
    )
    yield quantity(
        "foretold",
        "share of the spikes' cost that the prior rates foretold",
        compared.foretold.scaled(100),
        "%",
        remark="prior rate cost over measured",
    )
    yield quantity(
        "foretold_of_total",
        "share foretold, with rest on both sides",
        compared.foretold_of_total.scaled(100),
        "%",
        remark=no_rest,
    )
    yield quantity("spiking_per_bit", "cost of spikes, per bit of KL", compared.spiking_per_bit)
    yield quantity(
        "total_per_bit",
        "cost of spikes and rest, per bit of KL",
        compared.total_per_bit,
        remark=no_rest,
    )
