"""When a training ends, and how its learning rate falls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pvae_brian.models.schedule import Cosine, Plateau


def run(schedule, energies):
    """Epochs that are run, and the learning rates in the middle of each."""
    seen, factors = [], []
    while not schedule.ends(seen):
        factors.append(schedule.factor(len(seen) + 0.5))
        seen.append(energies(len(seen)))
    return len(seen), factors


def test_a_flat_free_energy_ends_the_training_after_a_cooling():
    schedule = Plateau(100, 0.001)
    n, factors = run(schedule, lambda k: 100.0)
    # Flat after three epochs; 3/7 as many, at least one, follow.
    assert (n, factors, schedule.plateau) == (4, [1.0, 1.0, 1.0, 0.5], True)


def test_a_free_energy_that_goes_on_falling_takes_all_epochs():
    schedule = Plateau(20, 0.001)
    n, factors = run(schedule, lambda k: 1000.0 - 10 * k)
    assert n == 20
    assert not schedule.plateau
    assert factors[:14] == [1.0] * 14
    assert factors[14:] == pytest.approx([11 / 12, 9 / 12, 7 / 12, 5 / 12, 3 / 12, 1 / 12])


def test_a_fall_is_measured_by_the_free_energy_itself():
    # A fall of 1 per epoch is 1 % of 100, and less than 0.1 % of 2000.
    for level, plateau in ((2000.0, True), (100.0, False)):
        schedule = Plateau(20, 0.001)
        run(schedule, lambda k, level=level: level - k)
        assert schedule.plateau is plateau


def test_a_free_energy_below_zero_has_a_plateau_too():
    schedule = Plateau(50, 0.001)
    assert run(schedule, lambda k: -100.0)[0] == 4
    assert run(Plateau(50, 0.001), lambda k: -100.0 - 10 * k)[0] == 50


def test_no_plateau_is_looked_for_while_beta_rises():
    n, factors = run(Plateau(100, 0.001, first=10), lambda k: 100.0)
    assert factors[:13] == [1.0] * 13
    assert n == 13 + 6


@given(epochs=st.integers(1, 60), flat_from=st.integers(0, 80), first=st.integers(0, 60))
def test_it_never_takes_more_epochs_and_always_comes_to_rest(epochs, flat_from, first):
    schedule = Plateau(epochs, 0.01, first=first)
    n, factors = run(schedule, lambda k: 100.0 * 0.9 ** min(k, flat_from))
    assert 1 <= n <= epochs
    assert factors == sorted(factors, reverse=True)
    assert 0 <= schedule.factor(n) < 1e-9
    assert factors[-1] <= 0.5


@pytest.mark.parametrize("epochs", [1, 7])
def test_a_cosine_takes_all_epochs(epochs):
    schedule = Cosine(epochs)
    n, factors = run(schedule, lambda k: 0.0)
    assert (n, schedule.plateau) == (epochs, None)
    assert sum(factors) == pytest.approx(epochs / 2)


def test_what_rises_is_on_no_plateau():
    n, _ = run(Plateau(30, 0.001), lambda k: 100.0 + k)
    assert n == 30
    # Nor what diverges, however small its changes are beside itself.
    schedule = Plateau(30, 0.001)
    run(schedule, lambda k: 100.0 if k == 0 else 1e9 + 1e5 * k)
    assert not schedule.plateau
