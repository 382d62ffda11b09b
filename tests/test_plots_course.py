"""Plots of the code in the course of the window."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from pvae_brian.intervals import Estimate
from pvae_brian.report.plots import plot_error_against_energy, plot_r2_over_time

from .plotted import (
    NO_WARNINGS,
    band_of,
    intervals_of,
    legend_of,
    line_called,
    make_run,
    new_axes,
    texts_of,
)

pytestmark = NO_WARNINGS


@pytest.fixture(scope="module")
def example():
    # So many spikes that there are some by the first time of the course, with any seed.
    return make_run(log_rate=2.5)


def with_marks(course, **changes):
    """A course with its bend and shares of R2 at known places."""
    places = course.time_s[[9, 19, 29]]

    def estimate(values):
        return Estimate(values[[9, 19, 29]], values[[8, 18, 28]], values[[10, 20, 30]])

    return dataclasses.replace(
        course,
        bend_s=Estimate(course.time_s[4], np.nan, np.nan),
        time_to_fraction=Estimate(places, 0.9 * places, 1.1 * places),
        energy_to_fraction=estimate(course.energy.value),
        spiking_to_fraction=estimate(course.spiking.value),
        **changes,
    )


@pytest.mark.parametrize(("name", "energy"), [("course", "energy"), ("restless", "spiking")])
def test_error_against_energy_holds_the_course(example, name, energy):
    course = with_marks(getattr(example, name))
    spent = getattr(course, energy).value
    assert np.isfinite(spent).all()
    ax = plot_error_against_energy(course, new_axes())
    curve = line_called(ax, "from the spikes so far")
    np.testing.assert_array_equal(curve.get_xdata(), spent)
    np.testing.assert_array_equal(curve.get_ydata(), course.error.value)
    (band,) = ax.collections
    assert band_of(band)[:, 1].min() == course.error.low.min()
    assert band_of(band)[:, 1].max() == course.error.high.max()
    bend = line_called(ax, "bend")
    np.testing.assert_allclose(bend.get_xdata(), spent[4])
    assert bend.get_label() == "bend, at 0.12 s"
    marks = line_called(ax, "shares of the final R²")
    np.testing.assert_allclose(marks.get_xdata(), spent[[9, 19, 29]])
    np.testing.assert_allclose(marks.get_ydata(), course.error.value[[9, 19, 29]])
    (lines,) = [line for line in ax.get_lines() if len(line.get_xdata()) == 9]
    at, low, high = intervals_of(lines)
    np.testing.assert_allclose(at, marks.get_ydata())
    np.testing.assert_allclose(low, spent[[8, 18, 28]])
    np.testing.assert_allclose(high, spent[[10, 20, 30]])
    assert texts_of(ax) == ["50 %", "80 %", "95 %"]
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_marks_between_times_are_on_the_curve(example):
    """The error goes with 1/t: halfway between in 1/t it is halfway between."""
    course = with_marks(example.course)
    halfway = 2 / (1 / course.time_s[[9, 19, 29]] + 1 / course.time_s[[10, 20, 30]])
    course = dataclasses.replace(course, time_to_fraction=Estimate(halfway, halfway, halfway))
    marks = line_called(plot_error_against_energy(course, new_axes()), "shares")
    error = course.error.value
    np.testing.assert_allclose(marks.get_ydata(), (error[[9, 19, 29]] + error[[10, 20, 30]]) / 2)


def test_r2_over_time_holds_the_course(example):
    course = with_marks(example.course)
    r2 = 1 - 0.5 / course.time_s
    reached = 0.5 / (1 - 0.5 * course.fractions)
    course = dataclasses.replace(
        course,
        r2=Estimate(r2, r2 - 0.1, r2 + 0.1),
        time_to_fraction=Estimate(reached, 0.9 * reached, 1.1 * reached),
    )
    ax = plot_r2_over_time(course, new_axes())
    curve = line_called(ax, "from the spikes so far")
    np.testing.assert_array_equal(curve.get_xydata(), np.stack([course.time_s, r2], axis=1))
    (band,) = ax.collections
    assert band_of(band)[:, 1].max() == pytest.approx(0.6)
    np.testing.assert_allclose(line_called(ax, "bend").get_xdata(), course.time_s[4])
    marks = line_called(ax, "shares of the final R²")
    np.testing.assert_allclose(marks.get_xdata(), reached)
    np.testing.assert_allclose(marks.get_ydata(), [0.25, 0.4, 0.475])
    (lines,) = [line for line in ax.get_lines() if len(line.get_xdata()) == 9]
    at, low, high = intervals_of(lines)
    np.testing.assert_allclose([at, low, high], [marks.get_ydata(), 0.9 * reached, 1.1 * reached])
    assert texts_of(ax) == ["50 %", "80 %", "95 %"]
    assert ax.get_xlim() == (0, 1)
    # As much below 0 as above, though it begins at -19.
    np.testing.assert_allclose(ax.get_ylim(), (-0.6, 0.69))


@pytest.mark.parametrize("bend", [np.nan, np.inf, 0.0, 1.01])
def test_bend_outside_of_the_window_is_not_marked(example, bend):
    course = dataclasses.replace(example.course, bend_s=Estimate(bend, bend, bend))
    for plot in (plot_error_against_energy, plot_r2_over_time):
        assert not [label for label in legend_of(plot(course, new_axes())) if "bend" in label]


def test_bend_before_the_first_time_is_on_the_way_from_nothing(example):
    course = example.course
    bend = course.time_s[0] / 2
    course = dataclasses.replace(course, bend_s=Estimate(bend, bend, bend))
    line = line_called(plot_error_against_energy(course, new_axes()), "bend")
    np.testing.assert_allclose(line.get_xdata(), course.energy.value[0] / 2)


def test_r2_that_is_not_positive_has_no_shares(example):
    unknown = Estimate(*(np.full(3, np.nan) for _ in range(3)))
    r2 = np.full(40, -1.0)
    course = dataclasses.replace(
        example.course,
        r2=Estimate(r2, r2 - 1, r2 + 0.1),
        time_to_fraction=unknown,
        energy_to_fraction=unknown,
    )
    for plot in (plot_error_against_energy, plot_r2_over_time):
        ax = plot(course, new_axes())
        assert not [label for label in legend_of(ax) if "shares" in label]
        assert not ax.texts


def test_images_that_are_alike_are_said_to_be(example):
    nothing = Estimate(*(np.full(40, np.nan) for _ in range(3)))
    ax = plot_r2_over_time(dataclasses.replace(example.course, r2=nothing), new_axes())
    assert texts_of(ax)[-1] == "all images are alike: no variance to explain"


def test_energy_that_is_nothing_at_first_has_no_logarithm(example):
    energy = example.course.energy
    first = np.where(np.arange(40) < 3, 0.0, energy.value)
    course = dataclasses.replace(example.course, energy=Estimate(first, first, first))
    ax = plot_error_against_energy(course, new_axes())
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")
    assert line_called(ax, "from").get_xdata()[0] == 0
