"""Studies that are ready to run."""

from __future__ import annotations

from types import MappingProxyType

from pvae_brian.sweep.study import Study

PRESETS = MappingProxyType(
    {
        # Minutes on a laptop.
        "quick": Study(
            betas=(0.5, 1, 2, 4),
            n_latents=(128, 256),
            n_train=25_000,
        ),
        # The grid of the published sweep, which trained up to five seeds of each point:
        # --seeds 0 1 2 3 4 does so too.
        "paper": Study(
            betas=(0.01, 0.1, 0.5, 1, 1.5, 2, 4, 8),
            n_latents=(32, 64, 128, 192, 256, 384, 512, 768, 1024, 2048, 4096),
        ),
    }
)
