"""The code in the course of the window: how much is known when, and for what energy."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from pvae_brian.decoding import CodeCourse
from pvae_brian.intervals import CONFIDENCE, Estimate
from pvae_brian.report.plots._axes import (
    REFERENCE,
    draw_intervals,
    draw_note,
    get_axes,
    ink,
    padded,
    set_log_axis,
)

_BAND = 0.25


def plot_error_against_energy(course: CodeCourse, ax: Axes | None = None) -> Axes:
    """Plot the error of the code against the energy spent so far.

    On logarithmic axes, where both are above 0 throughout: there noise alone is a straight line,
    and what the model misses is a floor. Dots mark shares of the final R2.

    Parameters
    ----------
    course : CodeCourse
        Of `compute_code_course`. Where its budget does not state what rest costs, only the energy
        of the spikes is plotted, and the label says so.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        With the curve, a band of 95 %, the bend where it lies in the window, and the dots, whose
        lines are intervals of their energy.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import load_encoder, metabolic_cost, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> from pvae_brian.decoding import compute_code_course
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:50]
    >>> record = simulate(encoder.posterior_rates(images), record="times")
    >>> course = compute_code_course(encoder, images, record, metabolic_cost(record, "lennie-2003"))
    >>> plot_error_against_energy(course, Figure().subplots()).get_xlabel()
    'energy so far, spikes only, per stimulus (ATP)'
    """
    ax = get_axes(ax)
    has_rest = bool(np.isfinite(course.energy.value).all())
    energy = (course.energy if has_rest else course.spiking).value
    reached = course.energy_to_fraction if has_rest else course.spiking_to_fraction
    _draw_curve(ax, energy, course.error)
    _mark_bend(ax, course, energy)
    _mark_fractions(ax, course, reached, course.error, is_rising=False)
    if (energy > 0).all() and (course.error.value > 0).all():
        set_log_axis(ax, "x", padded(energy))
        set_log_axis(ax, "y")
    if has_rest:
        ax.set_xlabel(f"energy so far, spikes and rest, per stimulus ({course.unit})")
    else:
        ax.set_xlabel(f"energy so far, spikes only, per stimulus ({course.unit})")
    ax.set_ylabel("error (squared, summed over pixels)")
    ax.legend(frameon=False)
    return ax


def plot_r2_over_time(course: CodeCourse, ax: Axes | None = None) -> Axes:
    """Plot the share of variance that the spikes up to a time explain.

    Parameters
    ----------
    course : CodeCourse
        Of `compute_code_course`.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        With the curve, a band of 95 %, the bend of the error where it lies in the window, and dots
        where shares of the final R2 are reached. Early on R2 may be far below 0, worse than the
        mean image; of this no more is shown than there is above 0.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import load_encoder, metabolic_cost, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> from pvae_brian.decoding import compute_code_course
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:50]
    >>> record = simulate(encoder.posterior_rates(images), record="times")
    >>> course = compute_code_course(encoder, images, record, metabolic_cost(record))
    >>> plot_r2_over_time(course, Figure().subplots()).get_xlabel()
    'time since the stimulus was shown (s)'
    """
    ax = get_axes(ax)
    _draw_curve(ax, course.time_s, course.r2)
    _mark_bend(ax, course, course.time_s)
    final = course.r2.value[-1]
    _mark_fractions(ax, course, course.time_to_fraction, course.r2, is_rising=True)
    if np.isnan(final):
        draw_note(ax, "all images are alike: no variance to explain")
    else:
        ax.axhline(0, color=ink(), alpha=REFERENCE, lw=0.8)
    top = course.r2.high[-1] if np.isfinite(course.r2.high[-1]) else final
    if top > 0:
        ax.set_ylim(-top, 1.15 * top)
    ax.set_xlim(0, course.time_s[-1])
    ax.set_xlabel("time since the stimulus was shown (s)")
    ax.set_ylabel("R² (share of variance explained)")
    ax.legend(frameon=False)
    return ax


def _draw_curve(ax: Axes, x: np.ndarray, y: Estimate[np.ndarray]) -> None:
    # Of a single stimulus there is no interval.
    if np.isfinite([y.low, y.high]).any():
        level = f"{100 * CONFIDENCE:g} %"
        ax.fill_between(x, y.low, y.high, color="C0", alpha=_BAND, lw=0, label=level)
    ax.plot(x, y.value, color="C0", label="from the spikes so far")


def _mark_bend(ax: Axes, course: CodeCourse, x: np.ndarray) -> None:
    bend = course.bend_s.value
    if not 0 < bend <= course.time_s[-1]:
        return
    # Nothing is spent at the start.
    place = np.interp(bend, np.append(0.0, course.time_s), np.append(0.0, x))
    ax.axvline(place, color=ink(), alpha=REFERENCE, lw=1, ls="--", label=f"bend, at {bend:.2g} s")


def _mark_fractions(
    ax: Axes,
    course: CodeCourse,
    reached: Estimate[np.ndarray],
    curve: Estimate[np.ndarray],
    *,
    is_rising: bool,
) -> None:
    # As R2 is interpolated in finding them: it goes with 1/t, and so does the error.
    y = np.interp(-1 / course.time_to_fraction.value, -1 / course.time_s, curve.value)
    draw_intervals(ax, y, reached.low, reached.high, along="x", color="C1", alpha=1, lw=2)
    known = np.isfinite(reached.value)
    if not known.any():
        return
    ax.plot(reached.value[known], y[known], "o", color="C1", label="shares of the final R²")
    for k in np.flatnonzero(known):
        # In turn on one side of the curve and the other, for they may be near each other.
        is_left = k % 2 == 0
        is_above = is_left == is_rising
        ax.annotate(
            f"{100 * course.fractions[k]:g} %",
            (reached.value[k], y[k]),
            (-4 if is_left else 4, 4 if is_above else -4),
            textcoords="offset points",
            ha="right" if is_left else "left",
            va="bottom" if is_above else "top",
            fontsize="small",
        )
