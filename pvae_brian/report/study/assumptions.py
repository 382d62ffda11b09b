"""What the numbers of a study rest on."""

from __future__ import annotations

from collections.abc import Iterator

from pvae_brian.metabolism import EnergyBudget
from pvae_brian.report.assumptions import THIS_STUDY, describe_budget
from pvae_brian.report.page.parts import Assumption
from pvae_brian.sweep.answers import Answers
from pvae_brian.sweep.study import Study


def collect_study_assumptions(
    study: Study, answers: Answers, budget: EnergyBudget
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

    Returns
    -------
    tuple of Assumption
    """
    return (*_on_models(study, answers), *describe_budget(budget))


def _on_models(study: Study, answers: Answers) -> Iterator[Assumption]:
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
