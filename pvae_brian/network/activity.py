"""`NetworkActivity`: what a network of the whole autoencoder did, image by image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pvae_brian.spikes import SpikeRecord


@dataclass(frozen=True, eq=False)
class NetworkActivity:
    """What an `AutoencoderNetwork` did while it showed its images.

    Attributes
    ----------
    record : SpikeRecord
        Spikes of the latents. Its ``rates`` are integrals over each window of the rates that the
        network itself came to; given these, counts are Poisson, whatever the input.
    reconstructions : ndarray of float64, shape (n_stimuli, n_outputs), or None
        What the readout held as each window ended: the image drawn from its spikes, or, if the
        model's decoder is not linear, what its first layer adds up. None without a decoder.
    input_spikes : ndarray of int64, shape (n_stimuli,)
        Spikes of ON and OFF neurons; zeros for graded input.
    encoder_events, decoder_events : ndarray of int64, shape (n_stimuli,)
        Synaptic events: spikes that arrived through the encoder's synapses, and through the
        decoder's. Graded input has none in the encoder.
    n_input_neurons : int
        ON and OFF neurons; 0 for graded input.
    """

    record: SpikeRecord
    reconstructions: np.ndarray | None
    input_spikes: np.ndarray
    encoder_events: np.ndarray
    decoder_events: np.ndarray
    n_input_neurons: int

    @property
    def n_stimuli(self) -> int:
        """Images that were shown."""
        return self.record.n_stimuli
