"""
Train, convert, compare
=======================

What one learns: the whole way from images to a spiking network and back to the theory. The KL term
of a P-VAE is proportional to its prior rates, and at its optimum these are the mean rates of the
spikes. So the sum of the prior rates, the *prior rate cost*, foretells how many spikes a stimulus
takes. Here models are trained with three weights beta of the KL term, and what was foretold is
held against the spikes that Brian2 counts for images that no model was trained on.

The training is short, on few patches; it needs the extra ``[data]``, for the photographs.
"""

import matplotlib.pyplot as plt
import numpy as np
from brian2 import Network, ms, prefs, second, seed

import pvae_brian as pb
from pvae_brian.data import natural_patches
from pvae_brian.report import plot_measured_against_predicted

patches = natural_patches(n_train=3000, n_test=2000, size=8, seed=0)

# %%
# Train and compare:

comparisons = []
print("beta  prior rate cost  measured spikes          measured / cost       converged")
for beta in (1.0, 2.0, 4.0):
    config = pb.PoissonVAEConfig(n_inputs=64, n_latents=32)
    model = pb.PoissonVAE.from_config(config, seed=0)
    training = pb.train(model, patches.train, beta=beta, epochs=20, seed=0)
    encoder = pb.Encoder(model, image_shape=(64,), details={})
    record = pb.simulate(encoder.posterior_rates(patches.test), window=1 * second, seed=0)
    comparison = pb.compare(encoder, patches.test, record)
    prior = comparison.prior
    measured, ratio = f"{prior.measured:.2f}", f"{prior.ratio:.3f}"
    print(f"{beta:4g} {prior.predicted:16.2f}  {measured:23}  {ratio:20}  {training.converged}")
    comparisons.append(prior)

# %%
# The same neurons for a network of your own: `convert` makes them a Brian2 group. It is one more
# simulation of the last model, with other random numbers.

prefs.codegen.target = "numpy"  # nothing to compile, and quick enough
seed(0)
neurons = pb.convert(encoder, patches.test, window=1 * second, dt=10 * ms)
Network(neurons).run(1 * second)
print(f"spikes per stimulus: {neurons.counts.sum(axis=1).mean():.2f}, as a NeuronGroup")
print(f"                     {record.counts.sum(axis=1).mean():.2f}, by simulate")

# %%
# Left, one point per model, with 95 % intervals for images drawn like these. They do not hold what
# learning from few patches does: the prior rates are the mean rates of the training patches, and
# held-out ones take fewer spikes. Right, the neurons of the last model against the rates that drove
# them, which tests the simulation alone.

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
predicted = np.array([prior.predicted for prior in comparisons])
value, low, high = (
    np.array([getattr(prior.measured, end) for prior in comparisons])
    for end in ("value", "low", "high")
)
ends = [predicted.min() / 2, 4 * predicted.max()]
left.loglog(ends, ends, color="grey", label="as the KL term foretells")
left.errorbar(predicted, value, [value - low, high - value], fmt="o", label="measured")
for x, y, beta in zip(predicted, value, (1, 2, 4), strict=True):
    left.annotate(f"beta = {beta}", (x, y), (8, -12), textcoords="offset points")
left.set(xlabel="prior rate cost (spikes per stimulus)", ylabel="measured (spikes per stimulus)")
left.legend(frameon=False)
plot_measured_against_predicted(record, right)
plt.show()
