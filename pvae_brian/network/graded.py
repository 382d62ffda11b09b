"""Graded units and synapses: the part of the encoder that does not spike."""

from __future__ import annotations

import numpy as np
from brian2 import Clock, NeuronGroup, Synapses, linked_var
from brian2.core.base import BrianObject

from pvae_brian.network import equations
from pvae_brian.network.parameters import Residual


def connect(
    source: NeuronGroup,
    target: NeuronGroup,
    weight: np.ndarray,
    model: str,
    name: str,
    on_pre: str | None = None,
) -> Synapses:
    """Connect by a matrix of shape (n_target, n_source); where it is 0 there is no synapse.

    Weights that are all 0 leave one synapse of weight 0, for Brian2 refuses to run without any.
    """
    synapses = Synapses(
        source, target, model, on_pre=on_pre, clock=target.clock, namespace={}, name=f"{name}*"
    )
    post, pre = np.nonzero(weight)
    if not len(pre):
        post, pre = np.zeros(1, dtype=int), np.zeros(1, dtype=int)
    synapses.connect(i=pre, j=post)
    synapses.weight = weight[post, pre]
    return synapses


def residual_layer(
    source: NeuronGroup, layer: Residual, clock: Clock, name: str
) -> tuple[NeuronGroup, list[BrianObject]]:
    """Make the units of a residual layer that sees what graded units hold in ``value``.

    Everything is worked out anew in each step of the clock, layer after layer: Brian2 updates a
    sum before the group that it goes to, and groups by their ``order``.

    Returns
    -------
    units : NeuronGroup
        Their ``value`` is what the layer gives.
    objects : list of BrianObject
        All that goes into the network, these units included.
    """

    def group(n: int, model: str, part: str, order: int) -> NeuronGroup:
        return NeuronGroup(n, model, clock=clock, order=order, namespace={}, name=f"{name}_{part}*")

    n_hidden, n = layer.hidden.weight.shape
    hidden = group(n_hidden, equations.HIDDEN, "hidden", 1)
    units = group(n, equations.RESIDUAL, "units", 3)
    moments = group(1, equations.MOMENTS, "moments", 5)
    hidden.bias = layer.hidden.bias
    units.bias, units.gain, units.shift = layer.back.bias, layer.gain, layer.shift
    units.epsilon = layer.epsilon
    units.mean = linked_var(moments, "mean")
    units.mean_square = linked_var(moments, "mean_square")
    skip = Synapses(source, units, equations.SKIP, clock=clock, namespace={}, name=f"{name}_skip*")
    skip.connect(j="i")
    into_moments = Synapses(
        units, moments, equations.INTO_MOMENTS, clock=clock, namespace={}, name=f"{name}_norm*"
    )
    into_moments.connect()
    return units, [
        hidden,
        units,
        moments,
        connect(source, hidden, layer.hidden.weight, equations.GRADED, f"{name}_in"),
        connect(hidden, units, layer.back.weight, equations.GRADED, f"{name}_back"),
        skip,
        into_moments,
    ]
