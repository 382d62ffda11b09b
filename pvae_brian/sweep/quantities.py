"""What is measured of each point: the columns of the table, with units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

COORDINATES = ("model", "beta", "n_latents", "seed")


@dataclass(frozen=True)
class Column:
    """One quantity of the table.

    Attributes
    ----------
    name : str
        Of the column.
    unit : str
        As a reader would write it; empty for a number without one.
    meaning : str
        In one line.
    has_interval : bool
        Whether ``name_low`` and ``name_high`` hold the ends of its 95 % interval, for stimuli drawn
        like these (bootstrap).
    kind : type
        float, int or bool.
    """

    name: str
    unit: str
    meaning: str
    has_interval: bool = False
    kind: type = float

    def names(self) -> tuple[str, ...]:
        """Columns that it takes, the value first."""
        if not self.has_interval:
            return (self.name,)
        return self.name, f"{self.name}_low", f"{self.name}_high"


# The budget says in which unit energy is; the table's attributes name it.
ENERGY_UNIT = "ATP or J/stimulus"

COLUMNS = (
    Column("spikes", "1/stimulus", "spikes measured in simulation", True),
    Column("expected_spikes", "1/stimulus", "sum of the posterior rates"),
    Column(
        "prior_rate_cost",
        "1/stimulus",
        "sum of the prior rates; of a control, the activity of its prior",
    ),
    Column("spikes_over_prior", "", "spikes over the prior rate cost", True),
    Column("fidelity_z", "", "spikes less expected spikes, in standard errors of the simulation"),
    Column("fraction_zeros", "", "fraction of zero counts in simulation", True),
    Column("latent_zeros", "", "fraction of zeros among the model's own latents"),
    Column("lifetime_sparsity", "", "sparsity over stimuli, mean over neurons", True),
    Column("population_sparsity", "", "sparsity over neurons, mean over stimuli", True),
    Column("active_latents", "", "share of latents whose mean KL exceeds 0.01 nats"),
    Column("kl_nats", "nats/stimulus", "the model's KL term", True),
    Column("bits_per_spike", "bits", "KL per spike; of a P-VAE, bounds its information", True),
    Column("error", "squared error/stimulus", "of images decoded from simulated counts", True),
    Column("r2", "", "share of variance explained by simulated counts", True),
    Column("model_error", "squared error/stimulus", "expected by the model itself, held out"),
    Column("map_error", "squared error/stimulus", "of decoding the posterior mean"),
    Column("free_energy", "", "model_error + beta * kl_nats, on held-out images"),
    Column("train_free_energy", "", "the same on the training images, in the last epoch"),
    Column("energy", ENERGY_UNIT, "what the spikes cost under the budget", True),
    Column(
        "converged",
        "",
        "plateau reached, and prior rate cost within 2 % of the mean posterior rates in training",
        kind=bool,
    ),
    Column("plateau", "", "the free energy stopped falling before the last epoch", kind=bool),
    Column("epochs", "", "epochs that were run", kind=int),
    Column("n_stimuli", "", "held-out images that were shown", kind=int),
)


def column_names() -> Iterator[str]:
    """Names of all columns but the coordinates, in the order of the table."""
    for column in COLUMNS:
        yield from column.names()
