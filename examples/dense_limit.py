"""How low the free energy of a linear P-VAE can get with ever more spikes.

What one learns: the free energy alone does not bound the firing rates. With many spikes and small
gains a P-VAE becomes a Gaussian VAE of fixed variance, whose best free energy is known. Where a
trained model with few spikes is above this limit, it is not the best model, and its number of
spikes owes something to where its training began and ended.

Run it with the extra ``[data]`` installed (some seconds)::

    python examples/dense_limit.py

Along one principal component of the patches, of variance e, the model encodes w x and decodes by
f, with f w = a = 1 - sqrt(beta / (2 e)) and f^2 = a sqrt(beta e / 2), which leaves a free energy of
sqrt(2 beta e) - beta / 2; where e is below beta / 2, nothing is encoded and e is left. One latent
is taken up by the mean of the counts, unless the decoder has a bias.
"""

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


def main() -> None:
    patches = natural_patches(n_train=N_TRAIN, n_test=N_TEST, seed=0)
    print("Free energy at infinite rates, on the patches of training and on held-out ones")
    for n_latents in (128, 256):
        for beta in BETAS:
            train, test = (
                dense_limit(patches.train, seen, beta, n_latents)
                for seen in (patches.train, patches.test)
            )
            print(f"K {n_latents:4d}, beta {beta:4g}: {train:7.2f} {test:7.2f}")


if __name__ == "__main__":
    main()
