"""
Digits read by LIF neurons
==========================

What one learns: how to wire the latents of a P-VAE to neurons of your own. Ten leaky
integrate-and-fire neurons, one for each digit, listen to the spikes of 64 latent neurons through
ordinary Brian2 synapses, and the one that fires most names the digit. The P-VAE never saw a label:
only the weights of the synapses were fitted to labels, as a linear readout of spike counts.

It needs the extra ``[data]``, for the digits.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import Network, NeuronGroup, SpikeMonitor, Synapses, ms, prefs, second, seed

import pvae_brian as pb
from pvae_brian.data import load_digits

digits = load_digits()
model = pb.PoissonVAE.from_config(pb.PoissonVAEConfig(n_inputs=64, n_latents=64), seed=0)
pb.train(model, digits.train, beta=0.2, epochs=20, seed=0)
encoder = pb.Encoder(model, image_shape=(64,), details={})

# %%
# The readout: least squares from the spike counts of training digits to a one for the digit shown.

training = pb.simulate(encoder.posterior_rates(digits.train), window=1 * second, seed=1)
wanted = np.eye(10)[digits.train_labels]
with_constant = np.column_stack([training.counts, np.ones(training.n_stimuli)])
*weights, constant = np.linalg.lstsq(with_constant, wanted, rcond=None)[0]

# %%
# The network, once for each held-out digit, side by side: latent neuron i of digit s sends its
# spikes to the ten LIF neurons of digit s. A constant current stands for the constant of the
# readout. The answer of the readout is near 1 for the right digit, so that its neuron is driven by
# about 50 thresholds per window.

prefs.codegen.target = "numpy"  # nothing to compile, and quick enough
seed(2)
GAIN, K, N = 50, encoder.n_latents, len(digits.test)
latents = pb.convert(encoder, digits.test, window=1 * second, dt=1 * ms)
lif = NeuronGroup(
    10 * N,
    "dv/dt = drive - v / (200*ms) : 1\ndrive : Hz",
    threshold="v > 1",
    reset="v = 0",
    method="exact",
    dt=1 * ms,
)
lif.drive = np.tile(GAIN * constant, N) / second
synapses = Synapses(latents, lif, "w : 1", on_pre="v_post += w", dt=1 * ms)
source = np.repeat(np.arange(K * N), 10)
synapses.connect(i=source, j=10 * (source // K) + np.tile(np.arange(10), K * N))
synapses.w = np.tile(GAIN * np.ravel(weights), N)
spikes, latent_spikes = SpikeMonitor(lif), SpikeMonitor(latents)
Network(latents, lif, synapses, spikes, latent_spikes).run(1 * second)

# %%
# Both readouts on the same spikes of held-out digits:

votes = np.array(spikes.count).reshape(N, 10)
by_lif = votes.argmax(axis=1)
by_counts = (latents.counts @ np.array(weights) + constant).argmax(axis=1)
print(f"{latents.counts.sum() / N:.0f} latent spikes and {votes.sum() / N:.0f} LIF spikes a digit")
for name, read in (("LIF neurons", by_lif), ("linear readout of the same counts", by_counts)):
    print(f"{name}: {100 * (read == digits.test_labels).mean():.1f} % right (chance is 10 %)")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
for ax, monitor, n, name in ((left, latent_spikes, K, "latent"), (middle, spikes, 10, "LIF")):
    ax.plot(monitor.t[monitor.i < n] / ms, monitor.i[monitor.i < n], "|")
    ax.set(xlabel="time (ms)", ylabel=f"{name} neuron", title=f"a {digits.test_labels[0]} is shown")
middle.set(yticks=range(10), ylim=(-0.5, 9.5))
shares = np.array([np.bincount(by_lif[digits.test_labels == k], minlength=10) for k in range(10)])
picture = right.imshow(100 * shares / shares.sum(axis=1, keepdims=True), cmap="Blues", vmin=0)
right.set(xlabel="digit read by LIF neurons", ylabel="digit shown", xticks=range(10))
right.set_yticks(range(10))
figure.colorbar(picture, label="share of the digits shown (%)")
plt.show()
