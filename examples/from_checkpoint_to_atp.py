"""
From an official checkpoint to ATP
==================================

What one learns: how to take a model that the authors' code trained, run it in Brian2 and say what
its spikes cost, in ATP or in joules. Nothing of the authors' code has to be installed.

The checkpoint is one of those in ``tests/checkpoints`` of the repository, which the authors' code
wrote after four epochs. Such a model has learned next to nothing, and hardly fires; its numbers
show how, not how much. For yours give its folder and images that were prepared like those that it
was trained on, saved by ``numpy.save``::

    python examples/from_checkpoint_to_atp.py FOLDER images.npy
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from brian2 import second

import pvae_brian as pb
from pvae_brian.report import plot_energy_by_budget, plot_measured_against_predicted

if len(sys.argv) > 2:
    folder, images = Path(sys.argv[1]), np.load(sys.argv[2])
else:
    repository = Path(sys.argv[0]).resolve().parent.parent
    folder = repository / "tests" / "checkpoints" / "pvae_lin_k48"
    # 64 patches of 16 x 16 pixels from the authors' own pipeline, each shown 100 times.
    images = np.repeat(np.load(folder / "expected.npz")["x"], 100, axis=0)

encoder = pb.load_encoder(folder)
for name in ("format", "generation", "epoch"):
    print(f"{name}: {encoder.details.get(name)}")

# %%
# One neuron for each stimulus and latent, for a second. Intervals, in square brackets, are for
# stimuli drawn like these; with images that are shown again and again they hold for these only.

record = pb.simulate(encoder.posterior_rates(images), window=1 * second, seed=0)
comparison = pb.compare(encoder, images, record)
print(f"spikes per stimulus: {comparison.prior.measured}, in the simulation")
print(f"                     {comparison.fidelity.predicted:.4g}, from the posterior rates")
print(f"                     {comparison.prior.predicted:.4g}, from the prior rates")

# %%
# The last two differ, as they may: the authors' linear encoders have no bias, so that the prior
# rates need not be the mean posterior rates, and this one has only begun to learn.
#
# What it costs, with Attwell and Laughlin's numbers for rodent cortex:

cost = pb.metabolic_cost(record)
print(f"ATP for spikes, per stimulus: {cost.spiking_per_stimulus:.3g}")
print(f"ATP for rest, per stimulus:   {cost.resting:.3g}")
print(f"both, as a power:             {cost.power.value}")
print(f"ATP for spikes, per bit:      {pb.compare_costs(comparison, cost).spiking_per_bit:.3g}")

# %%
# With so few spikes rest costs far more, wherever it is counted. Budgets for one tissue differ by
# factors: hold ratios against each other, not sums.

figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4), layout="constrained")
plot_measured_against_predicted(record, left)
plot_energy_by_budget(pb.metabolic_costs(record, sorted(pb.BUDGETS)), right)
plt.show()
