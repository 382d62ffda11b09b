"""Results that the authors of the P-VAE published, as tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pandas as pd

_FOLDER = Path(__file__).parent / "published"


@dataclass(frozen=True)
class Published:
    """Where a table comes from.

    Attributes
    ----------
    source : str
        Who published it.
    url : str
        Where.
    data_set : str
        What the models were trained on.
    notes : str
        How to read its columns, and what is not known of it.
    """

    source: str
    url: str
    data_set: str
    notes: str


_PVAE = "Vafaii, Galor and Yates (2024), Poisson Variational Autoencoder"
_PVAE_URL = "https://arxiv.org/abs/2405.14473"
_METABOLIC = "Vafaii and Yates (2026), Metabolic cost of information processing in P-VAEs"
_METABOLIC_URL = "https://arxiv.org/abs/2602.13421"
_VAN_HATEREN = "van Hateren 16x16"

PUBLISHED = MappingProxyType(
    {
        "amortized_sparsity_vs_beta": Published(
            _METABOLIC,
            _METABOLIC_URL,
            _VAN_HATEREN,
            "Share of zeros among each model's own latents, and R2, by beta; '+amort' marks a "
            "model with an encoder. The table names neither its data nor K: the data set is "
            "that of the paper's sweep.",
        ),
        "pvae_beta_sweep": Published(
            _METABOLIC,
            _METABOLIC_URL,
            _VAN_HATEREN,
            "Error and KL of the P-VAE by encoder, decoder, beta and K: means and standard "
            "deviations over n_seeds seeds. 'active' is a share of latents; nelbo is mse + kl, "
            "whatever beta was.",
        ),
        "pvae_lifetime_sparsity": Published(
            _METABOLIC,
            _METABOLIC_URL,
            _VAN_HATEREN,
            "Lifetime sparsity of the P-VAE by beta. The table names neither its data nor K; its "
            "errors are those of pvae_beta_sweep with linear encoder and decoder at K 512.",
        ),
        "vae_family_beta1": Published(
            _PVAE,
            _PVAE_URL,
            "van Hateren 16x16, CIFAR 16x16 and MNIST, in the column dataset",
            "Error and KL at beta 1 and K 512 by model, encoder, decoder and method of the "
            "gradient (exact, Monte Carlo or straight-through): means and standard deviations "
            "over n_seeds seeds.",
        ),
    }
)


def load_published(name: str) -> pd.DataFrame:
    """Return a published table.

    Parameters
    ----------
    name : str
        A key of `PUBLISHED`.

    Returns
    -------
    DataFrame
        Its ``attrs`` say ``source``, ``url``, ``data_set`` and ``notes``.

    Raises
    ------
    ValueError
        If there is no table of that name.

    Examples
    --------
    >>> table = load_published("amortized_sparsity_vs_beta")
    >>> table.attrs["url"]
    'https://arxiv.org/abs/2602.13421'
    >>> sorted(set(table["model"]))
    ['gaussian+amort', 'gaussian+relu+amort', 'poisson+amort']
    """
    if name not in PUBLISHED:
        raise ValueError(f"published tables are {', '.join(PUBLISHED)}, not {name!r}; take one")
    table = pd.read_csv(_FOLDER / f"{name}.csv")
    table.attrs |= vars(PUBLISHED[name])
    return table
