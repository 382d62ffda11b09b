"""The numbers of an analysis, one after another: a function for each section of a report."""

from __future__ import annotations

from pvae_brian.analysis import Analysis
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.results.activity import sparsity_results, train_results
from pvae_brian.report.results.code import code_results, course_results
from pvae_brian.report.results.energy import energy_results
from pvae_brian.report.results.making import IF_RIGHT
from pvae_brian.report.results.prediction import (
    clamp_results,
    coding_results,
    fidelity_results,
    prior_results,
)

__all__ = ["IF_RIGHT", "collect_quantities"]

# In the order in which a report lists them.
_SECTIONS = (
    fidelity_results,
    clamp_results,
    prior_results,
    coding_results,
    energy_results,
    code_results,
    course_results,
    sparsity_results,
    train_results,
)


def collect_quantities(analysis: Analysis) -> tuple[Quantity, ...]:
    """Return every number of an analysis that a report lists, with its interval.

    Parameters
    ----------
    analysis : Analysis
        Of `analyse`.

    Returns
    -------
    tuple of Quantity
        In the order of the sections of `docs/theory.md`. Those of the code need a decoder, its
        course and the interspike intervals need spike times; without they are left out.

    Examples
    --------
    >>> from pvae_brian import analyse, load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:50]
    >>> analysis = analyse(encoder, images, simulate(encoder.posterior_rates(images)))
    >>> collect_quantities(analysis)[0].name
    'measured spikes per stimulus'
    """
    return tuple(quantity for section in _SECTIONS for quantity in section(analysis))
