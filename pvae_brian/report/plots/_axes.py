"""What the plots share: axes to draw on, the colour of ink, intervals, and log axes."""

from __future__ import annotations

from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogFormatterSciNotation

# How much of the ink's colour bands, intervals and lines of reference have: they stand behind the
# data on light paper and on dark.
BAND, REFERENCE = 0.15, 0.6
_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# A log axis that spans more than this leaves no room for what matters.
_DECADES = 6


def get_axes(ax: Axes | None) -> Axes:
    """Return the axes, or those of a new figure."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(layout="constrained")[1]


def ink() -> str:
    """Return the colour of text: dark on light paper, light on dark."""
    return matplotlib.rcParams["text.color"]


def draw_intervals(
    ax: Axes, at: np.ndarray, low: np.ndarray, high: np.ndarray, *, along: str = "y", **style: Any
) -> None:
    """Draw a line from low to high at each place; none where one of them is not known.

    All as one line with gaps, for a path of its own for each makes large SVG files.
    """
    at, low, high = (np.atleast_1d(x).astype(float) for x in (at, low, high))
    ends = np.stack([low, high, np.full_like(low, np.nan)], axis=-1)
    places = np.repeat(at, 3)
    x, y = (places, ends.ravel()) if along == "y" else (ends.ravel(), places)
    usual: dict[str, Any] = {"color": ink(), "alpha": BAND, "lw": 2.5, "solid_capstyle": "butt"}
    drawn = usual | style
    ax.plot(x, y, "-", **drawn)


def fits_log_axis(values: np.ndarray) -> np.ndarray:
    """Tell which values a log axis can show: positive, and not too far below the largest."""
    values = np.asarray(values, dtype=float)
    positive = np.isfinite(values) & (values > 0)
    largest = values[positive].max(initial=0.0)
    return positive & (values >= largest * 10.0**-_DECADES)


def padded(values: np.ndarray) -> tuple[float, float]:
    """Return limits of a log axis around positive values: a decade at least, to have ticks."""
    low, high = np.log10(values.min()), np.log10(values.max())
    room = max(0.06 * (high - low), 0.08, (1 - (high - low)) / 2)
    return float(10 ** (low - room)), float(10 ** (high + room))


def set_log_axis(ax: Axes, name: str, limits: tuple[float, float] | None = None) -> None:
    """Make the axis 'x' or 'y' logarithmic, with plain numbers where they are short."""
    ax.set(**{f"{name}scale": "log"})
    axis = getattr(ax, f"{name}axis")
    axis.set_major_formatter(_PlainLogFormatter())
    axis.set_minor_formatter(_PlainMinorFormatter())
    if limits is not None:
        ax.set(**{f"{name}lim": limits})


class _PlainLogFormatter(LogFormatterSciNotation):
    """As its rc setting 'axes.formatter.min_exponent' has it, for one axis."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        return f"{x:g}" if text and 1e-4 <= x < 1e4 else text


class _PlainMinorFormatter(_PlainLogFormatter):
    """Names what stands between decades where there is room: short numbers, and of others few."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        text = super().__call__(x, pos)
        leading = f"{x:.0e}"[0]
        return text if 1e-4 <= x < 1e4 or leading in "25" else ""


def write_number(x: float) -> str:
    """Write a number with two digits and, where it takes one, a power of ten."""
    if x == 0:
        return "0"
    mantissa, _, exponent = f"{x:.1e}".partition("e")
    if -3 <= int(exponent) < 4:
        return f"{float(f'{x:.1e}'):g}".replace("-", "\N{MINUS SIGN}")
    mantissa = mantissa.replace("-", "\N{MINUS SIGN}")
    return f"{mantissa}\N{MULTIPLICATION SIGN}10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def name_points(what: str, is_shown: np.ndarray, others: str) -> str:
    """Say in the legend how many points are not there, and which."""
    n_hidden = int((~is_shown).sum())
    return f"{what}\n({n_hidden} not shown: {others})" if n_hidden else what


def draw_note(ax: Axes, text: str) -> None:
    """Say in the middle why there is nothing to see."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center")
