"""compute_measures: each part is the measure of that name, for any kind of record."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from brian2 import ms
from hypothesis import given, settings
from hypothesis import strategies as st

from pvae_brian import Refractory, simulate
from pvae_brian import measures as room
from pvae_brian.measures import (
    Measures,
    compute_isi_statistics,
    compute_measures,
    compute_sparsity,
    fano_factor,
    mean_firing_rate,
    residual_fano,
)

from .chance import STANDARD_ERRORS, fresh_seed
from .test_spikes import make_record, records
from .test_variability import Unknown

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


def assert_equal(one, other):
    """Assert that two measures agree in every number, NaN where NaN."""
    assert type(one) is type(other)
    if dataclasses.is_dataclass(one):
        for field in dataclasses.fields(one):
            assert_equal(getattr(one, field.name), getattr(other, field.name))
    elif one is not None:
        np.testing.assert_array_equal(one, other)


def by_hand(record) -> Measures:
    law = record.prediction
    return Measures(
        rate=mean_firing_rate(record, axis=None),
        rate_per_neuron=mean_firing_rate(record),
        fano_per_neuron=fano_factor(record.counts),
        residual_fano_per_neuron=None if law is None else residual_fano(record.counts, law),
        isi=None if record.times is None else compute_isi_statistics(record),
        sparsity=compute_sparsity(record),
    )


@given(record=records(with_times=st.booleans()))
@settings(deadline=None, max_examples=50)
def test_any_record(record):
    measures = compute_measures(record)
    assert_equal(measures, by_hand(record))
    assert (measures.isi is None) == (record.times is None)
    per_neuron = (measures.rate_per_neuron.value, measures.residual_fano_per_neuron.high)
    for values in (*per_neuron, measures.fano_per_neuron):
        assert values.shape == (record.n_latents,)
    assert measures.rate.value == pytest.approx(record.counts.mean() / record.window_s)


@pytest.mark.parametrize("shape", [(1, 1), (1, 4), (4, 1)])
def test_silence(shape):
    record = simulate(np.zeros(shape), record="times")
    measures = compute_measures(record)
    assert measures.rate.value == 0
    assert np.isnan(measures.fano_per_neuron).all()
    assert np.isnan(measures.residual_fano_per_neuron.value).all()
    assert np.isnan([measures.isi.cv.value, measures.isi.cv2.value]).all()
    assert measures.sparsity.fraction_zeros.value == 1
    assert measures.sparsity.lifetime.value == measures.sparsity.population.value == 1


def test_a_neuron_without_theory_has_no_residual_fano():
    record = make_record([[3, 0], [5, 4]], neuron=Unknown())
    measures = compute_measures(record)
    assert measures.residual_fano_per_neuron is None
    assert measures.rate.value == pytest.approx(3)


@pytest.mark.parametrize("empty", [([], slice(None)), (slice(None), [])])
def test_nothing_has_no_measures(empty):
    with pytest.raises(ValueError, match="at least one stimulus and one latent"):
        compute_measures(make_record([[5, 1], [2, 3]])[empty])


def test_poisson_neurons_have_one_where_they_should():
    record = simulate(np.full((500, 8), 20.0), record="times", seed=fresh_seed())
    measures = compute_measures(record)
    # A margin of a 95 % interval is two standard errors.
    for found, expected in [
        (measures.rate_per_neuron, 20),
        (measures.residual_fano_per_neuron, 1),
        (measures.isi.cv, 1),
        (measures.isi.cv2, 1),
    ]:
        error = (found.high - found.low) / 4
        assert (np.abs(found.value - expected) < (STANDARD_ERRORS + 1) * error).all()
    assert np.abs(measures.fano_per_neuron - 1).max() < STANDARD_ERRORS * np.sqrt(2.1 / 499)


def test_refractory_neurons_are_regular_in_counts_and_intervals_alike():
    """In a long window the Fano factor of a renewal process is the square of its CV (Cox 1962)."""
    neuron = Refractory(absolute=10 * ms)
    record = simulate(
        np.full((100, 5), 200.0), neuron=neuron, n_steps=400, record="times", seed=fresh_seed()
    )
    measures = compute_measures(record)
    cv = measures.isi.cv
    # 1 / (1 + 200 Hz * 10 ms), less the bias of a third of an interval over the window.
    assert abs(cv.value - 1 / 3) < STANDARD_ERRORS * (cv.high - cv.low) / 3.9 + 2e-3
    fano = measures.residual_fano_per_neuron
    error = (fano.high - fano.value) / 1.96
    assert (np.abs(fano.value - cv.value**2) < STANDARD_ERRORS * error + 5e-3).all()


def test_public_names_are_all_there():
    for name in room.__all__:
        assert getattr(room, name) is not None
