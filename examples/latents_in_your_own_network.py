"""Wire the latents of a P-VAE into a Brian2 network of your own.

What one learns: `convert` gives a native Brian2 group. Here each latent drives the pixels of its
decoder feature through synapses, so that 256 leaky readout units draw the image from spikes.

Run it::

    python examples/latents_in_your_own_network.py
"""

import numpy as np
from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, ms, second, seed

import pvae_brian as pb
from pvae_brian.data import shipped_model, shipped_patches

seed(1)
encoder = pb.load_encoder(shipped_model())
images = shipped_patches()[:2]

# One stimulus at a time: 256 neurons that are shown the second image after the first.
latents = pb.convert(encoder, images[:1], window=1 * second, dt=1 * ms)
pixels = NeuronGroup(encoder.n_inputs, "y : 1", dt=1 * ms)
features = Synapses(latents, pixels, "w : 1", on_pre="y_post += w", dt=1 * ms)
features.connect()
# Feature of latent i: the change of the reconstruction that one spike of it makes.
decoder = encoder.decode(np.eye(encoder.n_latents))
features.w = decoder[features.i[:], features.j[:]]
monitor = SpikeMonitor(latents)
network = Network(latents, pixels, features, monitor)

for number, image in enumerate(images):
    latents.show(encoder.posterior_rates(image[None]))
    pixels.y = 0
    network.run(1 * second)
    drawn = encoder.decode(latents.counts)[0]
    correlation = np.corrcoef(image.ravel(), pixels.y[:])[0, 1]
    print(
        f"image {number}: {latents.counts.sum()} spikes; the readout correlates {correlation:.2f} "
        f"with the image and {np.corrcoef(drawn, pixels.y[:])[0, 1]:.4f} with the decoder"
    )
