"""What the numbers of a study rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pvae_brian.metabolism import EnergyBudget
from pvae_brian.report.assumptions import THIS_STUDY, describe_budget
from pvae_brian.report.page.parts import Assumption
from pvae_brian.sweep.answers import Answers
from pvae_brian.sweep.answers.rows import POISSON
from pvae_brian.sweep.study import Study

if TYPE_CHECKING:
    import pandas as pd


def collect_study_assumptions(
    study: Study, answers: Answers, budget: EnergyBudget, table: pd.DataFrame
) -> tuple[Assumption, ...]:
    """Return what the numbers of a study rest on.

    Parameters
    ----------
    study : Study
        Its settings.
    answers : Answers
        Of its table.
    budget : EnergyBudget
        That energy is counted by.
    table : DataFrame
        Of the study.

    Returns
    -------
    tuple of Assumption
    """
    return (*_on_models(study, answers, table), *describe_budget(budget))


def _on_models(study: Study, answers: Answers, table: pd.DataFrame) -> Iterator[Assumption]:
    yield Assumption(
        "A latent of a model is counted as one Poisson neuron, driven at a constant rate while a "
        "stimulus is shown.",
        "",
        "Vafaii, Galor and Yates (2024), arXiv:2405.14473, for Poisson counts",
    )
    if "gaussian-relu" in answers.models:
        yield Assumption(
            "The control's neurons are driven at the mean of its rectified latents. Its KL knows "
            "no rates, and the unit of its latents is free: how many spikes they make is a choice.",
            "",
            THIS_STUDY,
        )
    if POISSON in answers.models:
        yield Assumption(
            "Priors of P-VAEs are kept at their mean posterior rates while training, so that a "
            "prior within 2 % of these on training images, which is what 'converged' means, holds "
            "by construction. What is tested is held-out stimuli and the simulation.",
            "",
            THIS_STUDY,
            _count_plateaus(table),
        )
    yield Assumption(
        "The models know counts per window, but no seconds: how long a window lasts is a choice.",
        "",
        THIS_STUDY,
        f"{study.window_s:g} s",
    )
    yield Assumption(
        "Trends are judged over betas that are not below; published values are not monotone there.",
        "",
        "Vafaii and Yates (2026), https://arxiv.org/abs/2602.13421",
        f"β = {answers.beta_from:g}",
    )
    yield Assumption(
        "Tests of a trend take every order of the betas as equally likely, for each K and seed on "
        "its own.",
        "",
        "Page (1963), J. Am. Stat. Assoc. 58:216; Jonckheere (1954), Biometrika 41:133",
    )
    yield Assumption(
        "Lines over models take the models of the grid as a sample, which they are not: their "
        "intervals tell how well the models fit one line.",
        "",
        THIS_STUDY,
    )
    yield Assumption(
        "Intervals over stimuli are for stimuli drawn like these, independently of each other.",
        "",
        "Hesterberg (2015), The American Statistician 69:371",
    )


def _count_plateaus(table: pd.DataFrame) -> str:
    """How many P-VAEs ran until their free energy stopped falling."""
    reached = table.loc[table["model"] == POISSON, "plateau"].astype(bool)
    return f"plateau of the free energy reached by {int(reached.sum())} of {len(reached)} P-VAEs"
