"""Legends of the figures of a study: above the axes, a line or more for each kind of entry."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from pvae_brian.report.plots._axes import ink
from pvae_brian.report.study._series import converged, families_in, family_of, shades, sizes

if TYPE_CHECKING:
    import pandas as pd

# Letters that a line has room for, how many a mark takes, and how many shades are named.
_WIDTH, _LETTERS_OF_A_MARK = 54, 5
_MOST_SHADES = 6


def family_handles(table: pd.DataFrame, *, lines: bool = True) -> list[Line2D]:
    """Return an entry of a legend for each family, and one for what is hollow."""
    width = 1.2 if lines else 0
    handles = [
        Line2D([], [], color=family.colour, marker=family.marker, lw=width, label=family.name)
        for family in map(family_of, families_in(table))
    ]
    if not converged(table).all():
        handles.append(
            Line2D([], [], color=ink(), marker="o", mfc="none", lw=0, label="not converged")
        )
    return handles


def size_handles(values: Iterable[float], symbol: str, *, lines: bool = True) -> list[Line2D]:
    """Return an entry of a legend for each shade."""
    opaque, large = shades(values), sizes(values)
    if len(opaque) > _MOST_SHADES:
        chosen = np.linspace(0, len(opaque) - 1, _MOST_SHADES).round().astype(int)
        opaque = {value: opaque[value] for value in np.array(list(opaque))[chosen]}
    return [
        Line2D(
            [], [], color=ink(), alpha=shade, marker="o", ms=large[value],
            lw=1.2 if lines else 0, label=f"{symbol} = {value:g}",
        )
        for value, shade in opaque.items()
    ]  # fmt: skip


def hidden_handle(is_shown: np.ndarray, why: str) -> list[Line2D]:
    """Return an entry of a legend that says how many models are not there, if any."""
    n_hidden = int((~is_shown).sum())
    return [Line2D([], [], lw=0, label=f"{n_hidden} not shown: {why}")] if n_hidden else []


def draw_legend(ax: Axes, *groups: Sequence[Line2D]) -> None:
    """Put legends above the axes, where they cover nothing: one for each group of entries."""
    size = FontProperties(size=matplotlib.rcParams["legend.fontsize"]).get_size_in_points()
    height = 0.0
    legend = None
    for group in reversed([list(group) for group in groups if group]):
        if legend is not None:
            # The next one would take its place.
            ax.add_artist(legend).set_clip_on(False)
        columns = next(n for n in (3, 2, 1) if _legend_width(group, n) <= _WIDTH or n == 1)
        # Matplotlib fills column by column, and the first ones where they are not all of a length.
        order = [k for column in range(columns) for k in range(column, len(group), columns)]
        place = ax.transAxes + ScaledTranslation(0, height / 72, ax.figure.dpi_scale_trans)
        legend = ax.legend(
            handles=[group[k] for k in order],
            loc="lower left",
            bbox_to_anchor=(-0.06, 1.0),
            bbox_transform=place,
            ncols=columns,
            frameon=False,
            borderpad=0,
            borderaxespad=0.4,
            columnspacing=1.0,
            handlelength=1.6,
            handletextpad=0.5,
            labelspacing=0.3,
        )
        height += 1.45 * size * math.ceil(len(group) / columns)


def _legend_width(group: Sequence[Line2D], columns: int) -> int:
    """Return letters in a line of a legend, if each column is as wide as its longest name."""
    return sum(
        max(len(str(handle.get_label())) + _LETTERS_OF_A_MARK for handle in group[column::columns])
        for column in range(min(columns, len(group)))
    )
