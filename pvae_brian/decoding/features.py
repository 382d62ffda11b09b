"""What one spike adds to the reconstruction."""

from __future__ import annotations

import numpy as np
from torch import nn

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.models.layers import Decoder


def decoder_features(encoder: Encoder | GaussianEncoder) -> np.ndarray:
    r"""Return what one spike of each latent adds to the reconstruction of silence.

    .. math:: \phi_i = \mathrm{decoder}(e_i) - \mathrm{decoder}(0)

    The columns of a linear decoder; of another, its response to a single spike.

    Parameters
    ----------
    encoder : Encoder
        With a decoder.

    Returns
    -------
    ndarray, shape (n_latents, n_inputs)

    Raises
    ------
    ValueError
        If the encoder has no decoder.

    Examples
    --------
    >>> from pvae_brian import load_encoder
    >>> from pvae_brian.data import shipped_model
    >>> decoder_features(load_encoder(shipped_model())).shape
    (256, 256)
    """
    if encoder.has_linear_decoder:
        # In double precision, whatever that of the model.
        decoder = encoder.model.decoder
        assert isinstance(decoder, (Decoder, nn.Linear))
        weight = decoder.head.effective_weight() if isinstance(decoder, Decoder) else decoder.weight
        return weight.detach().cpu().double().numpy().T.copy()
    single_spikes = np.eye(encoder.n_latents)
    return encoder.decode(single_spikes) - encoder.decode(np.zeros((1, encoder.n_latents)))
