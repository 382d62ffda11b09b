"""How figures of a page look: rc settings, and colours that follow the scheme of the page."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import matplotlib.style
from cycler import cycler
from matplotlib.colors import get_named_colors_mapping

# Of the page and its charts: in a light and in a dark scheme. The series are the colours of Okabe
# and Ito (2008), or near them where these have too little contrast; text is in ink or faint only.
COLOURS = {
    "paper": ("#fdfdfd", "#14171a"),
    "ink": ("#1a1d21", "#e8eaed"),
    "faint": ("#5b6470", "#a3acb8"),
    "band": ("#dbe3ec", "#303b48"),
    "series-1": ("#0072b2", "#56b4e9"),
    "series-2": ("#d55e00", "#f58a4b"),
    "series-3": ("#009e73", "#009e73"),
    "series-4": ("#c97aa5", "#ffc5eb"),
}
LIGHT = {name: light for name, (light, dark) in COLOURS.items()}
SERIES = [name for name in COLOURS if name.startswith("series")]

# At 4.9 inches a figure fits the column of a phone with its text as large as it says. All of it is
# of ten points or more: 'small' is five sixths of the font's size.
REPORT_STYLE = {
    "figure.figsize": (4.9, 3.6),
    "figure.facecolor": "none",
    "figure.edgecolor": "none",
    "figure.constrained_layout.use": True,
    # Of images within the figure.
    "savefig.dpi": 288,
    "svg.fonttype": "none",
    "svg.hashsalt": "pvae_brian",
    "font.family": ["sans-serif"],
    # It comes with matplotlib, and few fonts are wider: text in others needs less room.
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 12,
    "axes.titlesize": 11,
    "axes.labelsize": 11,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "text.color": LIGHT["ink"],
    "axes.facecolor": "none",
    "axes.edgecolor": LIGHT["faint"],
    "axes.labelcolor": LIGHT["ink"],
    "axes.titlecolor": LIGHT["ink"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[LIGHT[name] for name in SERIES]),
    "axes.axisbelow": True,
    "xtick.color": LIGHT["faint"],
    "ytick.color": LIGHT["faint"],
    "xtick.labelcolor": LIGHT["ink"],
    "ytick.labelcolor": LIGHT["ink"],
    "grid.color": LIGHT["band"],
    "hatch.color": LIGHT["faint"],
    "patch.edgecolor": LIGHT["ink"],
    "boxplot.boxprops.color": LIGHT["ink"],
    "boxplot.whiskerprops.color": LIGHT["ink"],
    "boxplot.capprops.color": LIGHT["ink"],
    "boxplot.flierprops.markeredgecolor": LIGHT["ink"],
    "boxplot.medianprops.color": LIGHT["series-2"],
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 5,
    # Pixels as they are, for the browser to enlarge.
    "image.interpolation": "none",
    "image.composite_image": False,
}


@contextlib.contextmanager
def report_style() -> Iterator[None]:
    """Make figures for a page: matplotlib's defaults, `REPORT_STYLE`, and the names of `COLOURS`.

    Within it 'ink', 'faint', 'band', 'paper' and 'series-1' to 'series-4' are colours for
    matplotlib; 'C0' to 'C3' are the series. All of these change with the scheme of the page; other
    colours stay as they are, so black fills and rasterized artists are lost on a dark page.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> with report_style():
    ...     line = Figure().subplots().axhline(0, color="faint")
    """
    names = get_named_colors_mapping()
    before = {name: names.get(name) for name in COLOURS}
    with matplotlib.style.context(["default", REPORT_STYLE]):
        try:
            for name, colour in LIGHT.items():
                names[name] = colour
            yield
        finally:
            for name, former in before.items():
                if former is None:
                    del names[name]
                else:
                    names[name] = former
