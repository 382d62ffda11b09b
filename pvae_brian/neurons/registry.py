"""Neuron models by name: add a new one to this list."""

from __future__ import annotations

from pvae_brian.neurons.bernoulli import Bernoulli
from pvae_brian.neurons.model import NeuronModel
from pvae_brian.neurons.poisson import Poisson
from pvae_brian.neurons.refractory import Refractory
from pvae_brian.neurons.sampler import Sampler

_ALL: tuple[type[NeuronModel], ...] = (Poisson, Bernoulli, Refractory, Sampler)

MODELS = {model.name: model for model in _ALL}


def as_neuron(neuron: str | NeuronModel) -> NeuronModel:
    """Return a neuron model from its name, or as it is.

    Raises
    ------
    ValueError
        If there is no model of that name, or it has parameters that a name cannot give.
    TypeError
        If it is neither a name nor a model.
    """
    if isinstance(neuron, NeuronModel):
        return neuron
    if not isinstance(neuron, str):
        raise TypeError(
            f"neuron must be a name such as 'poisson' or a model such as Refractory(2*ms), got "
            f"{neuron!r}"
        )
    if neuron not in MODELS:
        raise ValueError(
            f"neuron must be one of {', '.join(map(repr, MODELS))}, or a model, got {neuron!r}"
        )
    return MODELS[neuron]()


def from_settings(settings: dict[str, str | float]) -> NeuronModel:
    """Return the model that `NeuronModel.settings` described.

    Raises
    ------
    ValueError
        If there is no such model, or its parameters are not right.
    """
    parameters = dict(settings)
    name = parameters.pop("name", None)
    if name not in MODELS:
        raise ValueError(f"there is no neuron model named {name!r}")
    try:
        return MODELS[name].from_parameters(**parameters)
    except TypeError as error:
        raise ValueError(f"bad parameters of the neuron model {name!r}: {error}") from error
