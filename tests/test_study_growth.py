"""How spikes grow with K."""

from __future__ import annotations

import numpy as np
import pytest

from pvae_brian.report.study import (
    plot_growth,
)
from pvae_brian.sweep.answers import compute_growth

from .plotted import NO_WARNINGS, new_axes
from .study_figures import NAMES, legends_of, one_called, table_of
from .sweep_tables import with_intervals

pytestmark = NO_WARNINGS


@pytest.mark.parametrize("name", ["all", "one K", "missing points", "several seeds"])
def test_growth_holds_a_line_for_each_beta(name):
    table = table_of(name)
    ax = plot_growth(table, new_axes())
    assert ax.get_yscale() == "log"
    np.testing.assert_array_equal(ax.get_xticks(), sorted(set(table["n_latents"])))
    for (model, beta), rows in table[table["model"] != "gaussian"].groupby(["model", "beta"]):
        line = one_called(ax, f"{NAMES[model]}, β = {beta:g}")
        means = rows.groupby("n_latents")["spikes"].mean()
        np.testing.assert_array_equal(line.get_xdata(), means.index)
        np.testing.assert_allclose(line.get_ydata(), means, rtol=1e-14)


def test_exponents_are_in_the_legend():
    table = with_intervals(table_of("no control"))
    table["spikes"] = 3.0 * table["n_latents"] ** (0.3 * table["beta"])
    expected = [f"β = {beta:g}: ∝ K^{0.3 * beta:.2g}" for beta in (0.1, 0.5, 1, 2, 4)]
    table = with_intervals(table)
    fitted = {(g.family, g.beta): g.exponent.value for g in compute_growth(table, ("spikes",))}
    for exponents in (None, fitted):
        entries = legends_of(plot_growth(table, new_axes(), exponents=exponents))
        assert set(expected) <= set(entries)
    entries = legends_of(plot_growth(table, new_axes(), exponents={("poisson", 0.5): np.nan}))
    assert "β = 0.5" in entries
    assert "β = 1" in entries
    one = legends_of(plot_growth(table_of("one K"), new_axes()))
    assert "β = 1" in one
