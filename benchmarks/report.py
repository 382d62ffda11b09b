"""How long a large report takes, and how large it is.

    python benchmarks/report.py --stimuli 10000 --latents 512

Makes an untrained P-VAE with prior rates of 0.3 spikes, lets it look at white noise, saves the run
with its spike times, and times ``pvae-brian report`` on it as a whole process.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from pvae_brian import PoissonVAE, PoissonVAEConfig, load_encoder, save_checkpoint, simulate
from pvae_brian.runs import save_run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stimuli", type=int, default=10_000)
    parser.add_argument("--latents", type=int, default=512)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "RUN"
        n_spikes = _make_run(run, options.stimuli, options.latents)
        page = Path(folder) / "report.html"
        command = [sys.executable, "-m", "pvae_brian", "report", str(run), "-o", str(page)]
        start = time.perf_counter()
        subprocess.run(command, check=True)
        seconds = time.perf_counter() - start
        sizes = [path.stat().st_size / 1e6 for path in (page, page.with_suffix(".json"))]
    print(
        f"{options.stimuli} stimuli, {options.latents} latents, {n_spikes} spikes: "
        f"{seconds:.1f} s, page {sizes[0]:.2f} MB, JSON {sizes[1]:.2f} MB"
    )


def _make_run(run: Path, n_stimuli: int, n_latents: int) -> int:
    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=256, n_latents=n_latents))
    with torch.no_grad():
        # Gains of white noise are above 1 on average.
        model.log_rate.fill_(np.log(0.22))
    checkpoint = run.with_name("model.pt")
    save_checkpoint(model, checkpoint)
    images = np.random.default_rng(0).normal(size=(n_stimuli, 256)).astype(np.float32)
    encoder = load_encoder(checkpoint)
    record = simulate(encoder.posterior_rates(images), record="times")
    save_run(run, checkpoint, images, record)
    return len(record.spikes)


if __name__ == "__main__":
    main()
