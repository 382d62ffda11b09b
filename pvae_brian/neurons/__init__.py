"""Neuron models, a module each, and the latent neurons for a network of your own."""

from pvae_brian.neurons.bernoulli import Bernoulli
from pvae_brian.neurons.model import CountPrediction, NeuronModel, Population
from pvae_brian.neurons.poisson import Poisson
from pvae_brian.neurons.refractory import Refractory
from pvae_brian.neurons.registry import MODELS, as_neuron, from_settings
from pvae_brian.neurons.sampler import Sampler

__all__ = [
    "MODELS",
    "Bernoulli",
    "CountPrediction",
    "NeuronModel",
    "Poisson",
    "Population",
    "Refractory",
    "Sampler",
    "as_neuron",
    "from_settings",
]
