"""A short table that a person can read."""

from __future__ import annotations

from pvae_brian.comparison import Comparison
from pvae_brian.intervals import Estimate
from pvae_brian.metabolism import MetabolicCost

Row = tuple[str, str, str]

_REMARKS = {
    "sampler": "one draw per window, no simulation",
    "bernoulli": "stock PoissonGroup, a reference",
}


def summary_rows(comparison: Comparison, cost: MetabolicCost) -> list[Row]:
    """The main results as rows of text: what, value, and 95 % interval or remark.

    Parameters
    ----------
    comparison : Comparison
        Of `compare`.
    cost : MetabolicCost
        Of `metabolic_cost`, for the same record.

    Returns
    -------
    list of tuple of str
    """
    fidelity, prior, coding = comparison.fidelity, comparison.prior, comparison.coding
    clamp, sparsity = comparison.clamp, comparison.sparsity
    is_poisson = comparison.neuron in ("poisson", "sampler")
    law = "posterior rates" if is_poisson else "neuron model"
    return [
        ("neurons", comparison.neuron, _REMARKS.get(comparison.neuron, "")),
        _row("measured spikes per stimulus", fidelity.measured),
        (f"predicted ({law})", f"{fidelity.predicted:.4g}", f"z = {fidelity.z:+.2f}"),
        _row("predicted without the clamp", clamp.unclamped),
        ("prior rate cost", f"{prior.predicted:.4g}", "spikes per stimulus"),
        _row("measured / prior rate cost", prior.ratio),
        _row("spontaneous spikes per window", prior.spontaneous),
        _row("Fano factor about the prediction", fidelity.fano),
        *([] if is_poisson else [("Fano factor predicted", f"{fidelity.predicted_fano:.4g}", "")]),
        (
            "Poisson goodness of fit",
            f"p = {fidelity.fit.p_value:.3g}",
            f"chi-square, {fidelity.fit.degrees_of_freedom} d.o.f.",
        ),
        _row("% of neurons outside their 95 % band", fidelity.outside.scaled(100), ".2g"),
        _row("KL per stimulus, nats", coding.kl_nats),
        _row("KL per stimulus, bits", coding.kl_bits),
        _row("KL between the Poisson laws, nats", clamp.poisson_kl),
        _row("bits per spike", coding.bits_per_spike),
        _row("fraction of zeros", sparsity.fraction_zeros),
        _row("lifetime sparsity", sparsity.lifetime),
        _row("population sparsity", sparsity.population),
        _row("ATP per stimulus, spikes", cost.spiking_per_stimulus, ".3g"),
        ("ATP per stimulus, rest", f"{cost.resting:.3g}", ""),
        _row("ATP per stimulus, both", cost.total_per_stimulus, ".3g"),
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


def _row(name: str, estimate: Estimate, spec: str = ".4g") -> Row:
    interval = f"[{estimate.low:{spec}}, {estimate.high:{spec}}]"
    return name, f"{estimate.value:{spec}}", interval
