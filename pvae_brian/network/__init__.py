"""The whole autoencoder as a Brian2 network: pixels, synapses, spiking latents, readout."""

from pvae_brian.network.activity import NetworkActivity
from pvae_brian.network.cox import predict_cox
from pvae_brian.network.inputs import OnOffInput
from pvae_brian.network.network import AutoencoderNetwork
from pvae_brian.network.parameters import NetworkParameters, read_parameters

__all__ = [
    "AutoencoderNetwork",
    "NetworkActivity",
    "NetworkParameters",
    "OnOffInput",
    "predict_cox",
    "read_parameters",
]
