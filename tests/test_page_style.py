"""Colours of a page: all can tell them apart, on light paper and on dark."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from skimage.color import deltaE_ciede2000, xyz2lab
from skimage.color.colorconv import xyz_from_rgb

from pvae_brian.report.page.svg import COLOURS

from .browser import contrast


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_data_can_be_told_from_paper_and_band(scheme):
    of = {name: pair[scheme == "dark"] for name, pair in COLOURS.items()}
    for name in of:
        if name.startswith("series") or name == "faint":
            assert contrast(of[name], of["paper"]) >= 3, name
    for name in ("ink", "faint"):
        assert contrast(of[name], of["band"]) >= 4.5, name


# Colours as dichromats see them, in linear RGB.
# Machado, Oliveira and Fernandes (2009), IEEE Trans. Vis. Comput. Graph. 15:1291.
DICHROMATS = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("who", DICHROMATS)
def test_series_can_be_told_apart_by_all(who, scheme):
    """Ten of CIEDE2000's units apart; the colours of Okabe and Ito come to twelve."""
    series = [pair[scheme == "dark"] for name, pair in COLOURS.items() if "series" in name]
    rgb = np.array([to_rgb(colour) for colour in series])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(DICHROMATS[who]), 0, 1)
    lab = xyz2lab(seen @ xyz_from_rgb.T)
    apart = deltaE_ciede2000(lab[:, None], lab[None])
    assert apart[np.triu_indices(len(series), 1)].min() > 10
