"""What a report holds: every quantity of the theory, with its interval."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest
import torch
from brian2 import kjoule, mole, ms, second

from pvae_brian import (
    BUDGETS,
    Encoder,
    EnergyBudget,
    Poisson,
    Refractory,
    analyse,
    load_encoder,
    simulate,
)
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.report import build_page, collect_quantities, page_json, render_html
from pvae_brian.report.assumptions import collect_assumptions
from pvae_brian.report.charts import collect_charts
from pvae_brian.report.overview import typical_stimuli
from pvae_brian.report.page.quantity import with_powers
from pvae_brian.report.pictures import picture_shape
from pvae_brian.runs import describe_provenance

from .chance import fresh_generator, fresh_seed

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")

# Of each section of docs/theory.md what must be there.
OF_THE_THEORY = {
    "Simulation fidelity": [
        "fidelity.measured",
        "fidelity.predicted",
        "fidelity.z",
        "fidelity.outside",
        "fidelity.fano",
        "fidelity.chi_square",
        "fidelity.p_value",
    ],
    "Clamp effect": [
        "clamp.clamped",
        "clamp.unclamped",
        "clamp.model_kl",
        "clamp.poisson_kl",
        "clamp.spikes_lost",
        "clamp.kl_difference",
    ],
    "Prior rate cost": [
        "prior.predicted",
        "prior.measured",
        "prior.ratio",
        "prior.neurons_foretold",
        "prior.spontaneous",
    ],
    "Coding cost": [
        "coding.kl_nats",
        "coding.kl_bits",
        "coding.bits_per_spike",
        "coding.kl_spikes_correlation",
    ],
    "Energy": [
        "energy.spiking",
        "energy.resting",
        "energy.total",
        "energy.joules",
        "energy.power",
        "energy.predicted",
        "energy.prior",
        "energy.spontaneous",
        "energy.foretold",
        "energy.spiking_per_bit",
        "energy.total_per_bit",
    ],
    "Fidelity of the code": ["code.error", "code.expected_error", "code.r2"],
    "Code against energy": [
        "course.bend",
        *(f"course.{what}_to_{share}" for share in (50, 80, 95) for what in ("time", "energy")),
    ],
    "Sparsity": ["sparsity.fraction_zeros", "sparsity.lifetime", "sparsity.population"],
    "Spike trains": ["trains.rate", "trains.cv", "trains.cv2"],
}

EXACT = ("fidelity.predicted", "prior.predicted", "energy.resting", "energy.prior")


def small(n_stimuli=12, n_inputs=16, n_latents=6, log_rate=1.0, decoder=True, **options):
    torch.manual_seed(fresh_seed())
    encoder = Encoder.from_module(
        torch.nn.Linear(n_inputs, n_latents).double(),
        np.full(n_latents, log_rate),
        image_shape=(n_inputs,),
        decoder=torch.nn.Linear(n_latents, n_inputs).double() if decoder else None,
    )
    images = fresh_generator().normal(size=(n_stimuli, n_inputs))
    options = {"n_steps": 100, "seed": fresh_seed(), "record": "times"} | options
    return encoder, images, simulate(encoder.posterior_rates(images), **options)


def page_of(analysis):
    provenance = describe_provenance(analysis.record, images=analysis.images)
    return build_page(analysis, provenance)


@pytest.fixture(scope="module")
def shipped():
    encoder, images = load_encoder(shipped_model()), shipped_patches()
    record = simulate(encoder.posterior_rates(images), record="times", seed=fresh_seed())
    return analyse(encoder, images, record)


@pytest.fixture(scope="module")
def page(shipped):
    return page_of(shipped)


# Quantities


def test_every_quantity_of_the_theory_is_there_with_an_interval(shipped):
    found = {}
    for quantity in collect_quantities(shipped):
        found.setdefault(quantity.section, {})[quantity.key] = quantity
    assert list(found) == list(OF_THE_THEORY)
    for section, keys in OF_THE_THEORY.items():
        for key in keys:
            quantity = found[section][key]
            assert math.isfinite(quantity.value), key
            assert math.isfinite(quantity.low), key
            assert math.isfinite(quantity.high), key
            assert quantity.interval, key
            if quantity.is_exact:
                assert key in EXACT
            elif key.startswith("clamp.") and shipped.encoder.details["rate_clamp"] is None:
                assert quantity.low <= quantity.value <= quantity.high, key
            elif quantity.interval != "range of 95 % of right simulations":
                assert quantity.low < quantity.value < quantity.high, key


def test_quantities_are_those_of_the_analysis(shipped):
    found = {quantity.key: quantity for quantity in collect_quantities(shipped)}
    comparison, cost = shipped.comparison, shipped.cost
    for key, estimate in {
        "fidelity.measured": comparison.fidelity.measured,
        "prior.ratio": comparison.prior.ratio,
        "coding.bits_per_spike": comparison.coding.bits_per_spike,
        "energy.total": cost.total_per_stimulus,
        "energy.joules": cost.in_joules().total_per_stimulus,
        "energy.foretold": shipped.cost_comparison.foretold.scaled(100),
        "code.r2": shipped.reconstruction.r2,
        "sparsity.lifetime": shipped.measures.sparsity.lifetime,
        "trains.cv": shipped.measures.isi.cv,
    }.items():
        quantity = found[key]
        ends = (quantity.value, quantity.low, quantity.high)
        assert ends == (estimate.value, estimate.low, estimate.high), key
    # A window of one second: joules are watts, Hz are spikes.
    assert found["energy.power"].value == pytest.approx(found["energy.joules"].value)
    assert found["trains.rate"].value == pytest.approx(found["fidelity.measured"].value / 256)
    kl, spikes = comparison.coding.kl_nats_per_neuron.value, shipped.record.counts.mean(axis=0)
    assert found["coding.kl_spikes_correlation"].value == pytest.approx(
        np.corrcoef(kl, spikes)[0, 1]
    )
    ratio = comparison.prior.ratio_per_neuron
    holds = ((ratio.low <= 1) & (ratio.high >= 1)).mean()
    assert found["prior.neurons_foretold"].value == pytest.approx(100 * holds)


def test_a_right_simulation_of_a_fitted_model_needs_no_warning(page):
    assert page.warnings == ()
    assert "256 Poisson neurons" in page.headline
    assert "2000 stimuli" in page.headline


def test_page_and_json_say_the_same(shipped, page):
    data, html = page_json(page), render_html(page)
    text = json.dumps(data, allow_nan=False)
    for quantity in page.quantities:
        held = data["quantities"][quantity.key]
        assert (held["value"], held["low"], held["high"]) == (
            quantity.value,
            quantity.low,
            quantity.high,
        )
        # With all its digits in the page.
        assert f'value="{quantity.value!r}"' in html
    per_neuron = data["data"]["per_neuron"]
    assert per_neuron["prior_rate"] == shipped.encoder.prior_rates.tolist()
    assert len(per_neuron["measured_over_prior"]["low"]) == 256
    assert per_neuron["fano"] == shipped.measures.fano_per_neuron.tolist()
    cost = shipped.cost.spiking_per_neuron
    assert per_neuron["spiking_cost_atp"]["high"] == cost.high.tolist()
    # Neurons without interspike intervals have none, as JSON has it.
    cv2 = shipped.measures.isi.cv2_per_neuron
    assert per_neuron["cv2"] == [None if np.isnan(x) else x for x in cv2.tolist()]
    assert data["data"]["course"]["time_s"] == shipped.course.time_s.tolist()
    assert data["reproduction"]["seed"] == shipped.record.seed
    assert data["reproduction"]["images_sha256"]
    assert len(text) < 500_000


# Assumptions


def test_every_number_that_costs_rest_on_has_its_source_and_grade(shipped):
    assumptions = collect_assumptions(shipped)
    for name, budget in BUDGETS.items():
        spike, rest = (a for a in assumptions if a.statement.startswith(f"{name}: "))
        assert (spike.grade, spike.source) == (budget.grade, budget.source)
        assert with_powers(budget.notes) in spike.statement
        grade = "" if budget.rest_cost is None else budget.rest_grade or budget.grade
        assert rest.grade == grade
        assert with_powers(f"{shipped.costs[0].budget.cost_per_spike:.3g}") in assumptions[5].value
        assert ("not stated" in rest.value) == (budget.rest_cost is None)
    hydrolysis = assumptions[-1]
    assert "50 kJ/mol" in hydrolysis.value
    assert "44 to 60" in hydrolysis.source
    # A spike reaches each pixel.
    loihi = next(a for a in assumptions if a.statement.startswith("loihi: a spike"))
    assert "256 synaptic events" in loihi.value


def test_other_assumptions_are_named_as_such():
    encoder, images, record = small()
    own = EnergyBudget(
        "own", grade="C", source="me", synaptic_cost=2.0, fan_out=3, scope="per part"
    )
    analysis = analyse(
        encoder,
        images,
        record,
        budget=own,
        other_budgets=(),
        fan_out=7,
        hydrolysis=44 * kjoule / mole,
    )
    assert [cost.budget.name for cost in analysis.costs] == ["own"]
    spike, rest, hydrolysis = collect_assumptions(analysis)[-3:]
    assert "7 synaptic events of 2 ATP" in spike.value
    assert "not stated" in rest.source
    assert hydrolysis.value.startswith("44 kJ/mol")
    assert hydrolysis.grade == ""


def test_a_spike_reaches_each_pixel_unless_said_otherwise():
    encoder, images, record = small(n_inputs=9)
    for fan_out, expected in ((None, 9), (40, 40)):
        analysis = analyse(encoder, images, record, fan_out=fan_out)
        found = {cost.budget.name: cost.budget.fan_out for cost in analysis.costs}
        assert found["loihi"] == found["truenorth"] == found["cmos-45nm"] == expected
        assert found["attwell-laughlin-2001"] is None
    own = EnergyBudget("own", grade="C", source="me", synaptic_cost=1.0, fan_out=3)
    assert analyse(encoder, images, record, budget=own).cost.budget.fan_out == 3
    assert analyse(encoder, images, record, budget=own, fan_out=5).cost.budget.fan_out == 5
    with pytest.raises(TypeError, match="several"):
        analyse(encoder, images, record, other_budgets="loihi")


# Extremes


@pytest.mark.parametrize(
    "options",
    [
        {"n_stimuli": 1},
        {"n_latents": 1},
        {"n_inputs": 1},
        {"log_rate": -60.0},
        {"log_rate": -800.0},
        {"n_stimuli": 1, "n_latents": 1, "n_inputs": 1, "log_rate": -60.0},
        {"n_stimuli": 2, "n_latents": 2},
        {"decoder": False},
        {"n_inputs": 12},
        {"record": "counts"},
        {"window": 50 * ms},
        {"neuron": "sampler", "record": "counts"},
        {"neuron": Refractory(10 * ms, 5 * ms)},
    ],
    ids=str,
)
def test_a_page_of_any_run(options):
    analysis = analyse(*small(**options))
    page = page_of(analysis)
    assert render_html(page).startswith("<!doctype html>")
    json.dumps(page_json(page), allow_nan=False)
    assert page.headline.endswith(".")


def test_what_cannot_be_measured_is_left_out_and_said():
    without_times = page_of(analyse(*small(n_stimuli=40, record="counts")))
    assert any("--record times" in warning for warning in without_times.warnings)
    keys = {quantity.key.partition(".")[0] for quantity in without_times.quantities}
    assert "code" in keys
    assert "course" not in keys
    assert {chart.key for chart in without_times.charts}.isdisjoint({"raster", "course", "r2"})
    blind = page_of(analyse(*small(n_stimuli=40, decoder=False)))
    assert any("no decoder" in warning for warning in blind.warnings)
    assert {chart.key for chart in blind.charts}.isdisjoint({"reconstructions", "features", "r2"})
    oblong = {chart.key for chart in collect_charts(analyse(*small(n_inputs=12)))}
    assert "course" in oblong
    assert oblong.isdisjoint({"reconstructions", "features"})


# Warnings


def warned(encoder, images, record) -> str:
    return " ".join(page_of(analyse(encoder, images, record)).warnings)


def test_a_wrong_simulation_is_not_to_be_trusted():
    encoder, images, record = small(n_stimuli=200, record="counts")
    wrong = dataclasses.replace(record, counts=2 * record.counts)
    assert "standard errors. Do not trust" in warned(encoder, images, wrong)
    assert "do not fit Poisson laws" in warned(encoder, images, wrong)


def test_other_warnings():
    assert "3 stimuli" in warned(*small(n_stimuli=3))
    assert "no intervals over stimuli" in warned(*small(n_stimuli=1))
    assert "no spike was simulated" in warned(*small(neuron="sampler", record="counts"))
    # Rates far above the prior's.
    encoder, images, _ = small(n_stimuli=100, log_rate=-2.0)
    images = 3 * images
    record = simulate(encoder.posterior_rates(images), window=1 * second, seed=fresh_seed())
    assert "not at its optimum" in warned(encoder, images, record)
    # These fire less than their rates ask for, whatever the prior.
    encoder, images, record = small(n_stimuli=100, neuron=Refractory(60 * ms))
    assert "refractory, fire 0." in warned(encoder, images, record)


def test_a_clamp_that_acts_is_said():
    torch.manual_seed(fresh_seed())
    encoder = Encoder.from_module(
        torch.nn.Linear(4, 3).double(), np.full(3, 2.0), image_shape=(4,), rate_clamp=1.0
    )
    images = fresh_generator().normal(size=(50, 4))
    record = simulate(encoder.posterior_rates(images), seed=fresh_seed())
    assert "The clamp on the rate takes" in warned(encoder, images, record)


class Unknown(Poisson):
    """A neuron model that predicts nothing."""

    def predict(self, rates, window_s, n_steps):
        return None


def test_a_neuron_model_without_theory_is_said_to_be_one():
    encoder, images, record = small(n_stimuli=100, record="counts")
    odd = dataclasses.replace(record, counts=2 * record.counts, neuron=Unknown())
    analysis = analyse(encoder, images, odd)
    text = " ".join(page_of(analysis).warnings)
    assert "no theory" in text
    assert "Do not trust" not in text
    measured = collect_quantities(analysis)[0]
    assert "as if counts were Poisson" in measured.interval


def test_what_was_not_tested_has_no_p_value():
    found = {q.key: q for q in collect_quantities(analyse(*small(n_stimuli=1, n_latents=1)))}
    assert math.isnan(found["fidelity.p_value"].value)
    assert "too few" in found["fidelity.chi_square"].remark
    assert math.isnan(found["prior.neurons_foretold"].value)


def test_correlation_of_kl_and_spikes_needs_no_price():
    free = EnergyBudget("free", spike_cost=0.0, rest_cost=0.0, grade="C", source="a test")
    found = {q.key: q for q in collect_quantities(analyse(*small(), budget=free))}
    assert math.isfinite(found["coding.kl_spikes_correlation"].value)


# Charts


@pytest.mark.parametrize(
    ("image_shape", "shape"),
    [((36,), (6, 6)), ((1, 4, 9), (4, 9)), ((6, 10), (6, 10)), ((12,), None), ((3, 4, 4), None)],
)
def test_pictures_have_the_shape_of_the_images(image_shape, shape):
    n = math.prod(image_shape)
    encoder = Encoder.from_module(
        torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(n, 3)).double(),
        np.zeros(3),
        image_shape=image_shape,
        decoder=torch.nn.Linear(3, n).double(),
    )
    assert picture_shape(encoder) == shape
    images = fresh_generator().normal(size=(5, n))
    record = simulate(encoder.posterior_rates(images), n_steps=2, seed=fresh_seed())
    charts = {chart.key: chart for chart in collect_charts(analyse(encoder, images, record))}
    assert ("features" in charts) == ("reconstructions" in charts) == (shape is not None)
    if shape is not None:
        (mosaic,) = charts["reconstructions"].figure.axes[0].images
        held = mosaic.get_array()[: shape[0], : shape[1]]
        shown = typical_stimuli(record, 5)[0]
        np.testing.assert_allclose(held, images[shown].reshape(shape))


def test_a_name_of_a_budget_is_no_formula():
    odd = EnergyBudget("x_{ $a $b", spike_cost=1.0, grade="C", source="a test")
    assert "x_{ $a $b" in render_html(page_of(analyse(*small(), budget=odd)))


def test_charts_have_words_with_their_numbers(shipped):
    charts = collect_charts(shipped)
    assert [chart.key for chart in charts] == [
        "raster",
        "reconstructions",
        "measured",
        "fano",
        "kl",
        "energy",
        "course",
        "r2",
        "features",
    ]
    for chart in charts:
        assert chart.title
        assert chart.caption.endswith(".")
        assert any(character.isdigit() for character in chart.alt), chart.key
        assert len(chart.figure.axes) >= 1
