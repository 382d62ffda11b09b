"""`network_cost`: what spikes and synaptic events of a network cost, as many as were counted."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from pvae_brian.intervals import Estimate, bootstrap
from pvae_brian.metabolism.budget import EnergyBudget
from pvae_brian.metabolism.hydrolysis import joules_per_unit
from pvae_brian.metabolism.registry import find_budget
from pvae_brian.metabolism.spending import Spending, check_stimuli, cost_of_rest

if TYPE_CHECKING:
    from brian2 import Quantity

    # Brings torch, which costs are counted without.
    from pvae_brian.network import NetworkActivity

_PARTS = ("latents", "inputs", "encoder_synapses", "decoder_synapses")


@dataclass(frozen=True, eq=False)
class NetworkCost(Spending):
    """The cost of a network's activity, part by part.

    All costs are in `unit`, and estimates are means over stimuli, with an interval for stimuli
    drawn like these (bootstrap). Where the budget does not state what rest costs, the resting parts
    and the totals are NaN.

    Attributes
    ----------
    budget : EnergyBudget
        The budget it was counted by. Its fan-out was not used.
    unit : str
        'ATP' (molecules) or 'J'.
    joules_per_unit : float
        What one unit is in joules.
    n_stimuli, n_latents, n_input_neurons : int
        How many of each; no input neurons for graded input.
    window_s : float
        Duration of the window in seconds.
    cost_per_spike : float
        Of one spike: all-in, or without its synaptic events; 0 where the budget prices events
        alone.
    cost_per_event : float
        Of one synaptic event; 0 where the cost of a spike holds it already.
    latent_spikes, input_spikes : Estimate
        Spikes per stimulus.
    encoder_events, decoder_events : Estimate
        Synaptic events per stimulus, counted where they arrived, whether they are priced or not.
    latents, inputs : Estimate
        Cost of the spikes per stimulus.
    encoder_synapses, decoder_synapses : Estimate
        Cost of the synaptic events per stimulus.
    spiking_by_stimulus : ndarray, shape (n_stimuli,)
        Sum of these four parts for each stimulus.
    spiking_per_stimulus : Estimate
        Mean of it over stimuli.
    resting : float
        Of latents and input neurons at rest in a window. Readout units do not spike and are not
        paid for, nor are units of graded input.
    seed : int
        Of the resampling: that of the record.
    """

    n_input_neurons: int
    cost_per_spike: float
    cost_per_event: float
    latent_spikes: Estimate[float]
    input_spikes: Estimate[float]
    encoder_events: Estimate[float]
    decoder_events: Estimate[float]
    latents: Estimate[float]
    inputs: Estimate[float]
    encoder_synapses: Estimate[float]
    decoder_synapses: Estimate[float]
    spiking_by_stimulus: np.ndarray

    def in_joules(self) -> NetworkCost:
        """Return the same cost in joules; numbers of spikes and events stay as they are."""
        factor = self.joules_per_unit
        parts = {name: getattr(self, name).scaled(factor) for name in _PARTS}
        return replace(
            self,
            unit="J",
            joules_per_unit=1.0,
            cost_per_spike=self.cost_per_spike * factor,
            cost_per_event=self.cost_per_event * factor,
            spiking_by_stimulus=self.spiking_by_stimulus * factor,
            spiking_per_stimulus=self.spiking_per_stimulus.scaled(factor),
            resting=self.resting * factor,
            **parts,
        )


def network_cost(
    activity: NetworkActivity,
    budget: str | os.PathLike[str] | EnergyBudget = "attwell-laughlin-2001",
    *,
    hydrolysis: Quantity | None = None,
) -> NetworkCost:
    r"""Count what the spikes and the synaptic events of a network cost.

    .. math::
        E = c_\mathrm{spike} (n_\mathrm{latents} + n_\mathrm{inputs})
          + c_\mathrm{event} (m_\mathrm{encoder} + m_\mathrm{decoder})
          + (K + K_\mathrm{inputs})\, T\, c_\mathrm{rest}

    with n spikes and m synaptic events, both as they were counted, so no fan-out is assumed. What
    they cost depends on the scope of the budget:

    ======================== ============================== ==========================
    budget                   :math:`c_\mathrm{spike}`       :math:`c_\mathrm{event}`
    ======================== ============================== ==========================
    per part                 ``propagation_cost``           ``synaptic_cost``
    all-in for each spike    ``spike_cost``                 0: the spike's holds it
    all-in for each event    0: the event's holds it        ``synaptic_cost``
    ======================== ============================== ==========================

    Parameters
    ----------
    activity : NetworkActivity
        What ``AutoencoderNetwork.activity`` returned.
    budget : str, path-like or EnergyBudget
        As of `metabolic_cost`. Its fan-out is not used.
    hydrolysis : `brian2.Quantity`, optional
        As of `metabolic_cost`.

    Returns
    -------
    NetworkCost
        In the unit of the budget, ATP or joules.

    Raises
    ------
    TypeError
        If it is no activity of a network.
    ValueError
        If there is no budget of that name, if ``hydrolysis`` is not positive and finite, or if
        there are no stimuli.
    brian2.DimensionMismatchError
        If ``hydrolysis`` is no energy per amount of substance.

    Notes
    -----
    Readout units add up what arrives and never spike; units of graded input, and those of an MLP,
    hold numbers. None of them is paid for, nor is what the encoder computes from graded input,
    which comes without spikes and so without synaptic events. Only with `OnOffInput` is the
    encoder part of the cost.

    Examples
    --------
    >>> from brian2 import ms, seed
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = pb.load_encoder(shipped_model()), shipped_patches()[:3]
    >>> network = pb.AutoencoderNetwork(encoder, images, window=100*ms, n_steps=20)
    >>> seed(1)
    >>> network.run()
    >>> cost = network_cost(network.activity(seed=1), "loihi")
    >>> cost.decoder_events.value == 256 * cost.latent_spikes.value
    True
    >>> cost.encoder_synapses.value, cost.unit
    (0.0, 'J')
    """
    _check_activity(activity)
    check_stimuli(activity.n_stimuli)
    budget = find_budget(budget)
    joules = joules_per_unit(budget.unit, hydrolysis)
    record = activity.record
    latent_spikes = record.counts.sum(axis=1, dtype=np.int64)
    events = activity.encoder_events + activity.decoder_events
    # A budget prices a spike all-in or by parts, never both: nothing is counted twice.
    per_spike = float(budget.spike_cost or budget.propagation_cost or 0.0)
    per_event = float(budget.synaptic_cost or 0.0)
    spiking = per_spike * (latent_spikes + activity.input_spikes) + per_event * events

    def per_stimulus(numbers: np.ndarray) -> Estimate[float]:
        return bootstrap(lambda mean: mean, numbers, seed=record.seed)

    numbers = {
        "latent_spikes": per_stimulus(latent_spikes),
        "input_spikes": per_stimulus(activity.input_spikes),
        "encoder_events": per_stimulus(activity.encoder_events),
        "decoder_events": per_stimulus(activity.decoder_events),
    }
    n_neurons = record.n_latents + activity.n_input_neurons
    return NetworkCost(
        budget=budget,
        unit=budget.unit,
        joules_per_unit=joules,
        n_stimuli=activity.n_stimuli,
        n_latents=record.n_latents,
        n_input_neurons=activity.n_input_neurons,
        window_s=record.window_s,
        cost_per_spike=per_spike,
        cost_per_event=per_event,
        **numbers,
        latents=numbers["latent_spikes"].scaled(per_spike),
        inputs=numbers["input_spikes"].scaled(per_spike),
        encoder_synapses=numbers["encoder_events"].scaled(per_event),
        decoder_synapses=numbers["decoder_events"].scaled(per_event),
        spiking_by_stimulus=spiking,
        spiking_per_stimulus=per_stimulus(spiking),
        resting=cost_of_rest(budget, n_neurons, record.window_s),
        seed=record.seed,
    )


def _check_activity(activity: object) -> None:
    from pvae_brian.network import NetworkActivity

    if not isinstance(activity, NetworkActivity):
        raise TypeError(
            "network_cost takes what activity() of an AutoencoderNetwork returned, got "
            f"{type(activity).__name__}; for a record there is metabolic_cost"
        )
