"""How low the free energy of a linear P-VAE can get with ever more spikes.

What one learns: the free energy alone does not bound the firing rates. With many spikes and small
gains a P-VAE becomes a Gaussian VAE of fixed variance, whose best free energy is known. Where a
trained model with few spikes is above this limit, it is not the best model, and its number of
spikes owes something to where its training began and ended.

Run it with the extra ``[data]`` installed (some seconds)::

    python examples/dense_limit.py

Direction by direction, for a variance e of the patches above beta / 2, such a model gets to
sqrt(2 beta e) - beta / 2; below, nothing is encoded and e is left.
"""

import numpy as np

from pvae_brian.data import natural_patches

BETAS = (0.5, 1, 2, 4)


def dense_limit(patches: np.ndarray, beta: float, n_latents: int) -> float:
    """Return the free energy of the best dense model, shape of patches (n, height, width)."""
    x = patches.reshape(len(patches), -1).astype(np.float64)
    variances = np.linalg.eigvalsh(x.T @ x / len(x))[::-1]
    is_used = (variances > beta / 2) & (np.arange(len(variances)) < n_latents)
    used = np.sqrt(2 * beta * variances[is_used]) - beta / 2
    return used.sum() + variances[~is_used].sum()


def main() -> None:
    patches = natural_patches(n_train=100_000, n_test=2000, seed=0)
    print("Free energy at infinite rates, on the patches of training and on held-out ones")
    for n_latents in (128, 256):
        for beta in BETAS:
            train = dense_limit(patches.train, beta, n_latents)
            test = dense_limit(patches.test, beta, n_latents)
            print(f"K {n_latents:4d}, beta {beta:4g}: {train:7.2f} {test:7.2f}")


if __name__ == "__main__":
    main()
