"""What the spikes are like: sparsity, rates and interspike intervals."""

from __future__ import annotations

from collections.abc import Iterator

from pvae_brian.analysis import Analysis
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.results.making import BY_THEORY, GARWOOD, OVER_STIMULI, make_quantity


def sparsity_results(analysis: Analysis) -> Iterator[Quantity]:
    sparsity = analysis.measures.sparsity
    for key, name, estimate in (
        ("fraction_zeros", "fraction of zeros", sparsity.fraction_zeros),
        ("lifetime", "lifetime sparsity", sparsity.lifetime),
        ("population", "population sparsity", sparsity.population),
    ):
        yield make_quantity(f"sparsity.{key}", "Sparsity", name, estimate, "", OVER_STIMULI)


def train_results(analysis: Analysis) -> Iterator[Quantity]:
    measures = analysis.measures
    law = analysis.record.prediction
    exact = GARWOOD if law is not None and law.is_poisson else BY_THEORY
    interval = OVER_STIMULI if law is None else exact
    yield make_quantity(
        "trains.rate", "Spike trains", "mean firing rate", measures.rate, "Hz", interval
    )
    if measures.isi is None:
        return
    for key, name, estimate in (
        ("cv", "CV of interspike intervals", measures.isi.cv),
        ("cv2", "CV2 of adjacent intervals", measures.isi.cv2),
    ):
        yield make_quantity(
            f"trains.{key}", "Spike trains", name, estimate, "", OVER_STIMULI, "1 if Poisson"
        )
