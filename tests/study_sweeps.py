"""Sweeps with made-up tables, whose models were never trained."""

from __future__ import annotations

import numpy as np
import torch

from pvae_brian import Encoder
from pvae_brian.sweep import Study, Sweep
from pvae_brian.sweep.folder import StudyFile, write_study

from .sweep_tables import example_table

# Of a whole study; that of features needs the models.
CHARTS = [
    "spikes",
    "zeros",
    "prior",
    "kl",
    "tradeoff",
    "growth-poisson",
    "growth-gaussian-relu",
    "features",
]


class MadeUpSweep(Sweep):
    """A sweep whose models were never trained."""

    n_inputs = 16

    def encoder(self, point):
        torch.manual_seed(0)
        return Encoder.from_module(
            torch.nn.Linear(self.n_inputs, point.n_latents).double(),
            np.zeros(point.n_latents),
            image_shape=(self.n_inputs,),
            decoder=torch.nn.Linear(point.n_latents, self.n_inputs).double(),
        )


def make_sweep(folder, table=None, missing=(), **settings) -> Sweep:
    table = example_table() if table is None else table
    study = Study(
        betas=tuple(dict.fromkeys(table["beta"])) or (1.0,),
        n_latents=tuple(dict.fromkeys(table["n_latents"].tolist())) or (64,),
        seeds=tuple(dict.fromkeys(table["seed"].tolist())) or (0,),
        models=tuple(dict.fromkeys(table["model"])) or ("poisson",),
        **settings,
    )
    write_study(folder, StudyFile(study.settings(), {"sha256": "ab" * 32}, study.points()))
    return MadeUpSweep(folder, study, table, tuple(missing))
