"""compare: what it says of right simulations and of wrong ones; each number by another route."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
import torch
from brian2 import ms, second
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, chi2, kstest, poisson

from pvae_brian import (
    Encoder,
    PoissonVAE,
    PoissonVAEConfig,
    Refractory,
    compare,
    load_encoder,
    simulate,
)
from pvae_brian.data import shipped_model, shipped_patches
from pvae_brian.intervals import Estimate, poisson_interval

from .chance import FALSE_ALARM, STANDARD_ERRORS, fresh_generator, fresh_seed

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")


@dataclasses.dataclass
class Model:
    """A linear P-VAE whose every number can be worked out in numpy."""

    weight: np.ndarray
    bias: np.ndarray
    log_rate: np.ndarray
    images: np.ndarray
    rate_clamp: float | None

    @property
    def encoder(self) -> Encoder:
        n_latents, n_inputs = self.weight.shape
        module = torch.nn.Linear(n_inputs, n_latents).double()
        with torch.no_grad():
            module.weight.copy_(torch.as_tensor(self.weight))
            module.bias.copy_(torch.as_tensor(self.bias))
        return Encoder.from_module(
            module, self.log_rate, image_shape=(n_inputs,), rate_clamp=self.rate_clamp
        )

    @property
    def log_gains(self) -> np.ndarray:
        raw = self.images @ self.weight.T + self.bias
        return 10 - np.logaddexp(0, 10 - raw)

    def rates(self, clamped=True) -> np.ndarray:
        log_rates = self.log_rate + self.log_gains
        if clamped and self.rate_clamp is not None:
            log_rates = self.rate_clamp - np.logaddexp(0, self.rate_clamp - log_rates)
        return np.exp(log_rates)


def linear_model(n_stimuli=200, n_latents=6, n_inputs=9, rate_clamp=None, log_rate=None) -> Model:
    rng = fresh_generator()
    if log_rate is None:
        log_rate = rng.uniform(-3, 3, size=n_latents)
    return Model(
        weight=rng.normal(size=(n_latents, n_inputs)) / np.sqrt(n_inputs),
        bias=rng.normal(size=n_latents) / 4,
        log_rate=np.asarray(log_rate, dtype=float),
        images=rng.normal(size=(n_stimuli, n_inputs)),
        rate_clamp=rate_clamp,
    )


def run(model: Model, seed=None, **settings):
    rates = model.encoder.posterior_rates(model.images)
    seed = fresh_seed() if seed is None else seed
    return simulate(rates, seed=seed, **{"n_steps": 10, **settings})


@pytest.fixture(scope="module")
def model():
    return linear_model(log_rate=np.linspace(-3, 3, 6))


@pytest.fixture(scope="module")
def record(model):
    return run(model)


@pytest.fixture(scope="module")
def at_rest(model):
    return simulate(np.tile(np.exp(model.log_rate), (200, 1)), n_steps=10, seed=fresh_seed())


@pytest.fixture(scope="module")
def comparison(model, record, at_rest):
    return compare(model.encoder, model.images, record, spontaneous=at_rest)


# Extremes


def test_silent_population():
    model = linear_model(n_stimuli=5, n_latents=3, log_rate=[-60.0] * 3)
    comparison = compare(model.encoder, model.images, run(model))
    fidelity = comparison.fidelity
    assert (fidelity.measured.value, fidelity.measured.low) == (0, 0)
    assert fidelity.measured.high == pytest.approx(-np.log(0.025) / 5)
    assert fidelity.z == pytest.approx(0, abs=1e-9)
    assert (fidelity.outside.value, fidelity.fit.p_value) == (0, 1)
    assert comparison.prior.ratio.value == 0
    assert comparison.prior.spontaneous.value == 0
    assert comparison.coding.bits_per_spike.value == np.inf


def test_rates_that_underflow_to_zero():
    model = linear_model(n_stimuli=5, n_latents=2, log_rate=[-800.0] * 2)
    record = run(model)
    comparison = compare(model.encoder, model.images, record)
    assert (comparison.fidelity.z, comparison.fidelity.outside.value) == (0, 0)
    assert comparison.clamp.poisson_kl.value == comparison.clamp.model_kl.value == 0
    assert np.isnan(comparison.fidelity.fano.value)
    assert np.isnan(comparison.prior.ratio.value)
    wrong = dataclasses.replace(record, counts=record.counts + 1)
    fidelity = compare(model.encoder, model.images, wrong).fidelity
    assert (fidelity.z, fidelity.outside.value, fidelity.fit.p_value) == (np.inf, 1, 0)


def test_one_silent_neuron_among_others():
    model = linear_model(n_latents=3, log_rate=[1.0, -60.0, 0.0])
    comparison = compare(model.encoder, model.images, run(model))
    coding, prior = comparison.coding, comparison.prior
    assert coding.bits_per_spike_per_neuron.value[1] == np.inf
    assert np.isfinite(coding.bits_per_spike_per_neuron.value[[0, 2]]).all()
    assert prior.ratio_per_neuron.value[1] == 0
    assert np.isfinite(coding.bits_per_spike.high)


@pytest.mark.parametrize(("n_stimuli", "n_latents"), [(1, 1), (1, 4), (4, 1)])
def test_one_stimulus_or_one_latent(n_stimuli, n_latents):
    model = linear_model(n_stimuli, n_latents, log_rate=[2.0] * n_latents)
    record = run(model)
    comparison = compare(model.encoder, model.images, record)
    fidelity = comparison.fidelity
    assert (comparison.n_stimuli, comparison.n_latents) == (n_stimuli, n_latents)
    assert fidelity.measured.value == pytest.approx(record.counts.sum() / n_stimuli)
    assert abs(fidelity.z) < np.inf
    assert comparison.coding.kl_nats_per_neuron.value.shape == (n_latents,)
    # The spread over stimuli is known where there are several, and the Poisson law always.
    spread = [comparison.prior.ratio.low, comparison.coding.kl_nats.low, fidelity.measured.low]
    assert np.isfinite(spread).tolist() == [n_stimuli > 1, n_stimuli > 1, True]


@given(n_stimuli=st.integers(1, 6), n_latents=st.integers(1, 6), log_rate=st.floats(-5, 4))
@settings(deadline=None, max_examples=8)
def test_any_shape(n_stimuli, n_latents, log_rate):
    model = linear_model(n_stimuli, n_latents, log_rate=[log_rate] * n_latents)
    comparison = compare(model.encoder, model.images, run(model, n_steps=2))
    assert comparison.prior.ratio_per_neuron.value.shape == (n_latents,)
    assert comparison.coding.bits_per_spike_per_neuron.high.shape == (n_latents,)
    assert 0 <= comparison.fidelity.outside.value <= 1
    assert 0 <= comparison.fidelity.fit.p_value <= 1
    fano = comparison.fidelity.fano
    assert fano.low <= fano.value <= fano.high


# Every number by another route


def test_fidelity_by_hand(model, record, comparison):
    counts, rates = record.counts, model.rates()
    fidelity = comparison.fidelity
    assert fidelity.measured.value == pytest.approx(counts.sum() / 200)
    assert fidelity.predicted == pytest.approx(rates.sum() / 200)
    assert fidelity.expected.value == pytest.approx(fidelity.predicted)
    assert fidelity.expected.low < fidelity.predicted < fidelity.expected.high
    assert fidelity.z == pytest.approx((counts.sum() - rates.sum()) / np.sqrt(rates.sum()))
    low, high = poisson_interval(counts.sum())
    # Up to rounding: a product with 1 / 200 is not always the quotient.
    assert fidelity.measured.low == pytest.approx(low / 200, rel=1e-12)
    assert fidelity.measured.high == pytest.approx(high / 200, rel=1e-12)
    # Outside: a tail of less than 2.5 %.
    totals, means = counts.sum(axis=0), rates.sum(axis=0)
    is_outside = (poisson.cdf(totals, means) < 0.025) | (poisson.sf(totals - 1, means) < 0.025)
    assert fidelity.outside.value == pytest.approx(is_outside.mean())
    assert fidelity.fano.value == pytest.approx(((counts - rates) ** 2).sum() / rates.sum())


def test_standard_error_of_the_fano_factor_by_simulation(comparison, record):
    rng = fresh_generator()
    rates, n_repeats = record.rates, 2000
    fanos = [((rng.poisson(rates) - rates) ** 2).sum() / rates.sum() for _ in range(n_repeats)]
    fano = comparison.fidelity.fano
    error = (fano.high - fano.low) / (2 * 1.959964)
    # The relative error of a standard deviation is sqrt((kurtosis - 1) / 4n): 1.6 % if normal.
    assert np.std(fanos) == pytest.approx(error, rel=2 * STANDARD_ERRORS / np.sqrt(2 * n_repeats))


@pytest.mark.parametrize("rate_clamp", [None, 1.0])
def test_clamp_effect_and_poisson_kl_by_hand(rate_clamp):
    model = linear_model(n_stimuli=50, rate_clamp=rate_clamp)
    clamp = compare(model.encoder, model.images, run(model)).clamp
    rates, prior = model.rates(), np.exp(model.log_rate)
    gains = np.exp(model.log_gains)
    assert clamp.clamped.value == pytest.approx(rates.sum(axis=1).mean())
    assert clamp.unclamped.value == pytest.approx(model.rates(clamped=False).sum(axis=1).mean())
    model_kl = (prior * (1 - gains + gains * np.log(gains))).sum(axis=1).mean()
    assert clamp.model_kl.value == pytest.approx(model_kl)
    # The divergence from its definition: a sum over counts.
    largest = max(rates.max(), prior.max())
    counts = np.arange(largest + 12 * np.sqrt(largest) + 50)[:, None, None]
    log_ratio = poisson.logpmf(counts, rates) - poisson.logpmf(counts, prior)
    divergence = (poisson.pmf(counts, rates) * log_ratio).sum(axis=0)
    assert clamp.poisson_kl.value == pytest.approx(divergence.sum(axis=1).mean(), rel=1e-9)
    lost = clamp.unclamped.value - clamp.clamped.value
    assert clamp.spikes_lost.value == pytest.approx(lost, abs=1e-9)
    difference = clamp.model_kl.value - clamp.poisson_kl.value
    assert clamp.kl_difference.value == pytest.approx(difference, abs=1e-9)
    if rate_clamp is None:
        assert clamp.spikes_lost.high == 0
        assert clamp.clamped.value == clamp.unclamped.value
        assert clamp.poisson_kl.value == pytest.approx(clamp.model_kl.value)
    else:
        assert clamp.clamped.value < 0.9 * clamp.unclamped.value
        assert 0 < clamp.spikes_lost.low < lost < clamp.spikes_lost.high
        assert clamp.poisson_kl.value != pytest.approx(clamp.model_kl.value, rel=1e-6)


def test_prior_cost_by_hand(model, record, at_rest, comparison):
    prior, rates = comparison.prior, np.exp(model.log_rate)
    assert prior.predicted == pytest.approx(rates.sum())
    assert prior.measured.value == pytest.approx(record.counts.sum() / 200)
    for end in ("value", "low", "high"):
        ratio = getattr(prior.measured, end) / rates.sum()
        assert getattr(prior.ratio, end) == pytest.approx(ratio)
    np.testing.assert_allclose(prior.ratio_per_neuron.value, record.counts.mean(axis=0) / rates)
    assert prior.spontaneous.value == pytest.approx(at_rest.counts.sum() / 200)
    low, high = poisson_interval(at_rest.counts.sum())
    assert (prior.spontaneous.low, prior.spontaneous.high) == (low / 200, high / 200)


def test_coding_cost_by_hand(model, record, comparison):
    coding, gains = comparison.coding, np.exp(model.log_gains)
    kl = np.exp(model.log_rate) * (1 - gains + gains * np.log(gains))
    bits = kl / np.log(2)
    assert coding.kl_nats.value == pytest.approx(kl.sum(axis=1).mean())
    assert coding.kl_bits.value == pytest.approx(bits.sum(axis=1).mean())
    np.testing.assert_allclose(coding.kl_bits_by_stimulus, bits.sum(axis=1))
    assert coding.bits_per_spike.value == pytest.approx(bits.sum() / record.counts.sum())
    np.testing.assert_allclose(coding.kl_nats_per_neuron.value, kl.mean(axis=0))
    spikes = record.counts.sum(axis=0)
    fired = spikes > 0
    np.testing.assert_allclose(
        coding.bits_per_spike_per_neuron.value[fired], bits.sum(axis=0)[fired] / spikes[fired]
    )


def test_every_interval_over_stimuli_holds_its_estimate(comparison):
    for part in (comparison.prior, comparison.coding):
        for field in dataclasses.fields(part):
            estimate = getattr(part, field.name)
            if isinstance(estimate, Estimate):
                assert np.all(estimate.low <= estimate.value), field.name
                assert np.all(estimate.value <= estimate.high), field.name


# Right simulations


@pytest.mark.slow
def test_z_is_standard_normal_and_the_fit_uniform_over_simulations(model, at_rest):
    encoder, n_repeats = model.encoder, 30
    found = [
        compare(encoder, model.images, run(model), spontaneous=at_rest).fidelity
        for _ in range(n_repeats)
    ]
    z = np.array([fidelity.z for fidelity in found])
    assert FALSE_ALARM < chi2.cdf((z**2).sum(), n_repeats) < 1 - FALSE_ALARM
    assert abs(z.mean()) * np.sqrt(n_repeats) < STANDARD_ERRORS
    assert kstest(z, "norm").pvalue > FALSE_ALARM
    assert kstest([fidelity.fit.p_value for fidelity in found], "uniform").pvalue > FALSE_ALARM
    holds_one = [fidelity.fano.low < 1 < fidelity.fano.high for fidelity in found]
    # Rates of 50 and above make it a little skewed: 0.1 is allowed for instead of 0.05.
    assert n_repeats - sum(holds_one) <= binom.isf(FALSE_ALARM, n_repeats, 0.1)
    n_outside = 6 * sum(fidelity.outside.value for fidelity in found)
    assert n_outside <= binom.isf(FALSE_ALARM, 6 * n_repeats, 0.05)


def test_prior_ratio_is_one_where_the_prior_is_the_mean_rate():
    model = linear_model(n_stimuli=1000, log_rate=np.linspace(0, 2, 6))
    model.weight /= 2
    # Shift the log-gains until each gain is 1 on average.
    for _ in range(50):
        model.bias -= np.log(np.exp(model.log_gains).mean(axis=0))
    prior = compare(model.encoder, model.images, run(model)).prior
    for ratio in (prior.ratio, prior.ratio_per_neuron):
        error = (ratio.high - ratio.low) / (2 * 1.96)
        assert (np.abs(ratio.value - 1) < STANDARD_ERRORS * error).all()
        assert np.all(error < 0.1)


def test_spontaneous_spikes_come_at_the_prior_rates(model, record):
    prior = compare(model.encoder, model.images, record).prior
    total, expected = 200 * prior.spontaneous.value, 200 * prior.predicted
    assert abs(total - expected) < STANDARD_ERRORS * np.sqrt(expected)
    assert prior.spontaneous.low < prior.spontaneous.value < prior.spontaneous.high
    # Not the seed of the record: counts at rest do not follow those of the stimuli.
    again = compare(model.encoder, model.images, record).prior
    assert again.spontaneous == prior.spontaneous


def test_a_record_of_a_compiled_run_needs_no_compiler(model, record, monkeypatch):
    moved = dataclasses.replace(record, device="cpp_standalone")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    prior = compare(model.encoder, model.images, moved).prior
    expected = prior.predicted * 200
    assert abs(200 * prior.spontaneous.value - expected) < STANDARD_ERRORS * np.sqrt(expected)


def test_spontaneous_spikes_of_refractory_neurons_have_their_own_interval():
    model = linear_model(n_stimuli=40, log_rate=[4.0] * 6)
    record = run(model, neuron=Refractory(10 * ms), n_steps=200)
    spontaneous = compare(model.encoder, model.images, record).prior.spontaneous
    low, high = poisson_interval(spontaneous.value * 40)
    assert spontaneous.high - spontaneous.low < 0.9 * (high - low) / 40


def test_same_record_same_comparison(model, record, at_rest, comparison):
    again = compare(model.encoder, model.images, record, spontaneous=at_rest)
    assert again.fidelity == comparison.fidelity
    assert again.coding.bits_per_spike == comparison.coding.bits_per_spike


def test_window_does_not_matter_to_counts_per_window(model):
    record = run(model, window=50 * ms)
    fidelity = compare(model.encoder, model.images, record).fidelity
    assert abs(fidelity.z) < STANDARD_ERRORS
    assert fidelity.fit.p_value > FALSE_ALARM


def test_image_shaped_stimuli(model, record, at_rest, comparison):
    images = model.images.reshape(-1, 1, 3, 3)
    again = compare(model.encoder, images, record, spontaneous=at_rest)
    assert again.clamp == comparison.clamp


def test_untrained_model_of_the_package():
    torch.manual_seed(fresh_seed())
    config = PoissonVAEConfig(n_inputs=16, n_latents=8, rate_clamp=0.5)
    encoder = Encoder(PoissonVAE.from_config(config).double().eval(), (16,))
    images = fresh_generator().normal(size=(100, 4, 4))
    record = simulate(encoder.posterior_rates(images), n_steps=10, seed=fresh_seed())
    comparison = compare(encoder, images, record)
    assert abs(comparison.fidelity.z) < STANDARD_ERRORS
    assert comparison.clamp.clamped.value < comparison.clamp.unclamped.value


def test_shipped_model_predicts_the_mean_of_its_spikes():
    trained = json.loads(shipped_model().with_suffix(".json").read_text(encoding="utf-8"))
    encoder, images = load_encoder(shipped_model()), shipped_patches()
    record = simulate(
        encoder.posterior_rates(images), window=1 * second, n_steps=10, seed=fresh_seed()
    )
    comparison = compare(encoder, images, record)
    assert abs(comparison.fidelity.z) < STANDARD_ERRORS
    assert comparison.fidelity.fit.p_value > FALSE_ALARM
    # As training said of the same patches, before they were kept in half precision.
    told = trained["mean_posterior_spikes_test"]
    assert comparison.fidelity.predicted == pytest.approx(told, rel=1e-3)
    assert comparison.prior.predicted == pytest.approx(trained["prior_rate_cost"], rel=1e-3)
    # Held-out patches: the prior was fitted to others, of which it is the mean exactly.
    assert comparison.prior.ratio.value == pytest.approx(1, abs=0.05)


# Wrong simulations


def fidelity_of(model, record, at_rest, counts):
    wrong = dataclasses.replace(record, counts=counts.astype(np.int32))
    return compare(model.encoder, model.images, wrong, spontaneous=at_rest).fidelity


def test_doubled_counts_are_flagged(model, record, at_rest):
    fidelity = fidelity_of(model, record, at_rest, 2 * record.counts)
    assert fidelity.z > 2 * STANDARD_ERRORS
    assert fidelity.fano.low > 1.5
    assert fidelity.fit.p_value < FALSE_ALARM
    # Four of six at least, if those in the middle happen to be alike.
    assert fidelity.outside.low > 0.1


def test_binomial_counts_are_flagged():
    model = linear_model(n_stimuli=1000, log_rate=np.linspace(0, 3, 6))
    record, at_rest = run(model), simulate([np.exp(model.log_rate)], n_steps=1)
    n_steps = np.ceil(model.rates() / 0.5).astype(int)
    counts = fresh_generator().binomial(n_steps, model.rates() / n_steps)
    fidelity = fidelity_of(model, record, at_rest, counts)
    assert abs(fidelity.z) < STANDARD_ERRORS
    assert fidelity.fano.high < 1
    assert fidelity.fit.p_value < FALSE_ALARM


def test_neurons_out_of_order_are_flagged_though_the_total_is_right(model, record, at_rest):
    fidelity = fidelity_of(model, record, at_rest, record.counts[:, ::-1])
    assert abs(fidelity.z) < STANDARD_ERRORS
    # Four of six at least, if those in the middle happen to be alike.
    assert fidelity.outside.low > 0.1
    assert fidelity.fit.p_value < FALSE_ALARM


def test_stimuli_out_of_order_are_flagged_though_all_totals_are_right(model, record, at_rest):
    fidelity = fidelity_of(model, record, at_rest, record.counts[::-1])
    assert abs(fidelity.z) < STANDARD_ERRORS
    assert fidelity.fano.low > 1
    assert fidelity.fit.p_value < FALSE_ALARM


@pytest.mark.parametrize(
    "change",
    [
        lambda images: images[::-1],
        lambda images: images[:-1],
        lambda images: images + 0.01,
        lambda images: images[:1],
    ],
    ids=["order", "number", "shifted", "one"],
)
def test_record_of_other_images_is_refused(model, record, change):
    with pytest.raises(ValueError, match="simulated at the posterior rates of these images"):
        compare(model.encoder, change(model.images), record)


def test_record_of_another_encoder_is_refused(record):
    other = linear_model(n_latents=7)
    with pytest.raises(ValueError, match=r"\(200, 6\)"):
        compare(other.encoder, other.images, record)


@pytest.mark.parametrize("factor", [0.999, 1.001, 2.0])
def test_spontaneous_record_of_other_rates_is_refused(model, record, at_rest, factor):
    other = dataclasses.replace(at_rest, rates=factor * at_rest.rates)
    with pytest.raises(ValueError, match="prior rates of this encoder"):
        compare(model.encoder, model.images, record, spontaneous=other)


def test_spontaneous_record_of_other_neurons_is_refused(model, record):
    other = simulate(np.ones((3, 7)), n_steps=1)
    with pytest.raises(ValueError, match="prior rates of this encoder"):
        compare(model.encoder, model.images, record, spontaneous=other)


def test_rates_rounded_to_single_precision_are_accepted(model, record, at_rest, comparison):
    rounded = dataclasses.replace(record, rates=record.rates.astype(np.float32).astype(float))
    again = compare(model.encoder, model.images, rounded, spontaneous=at_rest)
    assert again.fidelity.z == pytest.approx(comparison.fidelity.z, abs=1e-3)


# Other neurons


@pytest.mark.filterwarnings("ignore:Bernoulli neurons")
@pytest.mark.parametrize(
    "neuron", ["sampler", "bernoulli", Refractory(absolute=5 * ms, relative=10 * ms)]
)
def test_each_neuron_model_is_held_against_its_own_law(neuron):
    """Steps so coarse, and periods so long, that a Poisson law would be far off."""
    model = linear_model(n_stimuli=3000, log_rate=np.full(6, np.log(8.0)))
    record = run(model, neuron=neuron, n_steps=400 if isinstance(neuron, Refractory) else 50)
    comparison = compare(model.encoder, model.images, record)
    fidelity = comparison.fidelity
    assert comparison.neuron == record.neuron.name
    assert abs(fidelity.z) < STANDARD_ERRORS
    # Three times the margin of a 95 % interval is nearly six standard errors.
    margin = 3 * (fidelity.fano.high - fidelity.fano.value)
    assert abs(fidelity.fano.value - fidelity.predicted_fano) < margin
    prediction = record.prediction
    assert fidelity.predicted == pytest.approx(prediction.mean.sum() / record.n_stimuli)
    if comparison.neuron == "sampler":
        assert fidelity.predicted_fano == 1
    else:
        assert fidelity.predicted_fano < 0.95
        # Which breaks the prediction of the model: its counts are not Poisson.
        assert fidelity.fit.p_value < FALSE_ALARM
    # At rest they are simulated with the same neurons.
    at_rest = record.neuron.predict(
        np.exp(model.log_rate)[None], record.window_s, record.n_steps
    ).mean.sum()
    spontaneous = comparison.prior.spontaneous
    assert abs(spontaneous.value - at_rest) < 3 * (spontaneous.high - spontaneous.value)
