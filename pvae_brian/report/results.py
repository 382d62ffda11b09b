"""The numbers of an analysis, one after another: a function for each section of a report."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy.stats import chi2, norm, pearsonr

from pvae_brian.analysis import Analysis
from pvae_brian.intervals import CONFIDENCE, Estimate, share_interval
from pvae_brian.report.quantity import Quantity

_OVER_STIMULI = "bootstrap over stimuli"
_GARWOOD = "Garwood, exact for Poisson counts"
_BY_THEORY = "normal, variance by theory"
IF_RIGHT = "range of 95 % of right simulations"
_PARAMETERS = "exact: parameters of the model"
_HALF = float(norm.ppf((1 + CONFIDENCE) / 2))


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
    sections = (_fidelity, _clamp, _prior, _coding, _energy, _code, _course, _sparsity, _trains)
    return tuple(quantity for section in sections for quantity in section(analysis))


def _fidelity(analysis: Analysis) -> Iterator[Quantity]:
    fidelity = analysis.comparison.fidelity
    law = analysis.record.prediction
    is_poisson = law is None or law.is_poisson
    source = "the posterior rates" if is_poisson else "the theory of the neuron"

    def quantity(key, name, estimate, unit, interval, remark=""):
        return _quantity(
            f"fidelity.{key}", "Simulation fidelity", name, estimate, unit, interval, remark
        )

    yield quantity(
        "measured",
        "measured spikes per stimulus",
        fidelity.measured,
        "spikes",
        _GARWOOD if is_poisson else _BY_THEORY,
        "for these very stimuli",
    )
    yield quantity(
        "predicted",
        "predicted spikes per stimulus",
        fidelity.expected,
        "spikes",
        _OVER_STIMULI,
        f"by {source}; exact for these stimuli",
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
    low, high = chi2.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], degrees)
    yield quantity(
        "chi_square",
        "chi-square of the Poisson fit of all counts",
        Estimate(fidelity.fit.statistic, low, high),
        "",
        IF_RIGHT,
        f"{degrees} degrees of freedom",
    )
    yield quantity(
        "p_value",
        "p-value of the Poisson fit",
        Estimate(fidelity.fit.p_value, (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2),
        "",
        IF_RIGHT,
        "false alarms: as often as it says" if is_poisson else "these neurons are not Poisson",
    )


def _clamp(analysis: Analysis) -> Iterator[Quantity]:
    clamp = analysis.comparison.clamp
    for key, name, estimate, unit in (
        ("clamped", "predicted spikes with the clamp", clamp.clamped, "spikes"),
        ("unclamped", "predicted spikes without the clamp", clamp.unclamped, "spikes"),
        ("model_kl", "the model's own KL", clamp.model_kl, "nats"),
        ("poisson_kl", "KL between the Poisson laws", clamp.poisson_kl, "nats"),
    ):
        yield _quantity(f"clamp.{key}", "Clamp effect", name, estimate, unit, _OVER_STIMULI)


def _prior(analysis: Analysis) -> Iterator[Quantity]:
    prior = analysis.comparison.prior

    def quantity(key, name, estimate, unit, interval, remark=""):
        return _quantity(f"prior.{key}", "Prior rate cost", name, estimate, unit, interval, remark)

    yield quantity(
        "predicted",
        "prior rate cost",
        _exact(prior.predicted),
        "spikes",
        _PARAMETERS,
        "sum of the prior rates: what the KL foretells",
    )
    yield quantity(
        "measured", "measured spikes per stimulus", prior.measured, "spikes", _OVER_STIMULI
    )
    yield quantity(
        "ratio",
        "measured over prior rate cost",
        prior.ratio,
        "",
        _OVER_STIMULI,
        "1 if the prior is at its optimum for stimuli like these",
    )
    per_neuron = prior.ratio_per_neuron
    holds_one = (per_neuron.low <= 1) & (per_neuron.high >= 1)
    yield quantity(
        "neurons_foretold",
        "neurons whose own ratio is 1 within its interval",
        share_interval(holds_one).scaled(100),
        "%",
        "Clopper and Pearson, over neurons",
    )
    yield quantity(
        "spontaneous",
        "spontaneous spikes per window",
        prior.spontaneous,
        "spikes",
        _GARWOOD,
        "the same network, simulated at its prior rates",
    )


def _coding(analysis: Analysis) -> Iterator[Quantity]:
    coding = analysis.comparison.coding
    for key, name, estimate, unit in (
        ("kl_nats", "KL per stimulus", coding.kl_nats, "nats"),
        ("kl_bits", "KL per stimulus, in bits", coding.kl_bits, "bits"),
        ("bits_per_spike", "bits per spike", coding.bits_per_spike, "bits"),
    ):
        yield _quantity(f"coding.{key}", "Coding cost", name, estimate, unit, _OVER_STIMULI)
    yield _quantity(
        "coding.kl_spikes_correlation",
        "Coding cost",
        "correlation of KL and measured spikes",
        _correlation(coding.kl_nats_per_neuron.value, analysis.cost.spiking_per_neuron.value),
        "",
        "Fisher, over neurons",
    )


def _energy(analysis: Analysis) -> Iterator[Quantity]:
    cost, compared = analysis.cost, analysis.cost_comparison
    unit = cost.unit
    source = f"budget {cost.budget.name}"
    no_rest = "" if cost.budget.rest_cost is not None else "the budget does not state rest"

    def quantity(key, name, estimate, unit=unit, interval=_OVER_STIMULI, remark=""):
        return _quantity(f"energy.{key}", "Energy", name, estimate, unit, interval, remark)

    yield quantity("spiking", "spikes, per stimulus", cost.spiking_per_stimulus, remark=source)
    yield quantity(
        "resting",
        "rest, per stimulus",
        _exact(cost.resting),
        interval="exact: neurons times window",
        remark=no_rest,
    )
    yield quantity("total", "both, per stimulus", cost.total_per_stimulus, remark=no_rest)
    yield quantity(
        "spiking_all", "spikes, all stimuli", cost.spiking_in_total, remark="of the whole record"
    )
    yield quantity("total_all", "both, all stimuli", cost.total, remark=no_rest)
    joules = cost.in_joules()
    yield quantity(
        "joules", "both, per stimulus, in joules", joules.total_per_stimulus, "J", remark=no_rest
    )
    yield quantity(
        "power",
        "mean power of the population",
        joules.total_per_stimulus.scaled(1 / cost.window_s),
        "W",
        remark=no_rest,
    )
    yield quantity("predicted", "predicted spikes, per stimulus", compared.predicted)
    yield quantity(
        "prior", "prior rate cost, per stimulus", _exact(compared.prior), interval=_PARAMETERS
    )
    yield quantity(
        "spontaneous", "spontaneous spikes, per window", compared.spontaneous, interval=_GARWOOD
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
    yield quantity("spiking_per_bit", "spikes, per bit", compared.spiking_per_bit)
    yield quantity("total_per_bit", "both, per bit", compared.total_per_bit, remark=no_rest)


def _code(analysis: Analysis) -> Iterator[Quantity]:
    code = analysis.reconstruction
    if code is None:
        return
    section = "Fidelity of the code"
    unit = "squared pixel units"
    yield _quantity("code.error", section, "reconstruction error", code.error, unit, _OVER_STIMULI)
    if code.expected_error is not None:
        yield _quantity(
            "code.expected_error",
            section,
            "reconstruction error by its closed form",
            code.expected_error,
            unit,
            _OVER_STIMULI,
            "exact for these stimuli",
        )
    yield _quantity("code.r2", section, "R2 from the spikes", code.r2, "", _OVER_STIMULI)


def _course(analysis: Analysis) -> Iterator[Quantity]:
    course = analysis.course
    if course is None:
        return
    section = "Code against energy"
    yield _quantity(
        "course.bend",
        section,
        "time at which the error bends",
        course.bend_s,
        "s",
        _OVER_STIMULI,
        "spiking noise and what the model misses are equal there",
    )
    with_rest = analysis.cost.budget.rest_cost is not None
    spent = course.energy_to_fraction if with_rest else course.spiking_to_fraction
    for k, fraction in enumerate(course.fractions):
        percent = f"{100 * fraction:g}"
        for key, estimate, unit in (
            ("time", course.time_to_fraction, "s"),
            ("spikes", course.spikes_to_fraction, "spikes"),
            ("energy", spent, course.unit),
        ):
            yield _quantity(
                f"course.{key}_to_{percent}",
                section,
                f"{key} to {percent} % of the final R2",
                Estimate(estimate.value[k], estimate.low[k], estimate.high[k]),
                unit,
                _OVER_STIMULI,
                "" if with_rest or key != "energy" else "spikes only",
            )


def _sparsity(analysis: Analysis) -> Iterator[Quantity]:
    sparsity = analysis.measures.sparsity
    for key, name, estimate in (
        ("fraction_zeros", "fraction of zeros", sparsity.fraction_zeros),
        ("lifetime", "lifetime sparsity", sparsity.lifetime),
        ("population", "population sparsity", sparsity.population),
    ):
        yield _quantity(f"sparsity.{key}", "Sparsity", name, estimate, "", _OVER_STIMULI)


def _trains(analysis: Analysis) -> Iterator[Quantity]:
    measures = analysis.measures
    law = analysis.record.prediction
    exact = _GARWOOD if law is not None and law.is_poisson else _BY_THEORY
    interval = _OVER_STIMULI if law is None else exact
    yield _quantity(
        "trains.rate", "Spike trains", "mean firing rate", measures.rate, "Hz", interval
    )
    if measures.isi is None:
        return
    for key, name, estimate in (
        ("cv", "CV of interspike intervals", measures.isi.cv),
        ("cv2", "CV2 of adjacent intervals", measures.isi.cv2),
    ):
        yield _quantity(
            f"trains.{key}", "Spike trains", name, estimate, "", _OVER_STIMULI, "1 if Poisson"
        )


def _quantity(
    key: str,
    section: str,
    name: str,
    estimate: Estimate,
    unit: str,
    interval: str,
    remark: str = "",
) -> Quantity:
    return Quantity(
        key=key,
        section=section,
        name=name,
        value=float(estimate.value),
        low=float(estimate.low),
        high=float(estimate.high),
        unit=unit,
        interval=interval,
        remark=remark,
    )


def _exact(value: float) -> Estimate:
    return Estimate(value, value, value)


def _correlation(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Pearson's; NaN where it is not defined, as its ends are for fewer than four neurons."""
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return _exact(math.nan)
    found = pearsonr(x, y)
    if len(x) < 4:
        return Estimate(float(found.statistic), math.nan, math.nan)
    interval = found.confidence_interval(CONFIDENCE)
    return Estimate(float(found.statistic), float(interval.low), float(interval.high))
