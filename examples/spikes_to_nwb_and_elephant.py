"""
Spikes to NWB and Elephant
==========================

What one learns: how spikes leave for the tools of electrophysiology. A record becomes an NWB file,
which any reader of NWB opens, comes back from it with every setting, and goes on to Elephant, by
way of Neo. There one patch is shown 100 times, and Elephant's Fano factors over these trials are
held against what Poisson counts should show.

It needs the extras ``[nwb]`` and ``[elephant]``. What is kept, and what more formats there are, is
said in :doc:`/exchange`.
"""

import tempfile
from pathlib import Path

import elephant.statistics
import matplotlib.pyplot as plt
import numpy as np
import quantities as pq
from brian2 import second
from scipy.stats import chi2

import pvae_brian as pb
from pvae_brian.data import shipped_model, shipped_patches

N_TRIALS = 100
encoder = pb.load_encoder(shipped_model())
rates = encoder.posterior_rates(shipped_patches()[:1])[0]
# The 20 latents that fire most for this patch.
shown = np.argsort(-rates)[:20]
record = pb.simulate(
    np.tile(rates[shown], (N_TRIALS, 1)), window=1 * second, n_steps=1000, seed=0, record="times"
)

# %%
# To a file and back. NWB wants to know whose data these are; the rest is filled in.

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "record.nwb"
    record.to_nwb(path, experimenter="Doe, Jane", institution="An institute")
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} kB")
    again = pb.SpikeRecord.from_nwb(path)
print("all spike times the same:", bool((again.spikes.time == record.spikes.time).all()))
print("seed and neuron model:", again.seed, again.neuron.name)

# %%
# To Neo, and so to Elephant: a segment for each trial, a spike train for each latent.

block = again.to_neo()
trials = [[segment.spiketrains[i] for segment in block.segments] for i in range(len(shown))]
fano = np.array([elephant.statistics.fanofactor(trains) for trains in trials])
histogram = elephant.statistics.time_histogram(trials[0], 50 * pq.ms, output="rate")
# For a spread over trials with n in the denominator, as Elephant takes it.
low, high = chi2.interval(0.95, N_TRIALS - 1) / np.array(N_TRIALS)
print(
    f"Fano factors: mean {fano.mean():.3f}; {((low < fano) & (fano < high)).sum()} of {fano.size}"
)
print(f"lie within {low:.2f} and {high:.2f}, as 95 % do if counts are Poisson")

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(10, 3.6), layout="constrained")
left.eventplot([train.rescale("s").magnitude for train in trials[0]], linelengths=0.8)
left.set(xlabel="time (s)", ylabel="trial", title=f"latent {shown[0]}")
starts = histogram.times.rescale("s").magnitude
edges = np.append(starts, histogram.t_stop.rescale("s").magnitude)
middle.stairs(histogram.rescale("Hz").magnitude[:, 0], edges, label="time histogram")
middle.axhline(rates[shown[0]], color="grey", label="as the encoder asks")
middle.set(xlabel="time (s)", ylabel="firing rate (Hz)", title=f"latent {shown[0]}")
middle.set_ylim(bottom=0)
middle.legend(frameon=False, loc="lower right")
right.axhspan(low, high, color="grey", alpha=0.2, lw=0, label="95 % if Poisson")
right.plot(rates[shown], fano, "o", label="latents")
right.set(
    xlabel="expected spikes per trial", ylabel="Fano factor (variance / mean)", xlim=(0, None)
)
right.legend(frameon=False)
plt.show()
