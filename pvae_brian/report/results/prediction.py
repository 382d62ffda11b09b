"""Measured against predicted: fidelity, clamp, prior rate cost and coding cost."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.stats import chi2, norm

from pvae_brian.analysis import Analysis
from pvae_brian.intervals import CONFIDENCE, Estimate, bootstrap, share_interval
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.results.making import (
    BY_THEORY,
    GARWOOD,
    IF_RIGHT,
    OVER_STIMULI,
    PARAMETERS,
    exact,
    make_quantity,
)

_HALF = float(norm.ppf((1 + CONFIDENCE) / 2))


def fidelity_results(analysis: Analysis) -> Iterator[Quantity]:
    fidelity = analysis.comparison.fidelity
    law = analysis.record.prediction
    is_poisson = law is None or law.is_poisson
    source = "the posterior rates" if is_poisson else "the theory of the neuron"
    counting = GARWOOD if is_poisson else BY_THEORY
    if law is None:
        counting = "as if counts were Poisson: no theory is known"

    def quantity(
        key: str,
        name: str,
        estimate: Estimate[float],
        unit: str,
        interval: str,
        remark: str = "",
    ) -> Quantity:
        return make_quantity(
            f"fidelity.{key}", "Simulation fidelity", name, estimate, unit, interval, remark
        )

    yield quantity(
        "measured",
        "measured spikes per stimulus",
        fidelity.measured,
        "spikes",
        counting,
        "for these very stimuli",
    )
    yield quantity(
        "predicted",
        "predicted spikes per stimulus",
        exact(fidelity.predicted),
        "spikes",
        "exact: for these very stimuli",
        f"by {source}",
    )
    yield quantity(
        "z",
        "measured less predicted",
        Estimate(fidelity.z, fidelity.z - _HALF, fidelity.z + _HALF),
        "standard errors",
        "normal",
        "holds 0 if the simulation is right",
    )
    yield quantity(
        "outside",
        "neurons outside their 95 % band",
        fidelity.outside.scaled(100),
        "%",
        "Clopper and Pearson, over neurons",
        "at most 5 if the simulation is right",
    )
    yield quantity(
        "fano",
        "Fano factor about the prediction",
        fidelity.fano,
        "",
        "standard error of Poisson counts" if is_poisson else "standard error",
        f"predicted: {fidelity.predicted_fano:.4g}",
    )
    degrees = fidelity.fit.degrees_of_freedom
    # Too few spikes to fill two bins are no test.
    tested = 1.0 if degrees else math.nan
    tails = np.array([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    low, high = chi2.ppf(tails, degrees) if degrees else (math.nan, math.nan)
    yield quantity(
        "chi_square",
        "chi-square of the Poisson fit of all counts",
        Estimate(fidelity.fit.statistic * tested, low, high),
        "",
        IF_RIGHT,
        f"{degrees} degrees of freedom" if degrees else "too few spikes to test",
    )
    yield quantity(
        "p_value",
        "p-value of the Poisson fit",
        Estimate(fidelity.fit.p_value, *tails).scaled(tested),
        "",
        IF_RIGHT,
        "below 0.001, where this page warns, in one of 1000 right simulations"
        if is_poisson
        else "these neurons are not Poisson",
    )


def clamp_results(analysis: Analysis) -> Iterator[Quantity]:
    clamp = analysis.comparison.clamp
    for key, name, estimate, unit in (
        ("clamped", "predicted spikes with the clamp", clamp.clamped, "spikes"),
        ("unclamped", "predicted spikes without the clamp", clamp.unclamped, "spikes"),
        ("model_kl", "the model's own KL", clamp.model_kl, "nats"),
        ("poisson_kl", "KL between the Poisson laws", clamp.poisson_kl, "nats"),
        ("spikes_lost", "spikes that the clamp takes away", clamp.spikes_lost, "spikes"),
        ("kl_difference", "the model's KL less that", clamp.kl_difference, "nats"),
    ):
        yield make_quantity(f"clamp.{key}", "Clamp effect", name, estimate, unit, OVER_STIMULI)


def prior_results(analysis: Analysis) -> Iterator[Quantity]:
    prior, law = analysis.comparison.prior, analysis.record.prediction

    def quantity(
        key: str,
        name: str,
        estimate: Estimate[float],
        unit: str,
        interval: str,
        remark: str = "",
    ) -> Quantity:
        return make_quantity(
            f"prior.{key}", "Prior rate cost", name, estimate, unit, interval, remark
        )

    yield quantity(
        "predicted",
        "prior rate cost",
        exact(prior.predicted),
        "spikes",
        PARAMETERS,
        "sum of the prior rates: what the KL foretells",
    )
    yield quantity(
        "measured", "measured spikes per stimulus", prior.measured, "spikes", OVER_STIMULI
    )
    yield quantity(
        "ratio",
        "measured over prior rate cost",
        prior.ratio,
        "",
        OVER_STIMULI,
        "1 for Poisson neurons if the prior is at its optimum for stimuli like these",
    )
    per_neuron = prior.ratio_per_neuron
    holds_one = (per_neuron.low <= 1) & (per_neuron.high >= 1)
    share = share_interval(holds_one).scaled(100)
    if analysis.record.n_stimuli == 1:
        share = exact(math.nan)
    yield quantity(
        "neurons_foretold",
        "neurons whose own ratio is 1 within its interval",
        share,
        "%",
        "Clopper and Pearson, over neurons",
        "about 95 if the prior is at its optimum; rough, for neurons share their stimuli",
    )
    yield quantity(
        "spontaneous",
        "spontaneous spikes per window",
        prior.spontaneous,
        "spikes",
        GARWOOD if law is None or law.is_poisson else BY_THEORY,
        "the same network, simulated at its prior rates",
    )


def coding_results(analysis: Analysis) -> Iterator[Quantity]:
    coding = analysis.comparison.coding
    for key, name, estimate, unit in (
        ("kl_nats", "KL per stimulus", coding.kl_nats, "nats"),
        ("kl_bits", "KL per stimulus, in bits", coding.kl_bits, "bits"),
        ("bits_per_spike", "bits per spike", coding.bits_per_spike, "bits"),
    ):
        remark = "KL over measured spikes: bounds the information per spike from above"
        yield make_quantity(
            f"coding.{key}",
            "Coding cost",
            name,
            estimate,
            unit,
            OVER_STIMULI,
            remark if key == "bits_per_spike" else "",
        )
    yield make_quantity(
        "coding.kl_spikes_correlation",
        "Coding cost",
        "correlation of KL and measured spikes",
        _correlation(coding.kl_nats_per_neuron.value, analysis.record.counts.mean(axis=0)),
        "",
        "bootstrap over neurons",
    )


def _correlation(x: np.ndarray, y: np.ndarray) -> Estimate[float]:
    """Pearson's, with neurons resampled; NaN where it is not defined."""
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return exact(math.nan)
    # In standard units, for resampled means of squares to differ by little.
    x, y = (x - x.mean()) / x.std(), (y - y.mean()) / y.std()

    def pearson(
        x: np.ndarray, y: np.ndarray, xx: np.ndarray, yy: np.ndarray, xy: np.ndarray
    ) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (xy - x * y) / np.sqrt((xx - x**2) * (yy - y**2))

    return bootstrap(pearson, x, y, x * x, y * y, x * y)
