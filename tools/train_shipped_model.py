"""Train the small P-VAE that ships with the package, and record its numbers beside it.

Run it with the extra ``[data]`` installed (a few minutes on two cores)::

    python tools/train_shipped_model.py            # into the folder shipped-model
    python tools/train_shipped_model.py FOLDER     # into another
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np

import pvae_brian as pb
from pvae_brian.data import natural_patches
from pvae_brian.models import evaluate

BETA = 2.0
N_LATENTS = 256
EPOCHS = 200
# A long warm-up at a small beta lets rates grow that later hardly fall again.
WARMUP = 0.02


def main(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    patches = natural_patches(n_train=100_000, n_test=2000, seed=0)
    test = patches.test.astype(np.float16)
    np.save(folder / "patches.npy", test)

    model = pb.PoissonVAE.from_config(pb.PoissonVAEConfig(n_inputs=256, n_latents=N_LATENTS))
    # Longer than the defaults of train, and along the gradient but for the prior, so that all
    # epochs count alike.
    record = pb.train(
        model,
        patches.train,
        beta=BETA,
        epochs=EPOCHS,
        batch_size=1000,
        learning_rate=0.005,
        tolerance=None,
        warmup=WARMUP,
        closed_form=False,
        progress=True,
    )
    training = dataclasses.asdict(record)
    pb.save_checkpoint(model, folder / "model.pt", training=training, force=True)

    encoder = pb.load_encoder(folder / "model.pt")
    held_out = evaluate(model, test.astype(np.float32))
    energies = record.free_energy
    tenth = EPOCHS // 10
    numbers = {
        "beta": BETA,
        "n_latents": N_LATENTS,
        "epochs": EPOCHS,
        "seconds": round(record.seconds),
        "data": patches.source,
        "free_energy_train": round(energies[-1], 3),
        "free_energy_fell_in_the_last_tenth_by": round(energies[-1 - tenth] - energies[-1], 3),
        "free_energy_test": round(float(held_out.total(BETA)), 3),
        "reconstruction_test": round(float(held_out.reconstruction), 3),
        "kl_nats_test": round(float(held_out.kl), 3),
        "prior_rate_cost": round(record.prior_rate_cost, 4),
        "mean_posterior_spikes_train": round(record.mean_posterior_rate, 4),
        "mean_posterior_spikes_test": round(
            float(encoder.posterior_rates(test.astype(np.float32)).sum(axis=1).mean()), 4
        ),
        "versions": {"pvae_brian": pb.__version__, "numpy": np.__version__},
    }
    text = json.dumps(numbers, indent=2)
    (folder / "model.json").write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "shipped-model"))
