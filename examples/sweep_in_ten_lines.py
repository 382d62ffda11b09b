"""
A sweep in ten lines
====================

What one learns: how to train a grid of models over the weight beta of the KL term and the number K
of latents, beside controls whose KL knows no rates, to simulate all of them and to look at what was
found. The study is small, to take seconds: digits of 64 pixels, few latents, and so few epochs that
models have not converged, which hollow marks in the plots say.

It needs the extra ``[sweep]``, and ``[data]`` for the digits. Workers run on all cores.

A real one differs in its numbers only. See :doc:`/sweep` and :doc:`/study`.
"""

import tempfile

from pvae_brian import sweep

# Worker processes import this file too: hence the guard.
if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        study = sweep.Study(betas=(0.5, 2, 8), n_latents=(16, 32), data="digits", epochs=10)
        found = sweep.run(folder, study)
    print(
        found.table[["model", "beta", "n_latents", "spikes", "prior_rate_cost", "error"]].round(2)
    )

    import matplotlib.pyplot as plt

    from pvae_brian.report.study import plot_spikes_against_beta, plot_spikes_against_prior

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.5), layout="constrained")
    plot_spikes_against_beta(found.table, left)
    plot_spikes_against_prior(found.table, right)
    plt.show()
