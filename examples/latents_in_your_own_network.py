"""
Latents in your own Brian2 network
==================================

What one learns: `convert` gives a native Brian2 group, to wire, record and run like any other. Here
each latent drives the pixels of its decoder feature through synapses, so that 256 readout units
draw the image from spikes, one spike at a time.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, ms, prefs, second, seed

import pvae_brian as pb
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.report import plot_reconstructions

prefs.codegen.target = "numpy"  # nothing to compile, and quick enough
seed(1)
encoder = pb.load_encoder(shipped_model())
images = shipped_patches()[:4]

# %%
# One stimulus at a time: 256 neurons that are shown one image after the other. The feature of
# latent i is the change of the reconstruction that one spike of it makes.

latents = pb.convert(encoder, images[:1], window=1 * second, dt=1 * ms)
pixels = NeuronGroup(encoder.n_inputs, "y : 1", dt=1 * ms)
features = Synapses(latents, pixels, "w : 1", on_pre="y_post += w", dt=1 * ms)
features.connect()
decoder = encoder.decode(np.eye(encoder.n_latents))
features.w = decoder[features.i[:], features.j[:]]
monitor = SpikeMonitor(latents)
network = Network(latents, pixels, features, monitor)

drawn = []
print("image  spikes  correlation of the readout with the image, and with the decoder")
for number, image in enumerate(images):
    latents.show(encoder.posterior_rates(image[None]))
    pixels.y = 0
    network.run(1 * second)
    drawn.append(np.array(pixels.y))
    decoded = encoder.decode(latents.counts)[0]
    correlations = np.corrcoef([drawn[-1], image.ravel(), decoded])[0, 1:]
    print(f"{number:5} {latents.counts.sum():7}  {correlations[0]:.2f}, {correlations[1]:.4f}")

# %%
# The readout does what the decoder of the model does with the counts. That it is a rough sketch of
# the image is due to the model: its code is sparse, and its spikes are few.

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
left.plot(monitor.t / second, monitor.i, "|", ms=4)
for number in range(1, len(images)):
    left.axvline(number, color="grey", lw=1)
left.set(
    xlabel="time (s), another image each second", ylabel="latent neuron", xlim=(0, len(images))
)
plot_reconstructions(images, np.array(drawn), right)
plt.show()
