"""
Refractoriness breaks the prediction
====================================

What one learns: a P-VAE takes its neurons for Poisson processes, and its KL term foretells their
spikes. Neurons with a refractory period fall short of that, the more the higher the rates, and
their counts vary less than Poisson counts: the Fano factor is below 1. How much follows from
renewal theory, whose curves stand beside what is simulated here.

A model knows counts per window and no seconds. The shorter the window, the higher the firing rates
that the same counts take, so the window decides how much of the prediction is left.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import ms, second

import pvae_brian as pb
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.measures import residual_fano

encoder = pb.load_encoder(shipped_model())
images = shipped_patches()[:200]
rates = encoder.posterior_rates(images)
neurons = {
    "Poisson": pb.Poisson(),
    "2 ms absolute": pb.Refractory(absolute=2 * ms),
    "2 ms absolute, 5 ms relative": pb.Refractory(absolute=2 * ms, relative=5 * ms),
}

# %%
# The same rates in windows from 20 ms to a second. Lines are theory, which needs no simulation:
# ``neuron.predict`` gives mean and variance of every count. Dots are simulations with 95 %
# intervals. On the left these hold for images drawn like these 200. The images are the same for all
# dots and lines, so that dots lie nearer to their lines than the intervals tell, and that even
# Poisson neurons need not have exactly the prior rate cost.
#
# In a window of a second hardly anything is lost: this model fires 0.2 spikes per window and neuron
# on average.

windows = np.array([0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
dense = np.geomspace(windows[0], windows[-1], 12)
prior_rate_cost = encoder.prior_rates.sum()
print(f"prior rate cost: {prior_rate_cost:.2f} spikes per stimulus")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
for colour, (name, neuron) in zip(("C0", "C1", "C2"), neurons.items(), strict=True):
    laws = [neuron.predict(rates, window, 200) for window in dense]
    spikes = [law.mean.sum(axis=1).mean() / prior_rate_cost for law in laws]
    left.plot(1000 * dense, spikes, color=colour)
    right.plot(1000 * dense, [law.variance.sum() / law.mean.sum() for law in laws], color=colour)
    for k, window in enumerate(windows):
        record = pb.simulate(rates, window=window * second, n_steps=200, neuron=neuron, seed=k)
        ratio = pb.compare(encoder, images, record).prior.ratio
        fano = residual_fano(record.counts, record.prediction, axis=None)
        print(f"{name}, {1000 * window:4.0f} ms: {ratio:.3f} of it, Fano factor {fano:.3f}")
        for ax, estimate in ((left, ratio), (right, fano)):
            bar = [[estimate.value - estimate.low], [estimate.high - estimate.value]]
            label = name if k == 0 else None
            ax.errorbar(1000 * window, estimate.value, bar, fmt="o", color=colour, label=label)
for ax, what in ((left, "spikes over prior rate cost"), (right, "Fano factor (variance / mean)")):
    ax.axhline(1, color="grey", lw=1, ls=":")
    ax.set(xscale="log", xlabel="window (ms)", ylabel=what)
    ax.set_xticks(1000 * windows, [f"{1000 * window:g}" for window in windows])
    ax.minorticks_off()
right.legend(frameon=False, loc="lower right")
plt.show()
