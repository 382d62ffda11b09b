"""What spikes cost, and what they carry for it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from pvae_brian.comparison import Comparison
from pvae_brian.intervals import CONFIDENCE
from pvae_brian.metabolism import MetabolicCost
from pvae_brian.report.plots._axes import (
    REFERENCE,
    draw_intervals,
    draw_note,
    fits_log_axis,
    get_axes,
    ink,
    name_points,
    padded,
    set_log_axis,
)
from pvae_brian.spikes import SpikeRecord

_INTERVAL = f"{100 * CONFIDENCE:g} % interval"
_BITS_PER_NAT = 1 / math.log(2)
# The two parts of a row, apart from each other.
_APART = 0.18


def plot_kl_against_spikes(
    comparison: Comparison, record: SpikeRecord, ax: Axes | None = None
) -> Axes:
    """Plot the KL term of each neuron against its measured spikes.

    Neurons above the line carry more bits per spike than all of them together.

    Parameters
    ----------
    comparison : Comparison
        Of `compare`.
    record : SpikeRecord
        The one that was compared.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        Logarithmic both ways, so neurons without spikes or KL are not shown, nor those of less
        than a millionth of the largest; the legend says how many.

    Raises
    ------
    ValueError
        If the record is of another number of stimuli or neurons.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import compare, load_encoder, simulate
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = load_encoder(shipped_model()), shipped_patches()[:50]
    >>> record = simulate(encoder.posterior_rates(images))
    >>> comparison = compare(encoder, images, record)
    >>> plot_kl_against_spikes(comparison, record, Figure().subplots()).get_ylabel()
    'KL (bits per stimulus)'
    """
    if (comparison.n_stimuli, comparison.n_latents) != record.counts.shape:
        raise ValueError(
            f"comparison must be of this record of {record.n_stimuli} stimuli and "
            f"{record.n_latents} neurons, got one of {comparison.n_stimuli} and "
            f"{comparison.n_latents}"
        )
    ax = get_axes(ax)
    ax.set_xlabel("measured (spikes per stimulus)")
    ax.set_ylabel("KL (bits per stimulus)")
    kl = comparison.coding.kl_nats_per_neuron.scaled(_BITS_PER_NAT)
    spikes = record.counts.mean(axis=0)
    shown = fits_log_axis(spikes) & fits_log_axis(kl.value)
    if not shown.any():
        draw_note(ax, "no neuron has both spikes and a KL above 0")
        return ax
    x_limits, y_limits = padded(spikes[shown]), padded(kl.value[shown])
    draw_intervals(ax, spikes[shown], kl.low[shown], kl.high[shown], color="C0", alpha=0.5, lw=1)
    ax.plot(
        spikes[shown],
        kl.value[shown],
        ".",
        color="C0",
        ms=4,
        label=name_points(f"neurons, {_INTERVAL}s", shown, "at or near 0"),
    )
    # Above 0 and finite, for some neuron has both.
    bits = comparison.coding.bits_per_spike.value
    x = np.array(x_limits)
    label = f"{bits:.3g} bits per spike, all neurons"
    ax.plot(x, bits * x, color=ink(), alpha=REFERENCE, lw=1, label=label)
    set_log_axis(ax, "x", x_limits)
    set_log_axis(ax, "y", y_limits)
    ax.legend(frameon=False)
    return ax


def plot_energy_by_budget(costs: Sequence[MetabolicCost], ax: Axes | None = None) -> Axes:
    """Plot what spikes and rest cost per stimulus, in joules, a row for each energy budget.

    Dots on a logarithmic axis, for lengths of bars would mean nothing there. Intervals are those
    of the mean over stimuli; rest has none.

    Parameters
    ----------
    costs : sequence of MetabolicCost
        Of `metabolic_costs`, for one record; the first is on top.
    ax : Axes, optional
        Where to plot; a new figure by default.

    Returns
    -------
    Axes
        What is no dot is said in its row: rest that a budget does not state, or takes for nothing;
        and that there were no spikes.

    Raises
    ------
    ValueError
        If there are no costs, or if they are of windows of different length.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from pvae_brian import simulate
    >>> from pvae_brian.metabolism import metabolic_costs
    >>> costs = metabolic_costs(simulate([[3.0]] * 20), ["lennie-2003", "truenorth"])
    >>> ax = plot_energy_by_budget(costs, Figure().subplots())
    >>> [text.get_text() for text in ax.texts]
    ['rest not stated', 'rest not added']
    """
    costs = [cost.in_joules() for cost in costs]
    windows = sorted({cost.window_s for cost in costs})
    if len(windows) != 1:
        raise ValueError(
            "costs must be those of one record, and at least one, got windows of "
            f"{', '.join(f'{window:g} s' for window in windows) or 'none'}; pass "
            "metabolic_costs(record, budgets)"
        )
    ax = get_axes(ax)
    rows = np.arange(len(costs))
    spiking = [cost.spiking_per_stimulus for cost in costs]
    value, low, high = np.array([(each.value, each.low, each.high) for each in spiking]).T
    resting = np.array([cost.resting for cost in costs])
    draw_intervals(ax, rows - _APART, low, high, along="x", color="C0", alpha=1, lw=2)
    for joules, shift, colour, label in (
        (value, -1, "C0", f"spikes, {_INTERVAL}"),
        (resting, 1, "C1", "rest"),
    ):
        is_shown = joules > 0
        ax.plot(joules[is_shown], (rows + shift * _APART)[is_shown], "o", color=colour, label=label)
    positive = np.concatenate([x[x > 0] for x in (value, resting)])
    if positive.size:
        set_log_axis(ax, "x", padded(positive))
    _say_what_is_no_dot(ax, costs)
    ax.set_ylim(len(costs) - 0.5, -0.5)
    # A name is no formula.
    ax.set_yticks(rows, [cost.budget.name.replace("$", r"\$") for cost in costs])
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", lw=0.6)
    ax.set_axisbelow(True)
    ax.set_xlabel(f"energy per stimulus of {windows[0]:g} s (J)")
    ax.legend(frameon=False)
    return ax


def _say_what_is_no_dot(ax: Axes, costs: list[MetabolicCost]) -> None:
    """Say it where the dot would be, in a half of the row that no other dot is in."""
    for row, cost in enumerate(costs):
        remarks = {}
        if cost.spiking_per_stimulus.value == 0:
            remarks[row - _APART] = "spikes cost nothing"
        if math.isnan(cost.resting):
            remarks[row + _APART] = "rest not stated"
        elif cost.resting == 0:
            remarks[row + _APART] = "rest not added"
        for height, remark in remarks.items():
            ax.text(
                0.98,
                height,
                remark,
                transform=ax.get_yaxis_transform(),
                ha="right",
                va="center",
                fontsize="small",
            )
