"""
The whole autoencoder as a network
==================================

What one learns: `AutoencoderNetwork` builds all of a P-VAE in Brian2. Synapses compute the rates of
the latents from an image, and other synapses draw an image from their spikes. The image itself may
come in spikes too: then counts vary more than Poisson counts, as theory says, and the encoder has
synaptic events, which cost energy.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import Hz, ms, prefs, second, seed

import pvae_brian as pb
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.network import predict_cox, read_parameters
from pvae_brian.report import plot_reconstructions

prefs.codegen.target = "numpy"  # nothing to compile, and quick enough
seed(1)
encoder = pb.load_encoder(shipped_model())
images = shipped_patches()[:4]

# %%
# Graded input: pixels hold one image after another, each for a second, and latents fire at the
# rates of the model. What the readout holds in the end is what the decoder makes of the counts.

network = pb.AutoencoderNetwork(encoder, images, window=1 * second, n_steps=50, record="times")
network.run()
activity = network.activity(seed=1)
record, drawn = activity.record, activity.reconstructions
print(f"rates of the model? {np.allclose(record.rates, encoder.posterior_rates(images))}")
print(f"drawn as it decodes? {np.allclose(drawn, encoder.decode(record.counts))}")

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
spikes = record.spikes
left.plot(spikes.stimulus * record.window_s + spikes.time, spikes.latent, "|", ms=4)
left.vlines([1, 2, 3], 0, encoder.n_latents, color="grey", lw=1)
left.set(xlabel="time (s), another image each second", ylabel="latent neuron", xlim=(0, 4))
plot_reconstructions(images, drawn, right)
plt.show()

# %%
# Poisson input: an ON and an OFF neuron for each pixel carry one image, shown 120 times. The fewer
# spikes they fire, the more the rates of the latents fluctuate, so that counts vary more, and are
# higher too. Dots are simulations with 95 % intervals, the line is theory, of the third time that
# the image is shown. Of the energy, by Loihi's budget and without rest, synapses take nearly all.

shown = np.repeat(images[:1].reshape(1, -1), 120, axis=0)
costs = {}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
for hz in (20, 40, 80):
    spiking = pb.OnOffInput(hz * Hz, 20 * ms)
    network = pb.AutoencoderNetwork(encoder, shown, window=50 * ms, n_steps=5, input=spiking)
    network.run()
    activity = network.activity(seed=1)
    mean = network.prediction.mean
    # Latents share their input, so that only whole repeats are independent.
    fano = ((activity.record.counts - mean) ** 2).sum(axis=1) / mean.sum(axis=1)
    bar = 1.96 * fano.std() / np.sqrt(len(fano))
    left.errorbar(hz, fano.mean(), bar, fmt="o", color="C0")
    costs[f"{hz}"] = cost = pb.network_cost(activity, "loihi")
    print(f"{hz} Hz: {cost.latent_spikes:.3g} spikes, Fano factor {fano.mean():.2f} ± {bar:.2f}")

dense = np.geomspace(20, 80, 12)
weights, each = read_parameters(encoder), [pb.OnOffInput(hz * Hz, 20 * ms) for hz in dense]
laws = [predict_cox(weights, shown[:3], spiking, 0.05, 5) for spiking in each]
left.plot(dense, [law.variance[-1].sum() / law.mean[-1].sum() for law in laws])
left.axhline(1, color="grey", lw=1, ls=":")
bottom = np.zeros(len(costs))
for part in ("encoder", "decoder"):
    energy = [1e6 * getattr(cost, f"{part}_synapses").value for cost in costs.values()]
    right.bar(list(costs), energy, bottom=bottom, label=f"synapses of the {part}")
    bottom += energy
right.legend(frameon=False, loc="upper left")
for ax, what in ((left, "Fano factor (variance / mean)"), (right, "energy per image (µJ)")):
    ax.set(xlabel="rate of input spikes at a pixel of 1 (Hz)", ylabel=what)
plt.show()
