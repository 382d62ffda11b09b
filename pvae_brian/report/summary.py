"""A short table that a person can read in a terminal."""

from __future__ import annotations

from pvae_brian.analysis import Analysis
from pvae_brian.report.page.quantity import Quantity, format_interval, format_value
from pvae_brian.report.results import IF_RIGHT, collect_quantities

Row = tuple[str, str, str]

_REMARKS = {
    "sampler": "one draw per window, no simulation",
    "bernoulli": "stock PoissonGroup, a reference",
}
# What is shown of all that a report holds, if it is there.
_SHOWN = (
    "fidelity.measured",
    "fidelity.predicted",
    "fidelity.z",
    "clamp.unclamped",
    "prior.predicted",
    "prior.ratio",
    "prior.spontaneous",
    "fidelity.fano",
    "fidelity.p_value",
    "fidelity.outside",
    "coding.kl_nats",
    "coding.kl_bits",
    "clamp.poisson_kl",
    "coding.bits_per_spike",
    "code.r2",
    "course.time_to_80",
    "sparsity.fraction_zeros",
    "sparsity.lifetime",
    "sparsity.population",
    "trains.cv2",
    "energy.spiking",
    "energy.resting",
    "energy.total",
    "energy.spiking_per_bit",
    "energy.total_per_bit",
)


def summary_rows(analysis: Analysis) -> list[Row]:
    """The main results as rows of text: what, value with its unit, and 95 % interval or remark.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.

    Returns
    -------
    list of tuple of str
    """
    quantities = {quantity.key: quantity for quantity in collect_quantities(analysis)}
    neuron = analysis.comparison.neuron
    return [
        ("neurons", neuron, _REMARKS.get(neuron, "")),
        *(_row(quantities[key]) for key in _SHOWN if key in quantities),
    ]


def format_table(rows: list[Row]) -> str:
    """Align rows in columns.

    >>> print(format_table([("spikes", "1.5", "[1, 2]"), ("bits", "0.25", "")]))
    spikes  1.5   [1, 2]
    bits    0.25
    """
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _row(quantity: Quantity) -> Row:
    value = f"{format_value(quantity)} {quantity.unit}".rstrip()
    remark = " if right" if quantity.interval == IF_RIGHT else ""
    return quantity.name, value, format_interval(quantity) + remark
