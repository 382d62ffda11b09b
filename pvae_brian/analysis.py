"""`analyse`: everything that is measured of one model on one set of stimuli."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pvae_brian.comparison import Comparison, compare
from pvae_brian.decoding import (
    CodeCourse,
    Reconstruction,
    compute_code_course,
    compute_reconstruction,
)
from pvae_brian.decoding.reconstruction import check_stimuli
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.measures import Measures, compute_measures
from pvae_brian.metabolism import (
    BUDGETS,
    CostComparison,
    EnergyBudget,
    MetabolicCost,
    compare_costs,
    find_budget,
    is_shipped,
    metabolic_costs,
)
from pvae_brian.spikes import SpikeRecord

if TYPE_CHECKING:
    from brian2 import Quantity


@dataclass(frozen=True, eq=False)
class Analysis:
    """What was measured, predicted and spent, for one model on one set of stimuli.

    Attributes
    ----------
    encoder : Encoder
    images : ndarray, shape (n_stimuli, n_inputs)
    record : SpikeRecord
        What all else is about.
    comparison : Comparison
        Measured against predicted.
    measures : Measures
        What the spikes are like.
    costs : tuple of MetabolicCost
        Under each budget; the first is the main one.
    cost_comparisons : tuple of CostComparison
        For each of these.
    reconstruction : Reconstruction or None
        Fidelity of the code; None for an encoder without a decoder.
    course : CodeCourse or None
        The code against energy over time, under the main budget; None without a decoder or spike
        times.
    """

    encoder: Encoder | GaussianEncoder
    images: np.ndarray
    record: SpikeRecord
    comparison: Comparison
    measures: Measures
    costs: tuple[MetabolicCost, ...]
    cost_comparisons: tuple[CostComparison, ...]
    reconstruction: Reconstruction | None
    course: CodeCourse | None

    @property
    def cost(self) -> MetabolicCost:
        """Under the main budget."""
        return self.costs[0]

    @property
    def cost_comparison(self) -> CostComparison:
        """Under the main budget."""
        return self.cost_comparisons[0]


def analyse(
    encoder: Encoder | GaussianEncoder,
    images: ArrayLike,
    record: SpikeRecord,
    *,
    budget: str | os.PathLike[str] | EnergyBudget = "attwell-laughlin-2001",
    other_budgets: Iterable[str | os.PathLike[str] | EnergyBudget] | None = None,
    fan_out: float | None = None,
    hydrolysis: Quantity | None = None,
    spontaneous: SpikeRecord | None = None,
) -> Analysis:
    """Measure everything that a report holds.

    Parameters
    ----------
    encoder : Encoder
        The encoder.
    images : array_like
        The stimuli, as for `Encoder.posterior_rates`.
    record : SpikeRecord
        Of ``simulate(encoder.posterior_rates(images), ...)``, best with ``record='times'``.
    budget : str, path-like or EnergyBudget
        The main energy budget.
    other_budgets : iterable, optional
        Budgets to hold beside it: all others in `BUDGETS` by default.
    fan_out : float, optional
        Synaptic events per spike, for budgets that count them. By default that of a budget of
        your own, and the pixels of an image for one that ships, for a dense decoder tells all of
        them of each spike.
    hydrolysis : `brian2.Quantity`, optional
        As for `metabolic_cost`.
    spontaneous : SpikeRecord, optional
        As for `compare`.

    Returns
    -------
    Analysis

    Raises
    ------
    ValueError, TypeError
        As `compare` and `metabolic_cost` do.

    Examples
    --------
    >>> from pvae_brian import analyse, load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:100]
    >>> record = simulate(encoder.posterior_rates(images), record="times")
    >>> analysis = analyse(encoder, images, record)
    >>> bool(0.8 < analysis.comparison.prior.ratio.value < 1.2)
    True
    >>> bool(0 < analysis.course.bend_s.value < 1)
    True
    """
    images = check_stimuli(encoder, images, record)
    main = find_budget(budget)
    if isinstance(other_budgets, str):
        raise TypeError(f"other_budgets must be several names, such as [{other_budgets!r}]")
    if other_budgets is None:
        other_budgets = BUDGETS.values()
    others = [each for each in map(find_budget, other_budgets) if each.name != main.name]
    budgets = [_with_fan_out(each, fan_out, encoder) for each in (main, *others)]
    comparison = compare(encoder, images, record, spontaneous=spontaneous)
    costs = tuple(metabolic_costs(record, budgets, hydrolysis=hydrolysis))
    reconstruction = course = None
    if encoder.has_decoder:
        reconstruction = compute_reconstruction(encoder, images, record)
        if record.times is not None:
            course = compute_code_course(encoder, images, record, costs[0])
    return Analysis(
        encoder=encoder,
        images=images,
        record=record,
        comparison=comparison,
        measures=compute_measures(record),
        costs=costs,
        cost_comparisons=tuple(compare_costs(comparison, cost) for cost in costs),
        reconstruction=reconstruction,
        course=course,
    )


def _with_fan_out(
    budget: EnergyBudget, fan_out: float | None, encoder: Encoder | GaussianEncoder
) -> EnergyBudget:
    if budget.fan_out is None or (fan_out is None and not is_shipped(budget)):
        return budget
    return budget.with_fan_out(encoder.n_inputs if fan_out is None else fan_out)
