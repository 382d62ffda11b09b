"""From an encoder and images to latent neurons in Brian2."""

from __future__ import annotations

from brian2 import Clock, Quantity, second
from numpy.typing import ArrayLike

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.neurons.group import LatentNeurons


def convert(
    encoder: Encoder | GaussianEncoder,
    images: ArrayLike,
    window: Quantity = 1 * second,
    dt: Quantity | None = None,
    clock: Clock | None = None,
    name: str = "latentneurons*",
) -> LatentNeurons:
    """Make the latent neurons of an encoder that looks at images: ready to wire, not yet run.

    Parameters
    ----------
    encoder : Encoder
        The encoder.
    images : array_like
        Stimuli, of shape (n_stimuli, n_inputs), (n_stimuli, height, width) or
        (n_stimuli, 1, height, width).
    window : `brian2.Quantity`
        Duration in which the expected counts are those of the encoder.
    dt, clock, name
        As in `LatentNeurons`.

    Returns
    -------
    LatentNeurons
        A `brian2.NeuronGroup` of ``n_stimuli * n_latents`` neurons. Show it other images with
        ``neurons.show(encoder.posterior_rates(images))``.

    Raises
    ------
    ValueError
        If the images do not fit the encoder, are not finite, or if there are none.
    brian2.DimensionMismatchError
        If the window is not a time with its unit.

    Examples
    --------
    >>> from brian2 import Network, SpikeMonitor, ms, second
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder = pb.load_encoder(shipped_model())
    >>> neurons = pb.convert(encoder, shipped_patches()[:3], window=1*second, dt=10*ms)
    >>> monitor = SpikeMonitor(neurons)
    >>> Network(neurons, monitor).run(1*second)
    >>> neurons.counts.shape == (3, encoder.n_latents)
    True
    """
    rates = encoder.posterior_rates(images)
    return LatentNeurons(rates, window, dt=dt, clock=clock, name=name)
