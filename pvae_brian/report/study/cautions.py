"""What a reader must know before trusting a study."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

import pandas as pd

from pvae_brian.report.page.quantity import format_number
from pvae_brian.report.study._series import known
from pvae_brian.sweep.answers import Answers
from pvae_brian.sweep.answers.rows import CONTROL, POISSON, name_points
from pvae_brian.sweep.results import Sweep

# Of hundreds of right simulations one is as far from its prediction once in a thousand studies.
_SUSPECT_Z = 4.9
_FEW_STIMULI = 30
# Named one by one; of more only some are.
_MOST_NAMES = 6


def collect_study_cautions(sweep: Sweep, answers: Answers) -> tuple[str, ...]:
    """Return a sentence or two for each reason to be careful with a study.

    Parameters
    ----------
    sweep : Sweep
        Of `load_sweep` or `run`.
    answers : Answers
        Of its table.

    Returns
    -------
    tuple of str
    """
    return tuple(_cautions(sweep, answers))


def _cautions(sweep: Sweep, answers: Answers) -> Iterator[str]:
    table = sweep.table
    if sweep.missing:
        names = name_points(pd.DataFrame([dataclasses.asdict(p) for p in sweep.missing]))
        yield (
            f"{len(names)} of {len(names) + len(table)} models are missing, and in no answer: "
            f"{_some(names)}. Run the sweep again to compute them."
        )
    if answers.not_converged:
        yield (
            f"{_models(len(answers.not_converged))} did not converge within {sweep.study.epochs} "
            f"epochs: {_some(answers.not_converged)}. {_reasons(table)} They are left out of the "
            "prediction and of KL against spikes, but not of the other answers."
        )
    if "plateau" in table and not table["plateau"].all():
        falling = name_points(table[~table["plateau"]])
        yield (
            f"The free energy of {_models(len(falling))} was still falling when training ended: "
            f"{_some(falling)}."
        )
    if POISSON in answers.models:
        yield (
            "Priors of P-VAEs are kept at their mean posterior rates while training: that they are "
            "within 2 % of these on training images holds by construction, and is no result. What "
            "is tested is whether it holds on held-out images, and in simulation."
        )
        yield (
            "The free energy of a P-VAE hardly bounds its rates: with ever more spikes it becomes "
            "a Gaussian VAE of fixed variance, at little cost or none. So numbers of spikes owe "
            "something to where training began and ended. It was alike for all models."
        )
    wrong = known(table, "fidelity_z")
    wrong = wrong[wrong["fidelity_z"].abs() > _SUSPECT_Z]
    if len(wrong):
        furthest = wrong["fidelity_z"].abs().max()
        yield (
            f"The simulation of {_models(len(wrong))} deviates from its prediction, by up to "
            f"{format_number(furthest)} standard errors: {_some(name_points(wrong))}. Do not trust "
            "these before that is explained."
        )
    if len(answers.seeds) == 1:
        yield (
            "Each model was trained once. Intervals are over stimuli: they say nothing of what "
            "training anew, from another seed, would give."
        )
    elif len(answers.seeds) == 2:
        yield "With two seeds the intervals over trainings are very wide."
    n_stimuli = int(table["n_stimuli"].min()) if len(table) else 0
    if 0 < n_stimuli < _FEW_STIMULI:
        yield f"With {n_stimuli} stimuli the intervals over stimuli are rough."
    yield (
        "All models are shown the same stimuli, and those of one K and seed begin with the same "
        "weights. Tests over models take them as independent."
    )
    if answers.directions:
        yield (
            f"Published values are of van Hateren's photographs, and these models were trained on "
            f"{sweep.study.data!r}: compare directions, not digits."
        )


def _reasons(table: pd.DataFrame) -> str:
    """What it means for the families whose models did not converge."""
    families = set(table.loc[~table["converged"].astype(bool), "model"])
    parts = []
    if POISSON in families:
        parts.append("Of a P-VAE: the prior is more than 2 % from its mean posterior rates.")
    if CONTROL in families:
        parts.append("Of a control: the free energy had not reached its plateau.")
    if families - {POISSON, CONTROL}:
        parts.append("Of a Gaussian VAE: the free energy had not reached its plateau.")
    return " ".join(parts)


def _models(n: int) -> str:
    return "1 model" if n == 1 else f"{n} models"


def _some(names: Sequence[str]) -> str:
    shown = "; ".join(names[:_MOST_NAMES])
    more = len(names) - _MOST_NAMES
    return f"{shown}; and {more} more" if more > 0 else shown
