"""The code that the spikes carry: over the whole window, and as it fills."""

from __future__ import annotations

from collections.abc import Iterator

from pvae_brian.analysis import Analysis
from pvae_brian.intervals import Estimate
from pvae_brian.report.page.quantity import Quantity
from pvae_brian.report.results.making import OVER_STIMULI, make_quantity


def code_results(analysis: Analysis) -> Iterator[Quantity]:
    code = analysis.reconstruction
    if code is None:
        return
    section = "Fidelity of the code"
    unit = "squared pixel units"
    yield make_quantity(
        "code.error", section, "reconstruction error", code.error, unit, OVER_STIMULI
    )
    if code.expected_error is not None:
        yield make_quantity(
            "code.expected_error",
            section,
            "reconstruction error by its closed form",
            code.expected_error,
            unit,
            OVER_STIMULI,
            "exact for these stimuli",
        )
    yield make_quantity("code.r2", section, "R2 from the spikes", code.r2, "", OVER_STIMULI)


def course_results(analysis: Analysis) -> Iterator[Quantity]:
    course = analysis.course
    if course is None:
        return
    section = "Code against energy"
    if analysis.encoder.has_linear_decoder:
        yield make_quantity(
            "course.bend",
            section,
            "time at which the error bends",
            course.bend_s,
            "s",
            OVER_STIMULI,
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
            yield make_quantity(
                f"course.{key}_to_{percent}",
                section,
                f"{key} to {percent} % of the final R2",
                Estimate(estimate.value[k], estimate.low[k], estimate.high[k]),
                unit,
                OVER_STIMULI,
                "" if with_rest or key != "energy" else "spikes only",
            )
