"""`compare_costs`: measured, predicted and spontaneous cost side by side, and cost per bit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.metabolism.cost import MetabolicCost

if TYPE_CHECKING:
    from pvae_brian.comparison import Comparison


@dataclass(frozen=True, eq=False)
class CostComparison:
    """What the spikes cost, what was to be expected, and what a bit costs.

    Per stimulus, of spikes alone, in `unit`.

    Attributes
    ----------
    unit : str
        'ATP' or 'J'.
    measured : Estimate
        Of the simulated spikes, with an interval for stimuli drawn like these (bootstrap).
    predicted : Estimate
        Of the spikes that the law of the neurons predicts for these stimuli (bootstrap).
    prior : float
        Of the prior rate cost: what the KL term foretells.
    spontaneous : Estimate
        Of the simulated spikes of the same network at its prior rates.
    foretold : Estimate
        Share of the measured cost that the prior rates foretold: prior over measured. Above 1 they
        foretold more than was spent; infinite without spikes.
    foretold_of_total : Estimate
        The same with the cost of rest added to both.
    spiking_per_bit, total_per_bit : Estimate
        Of spikes, and of spikes and rest, over the KL term in bits (bootstrap).
    """

    unit: str
    measured: Estimate[float]
    predicted: Estimate[float]
    prior: float
    spontaneous: Estimate[float]
    foretold: Estimate[float]
    foretold_of_total: Estimate[float]
    spiking_per_bit: Estimate[float]
    total_per_bit: Estimate[float]


def compare_costs(comparison: Comparison, cost: MetabolicCost) -> CostComparison:
    r"""Compare the cost of measured, predicted and spontaneous spikes, and relate it to bits.

    .. math:: E_\mathrm{bit} = \frac{c_\mathrm{spike} \langle n \rangle + K T c_\mathrm{rest}}
       {\langle \mathrm{KL} \rangle / \ln 2}

    Parameters
    ----------
    comparison : Comparison
        Of `compare`.
    cost : MetabolicCost
        Of `metabolic_cost`, for the same record.

    Returns
    -------
    CostComparison
        In the unit of ``cost``.

    Raises
    ------
    ValueError
        If the two are of different numbers of stimuli or latents.

    Examples
    --------
    >>> from pvae_brian import compare, compare_costs, load_encoder, metabolic_cost, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:50]
    >>> record = simulate(encoder.posterior_rates(images))
    >>> costs = compare_costs(compare(encoder, images, record), metabolic_cost(record))
    >>> bool(1e9 < costs.spiking_per_bit.value < 3e9)
    True
    """
    ours, theirs = (cost.n_stimuli, cost.n_latents), (comparison.n_stimuli, comparison.n_latents)
    if ours != theirs:
        raise ValueError(
            "cost and comparison must be of one record, got (n_stimuli, n_latents) of "
            f"{ours} and {theirs}"
        )
    prior, coding = comparison.prior, comparison.coding
    per_spike, resting = cost.cost_per_spike, cost.resting
    foretold_cost = prior.predicted * per_spike
    return CostComparison(
        unit=cost.unit,
        measured=cost.spiking_per_stimulus,
        predicted=comparison.fidelity.expected.scaled(per_spike),
        prior=foretold_cost,
        spontaneous=prior.spontaneous.scaled(per_spike),
        foretold=prior.measured.under(prior.predicted),
        foretold_of_total=cost.total_per_stimulus.under(foretold_cost + resting),
        spiking_per_bit=coding.bits_per_spike.under(per_spike),
        total_per_bit=bootstrap(
            lambda spiking, bits: (spiking + resting) / bits,
            cost.spiking.value,
            coding.kl_bits_by_stimulus,
            seed=cost.seed,
        ),
    )
