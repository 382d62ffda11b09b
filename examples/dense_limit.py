r"""
The dense limit
===============

What one learns: the free energy alone does not bound the firing rates. With many spikes and small
gains a P-VAE becomes a Gaussian VAE of fixed variance, whose best free energy is known. Where a
trained model with few spikes is above this limit, it is not the best model, and its number of
spikes owes something to where its training began and ended.

Along one principal component of the patches, of variance :math:`e`, the model encodes :math:`w x`
and decodes by :math:`f`, with :math:`f w = a = 1 - \sqrt{\beta / (2 e)}` and
:math:`f^2 = a \sqrt{\beta e / 2}`, which leaves a free energy of
:math:`\sqrt{2 \beta e} - \beta / 2`; where :math:`e < \beta / 2`, nothing is encoded and :math:`e`
is left. One latent is taken up by the mean of the counts, unless the decoder has a bias. See
:doc:`/theory`.

It needs the extra ``[data]``, for the photographs.
"""

import csv
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from pvae_brian.data import natural_patches

# Those of the quick study, so that its models can be held against it.
BETAS = (0.5, 1, 2, 4)
N_TRAIN, N_TEST = 25_000, 2000


def dense_limit(train: np.ndarray, test: np.ndarray, beta: float, n_latents: int) -> float:
    """Return the free energy on test patches of the dense model that is best for training."""
    train, test = (x.reshape(len(x), -1).astype(np.float64) for x in (train, test))
    mean = train.mean(axis=0)
    variance, directions = np.linalg.eigh((train - mean).T @ (train - mean) / len(train))
    # The largest first.
    variance, directions = variance[::-1], directions[:, ::-1]
    seen = np.square((test - mean) @ directions).mean(axis=0)
    is_used = (variance > beta / 2) & (np.arange(len(variance)) < n_latents - 1)
    e, seen_used = variance[is_used], seen[is_used]
    a = 1 - np.sqrt(beta / (2 * e))
    noise = a * np.sqrt(beta * e / 2)
    # The KL is w^2 / 2 times the variance that is seen.
    cost = noise * seen_used / e
    return float(((1 - a) ** 2 * seen_used + noise + cost).sum() + seen[~is_used].sum())


patches = natural_patches(n_train=N_TRAIN, n_test=N_TEST, seed=0)
print("Free energy at infinite rates, on the patches of training and on held-out ones")
limits = {}
for n_latents in (128, 256):
    for beta in BETAS:
        on_train = dense_limit(patches.train, patches.train, beta, n_latents)
        limits[beta, n_latents] = dense_limit(patches.train, patches.test, beta, n_latents)
        print(f"K {n_latents:4d}, beta {beta:4g}: {on_train:7.2f} {limits[beta, n_latents]:7.2f}")

# %%
# The P-VAEs of :doc:`the quick study </study>` beside it. Below zero a trained model, with its few
# spikes, is better than any dense one.

study = Path(sys.argv[0]).resolve().parent.parent / "docs" / "study" / "summary.csv"
with study.open(encoding="utf-8") as file:
    models = [row for row in csv.DictReader(file) if row["model"] == "poisson"]
ax = plt.subplots(layout="constrained")[1]
for n_latents in (128, 256):
    found = {float(row["beta"]): row for row in models if int(row["K"]) == n_latents}
    above = [float(found[beta]["free energy"]) - limits[beta, n_latents] for beta in BETAS]
    ax.plot(BETAS, above, "o-", label=f"K = {n_latents}")
ax.axhline(0, color="grey", label="dense limit")
ax.set(xscale="log", xlabel="beta (weight of the KL)")
ax.set_ylabel("free energy above the dense limit,\nheld-out patches")
ax.set_xticks(BETAS, BETAS, minor=False)
ax.minorticks_off()
ax.legend(frameon=False)
plt.show()
