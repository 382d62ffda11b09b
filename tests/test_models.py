"""The Poisson VAE's equations, each by a second route."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare, norm, poisson

from pvae_brian.models import PoissonVAE, PoissonVAEConfig, evaluate, free_energy
from pvae_brian.models.closed_form import has_free_prior, set_prior
from pvae_brian.models.layers import LinearMap, excitatory_clamp, soft_clamp
from pvae_brian.models.relaxation import relaxed_counts
from pvae_brian.models.steps import RunningMean

from .chance import FALSE_ALARM, fresh_generator, fresh_seed

# torch's softplus is linear above 20, which leaves out at most this.
SOFTPLUS = np.exp(-20)


def assert_mean(samples, expected):
    """Samples have these means along axis 0, by one z-test for all at FALSE_ALARM."""
    samples = np.asarray(samples, dtype=np.float64)
    expected = np.broadcast_to(expected, samples.shape[1:])
    error = samples.std(axis=0, ddof=1) / np.sqrt(len(samples))
    z = (samples.mean(axis=0) - expected) / error
    bound = norm.isf(FALSE_ALARM / 2 / expected.size)
    assert np.all(np.abs(z) < bound), f"z = {z}, bound {bound:.2f}"


def build(n_inputs=6, n_latents=4, seed=0, **settings_):
    model = PoissonVAE.from_config(
        PoissonVAEConfig(n_inputs=n_inputs, n_latents=n_latents, **settings_), seed=seed
    ).double()
    with torch.no_grad():
        # Rates of order one, with biases, so that no term of the formulas is negligible.
        model.log_rate.copy_(torch.linspace(-1, 1, n_latents))
        for map_ in (model.encoder.head, model.decoder.head):
            map_.weight.mul_(6)
            if map_.bias is not None:
                map_.bias.uniform_(-0.5, 0.5, generator=torch.Generator().manual_seed(seed))
    return model


def images(n, n_inputs=6, seed=0):
    return torch.as_tensor(np.random.default_rng(seed).normal(size=(n, n_inputs)))


# Clamps ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("upper", [5.0, 5.3, 10.0])
def test_soft_clamp_at_its_extremes(dtype, upper):
    value = torch.tensor([1e30, torch.inf, upper, -1e4, -1e30, -torch.inf], dtype=dtype)
    expected = [upper, upper, upper - np.log(2), -1e4, -1e30, -np.inf]
    eps = torch.finfo(dtype).eps
    assert soft_clamp(value, upper).numpy() == pytest.approx(expected, rel=4 * eps)
    assert soft_clamp(torch.tensor(torch.nan), upper).isnan()


@given(st.floats(-1e3, 1e3), st.floats(-20, 20))
def test_soft_clamp_is_its_formula_and_never_above(value, upper):
    got = float(soft_clamp(torch.tensor(value, dtype=torch.float64), upper))
    assert got <= upper
    assert got <= value + SOFTPLUS + 1e-12
    assert got == pytest.approx(upper - np.logaddexp(0, upper - value), abs=2 * SOFTPLUS, rel=1e-13)


@given(st.floats(-1e3, 1e3))
def test_excitatory_clamp_lies_between_0_and_its_bound(value):
    got = float(excitatory_clamp(torch.tensor(value, dtype=torch.float64), 10.0))
    assert -1e-12 <= got <= 10 + 1e-12
    expected = np.logaddexp(0, value) - np.logaddexp(0, value - 10)
    assert got == pytest.approx(expected, abs=2 * SOFTPLUS)


def test_excitatory_clamp_of_nothing_is_nearly_nothing():
    # softplus(0) - softplus(-10): not exactly 0.
    got = float(excitatory_clamp(torch.zeros((), dtype=torch.float64), 10.0))
    assert got == pytest.approx(np.log(2) - np.log1p(np.exp(-10)), rel=1e-12)


# Rates, gains, KL -----------------------------------------------------------------------------


@pytest.mark.parametrize("excitatory_only", [False, True])
@pytest.mark.parametrize("rate_clamp", [None, 0.5, 5.0])
@pytest.mark.parametrize("rate_offset", [0.0, 0.25])
def test_rates_are_the_written_formula(excitatory_only, rate_clamp, rate_offset):
    model = build(excitatory_only=excitatory_only, rate_clamp=rate_clamp, rate_offset=rate_offset)
    x = images(7)
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    raw = x.numpy() @ state["encoder.head.weight"].T + state["encoder.head.bias"]
    if excitatory_only:
        log_gain = np.logaddexp(0, raw) - np.logaddexp(0, raw - 10)
    else:
        log_gain = 10 - np.logaddexp(0, 10 - raw)
    log_rate = state["log_rate"] + log_gain
    unclamped = np.exp(log_rate) + rate_offset
    if rate_clamp is not None:
        log_rate = rate_clamp - np.logaddexp(0, rate_clamp - log_rate)
    with torch.no_grad():
        got = model.log_gain(x)
        assert got.numpy() == pytest.approx(log_gain, abs=1e-8)
        rates = model.posterior_rates(got)
        assert rates.numpy() == pytest.approx(np.exp(log_rate) + rate_offset, rel=1e-8)
        rates = model.posterior_rates(got, clamped=False)
        assert rates.numpy() == pytest.approx(unclamped, rel=1e-8)


def test_kl_is_zero_at_a_gain_of_one_and_the_prior_rate_at_none():
    model = build()
    with torch.no_grad():
        assert torch.equal(model.kl_divergence(torch.zeros(2, 4).double()), torch.zeros(2, 4))
        silent = model.kl_divergence(torch.full((1, 4), -800.0).double())
        assert torch.allclose(silent[0], model.log_rate.exp(), rtol=1e-14)


def test_kl_is_the_sum_over_counts_where_no_clamp_acts():
    model = build()
    with torch.no_grad():
        log_gain = model.log_gain(images(5))
        got = model.kl_divergence(log_gain).numpy()
        posterior = model.posterior_rates(log_gain).numpy()
        prior = model.log_rate.exp().numpy()
    assert posterior.max() < 100
    counts = np.arange(1000)[:, None, None]
    log_p, log_q = poisson.logpmf(counts, posterior), poisson.logpmf(counts, prior)
    assert got == pytest.approx((np.exp(log_p) * (log_p - log_q)).sum(axis=0), rel=1e-9)


@given(st.floats(-1e-3, 1e-3))
def test_kl_is_quadratic_and_keeps_its_digits_near_a_gain_of_one(log_gain):
    model = build(n_latents=1)
    with torch.no_grad():
        got = float(model.kl_divergence(torch.tensor([[log_gain]], dtype=torch.float64)))
    # The Taylor series of 1 - e^v + v e^v; the rounding error is relative to v alone.
    series = log_gain**2 * (1 / 2 + log_gain / 3 + log_gain**2 / 8)
    assert got == pytest.approx(np.exp(-1) * series, rel=1e-9, abs=4e-16 * abs(log_gain))


@given(st.floats(-50, 10), st.floats(-20, 5))
def test_kl_is_never_negative(log_gain, log_rate):
    model = build(n_latents=1)
    with torch.no_grad():
        model.log_rate.fill_(log_rate)
        got = float(model.kl_divergence(torch.tensor([[log_gain]], dtype=torch.float64)))
    assert got >= -1e-15 * np.exp(log_rate) * abs(log_gain)


@pytest.mark.parametrize("norm_dim", [0, 1])
def test_normalised_maps_have_rows_or_columns_of_length_one(norm_dim):
    map_ = LinearMap(5, 3, bias=False, norm_dim=norm_dim).double()
    weight = map_.weight.detach().numpy()
    expected = weight / np.sqrt((weight**2).sum(axis=norm_dim, keepdims=True))
    assert map_.effective_weight().detach().numpy() == pytest.approx(expected, rel=1e-12)
    x = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)).double()
    assert map_(x).detach().numpy() == pytest.approx(x.numpy() @ expected.T, rel=1e-9, abs=1e-12)


# Free energy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("decoder_bias", [False, True])
@pytest.mark.parametrize("decoder_norm", [False, True])
def test_closed_form_of_the_error_against_hard_poisson_counts(decoder_bias, decoder_norm):
    model = build(decoder_bias=decoder_bias, decoder_norm=decoder_norm, rate_clamp=2.0)
    x = images(3)
    rng = fresh_generator()
    with torch.no_grad():
        rates = model.posterior_rates(model.log_gain(x)).numpy()
        exact = [float(free_energy(model, image[None]).reconstruction) for image in x]
        counts = torch.as_tensor(rng.poisson(rates, (100_000, *rates.shape)).astype(np.float64))
        errors = (x - model.decode(counts)).square().sum(dim=-1)
    assert_mean(errors.numpy(), exact)
    with torch.no_grad():
        assert float(free_energy(model, x).reconstruction) == pytest.approx(np.mean(exact))


def test_free_energy_of_silent_neurons_is_exact():
    model = build()
    with torch.no_grad():
        model.log_rate.fill_(-800.0)
        energy = free_energy(model, images(5))
    assert float(energy.reconstruction) == pytest.approx(
        float(images(5).square().sum(dim=1).mean()), rel=1e-12
    )
    assert float(energy.kl) == 0
    assert not energy.mean_rates.any()


@pytest.mark.parametrize(
    "settings_",
    [
        {},
        {"rate_clamp": 1.0, "decoder_bias": True, "encoder_bias": False},
        {"excitatory_only": True, "encoder_norm": True, "decoder_norm": True},
        {"encoder": "mlp", "encoder_expansion": 3},
    ],
)
def test_gradient_of_the_free_energy_against_finite_differences(settings_):
    class Total(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, x):
            return free_energy(self.model, x).total(0.7)

    module = Total(build(n_inputs=4, n_latents=3, **settings_))
    names, values = zip(*module.named_parameters(), strict=True)
    values = tuple(value.detach().clone().requires_grad_() for value in values)

    def total(*values):
        parameters = dict(zip(names, values, strict=True))
        return torch.func.functional_call(module, parameters, (images(5, 4),))

    assert torch.autograd.gradcheck(total, values, eps=1e-6, atol=1e-7, rtol=1e-5)


def test_mean_rates_are_unclamped_and_carry_no_gradient():
    model = build(rate_clamp=0.0)
    energy = free_energy(model, images(9))
    assert not energy.mean_rates.requires_grad
    rates = model.posterior_rates(model.log_gain(images(9)), clamped=False)
    assert torch.allclose(energy.mean_rates, rates.mean(dim=0))


def test_hard_counts_of_an_mlp_decoder_against_numpy_counts():
    model = build(decoder="mlp", decoder_expansion=2)
    x = images(1).expand(20_000, -1)
    with torch.no_grad():
        rates = model.posterior_rates(model.log_gain(x[:1])).numpy()
        counts = torch.as_tensor(fresh_generator().poisson(rates, (20_000, 4)).astype(float))
        errors = (x - model.decode(counts)).square().sum(dim=1).numpy()
        generator = torch.Generator().manual_seed(fresh_seed())
        got = float(free_energy(model, x, generator=generator).reconstruction)
    # Both are means of 20 000 samples.
    error = errors.std() * np.sqrt(2 / len(errors))
    assert abs(got - errors.mean()) < norm.isf(FALSE_ALARM / 2) * error


def test_samples_follow_the_generator():
    model, x = build(decoder="mlp"), images(8)

    def sample(seed, temperature):
        generator = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            energy = free_energy(model, x, temperature=temperature, generator=generator)
        return float(energy.reconstruction)

    for temperature in (0.0, 0.5):
        assert sample(1, temperature) == sample(1, temperature)
        assert sample(1, temperature) != sample(2, temperature)


def test_a_user_s_own_decoder_is_sampled_and_a_missing_one_named():
    log_rate = torch.zeros(4).double()
    encoder = torch.nn.Linear(6, 4).double()
    model = PoissonVAE(encoder, torch.nn.Linear(4, 6).double(), log_rate)
    assert free_energy(model, images(3)).reconstruction.isfinite()
    with pytest.raises(ValueError, match="no decoder"):
        free_energy(PoissonVAE(encoder, None, log_rate), images(3))


def test_evaluation_in_batches_is_one_mean():
    model, x = build(), images(9000)
    with torch.no_grad():
        whole = free_energy(model, x)
    parts = evaluate(model, x.numpy())
    assert float(parts.reconstruction) == pytest.approx(float(whole.reconstruction), rel=1e-12)
    assert float(parts.kl) == pytest.approx(float(whole.kl), rel=1e-12)
    assert torch.allclose(parts.mean_rates, whole.mean_rates, rtol=1e-12)


def test_evaluation_of_a_user_s_own_module_is_refused():
    model = PoissonVAE(torch.nn.Linear(6, 4), None, torch.zeros(4))
    with pytest.raises(ValueError, match="from_config"):
        evaluate(model, images(3).numpy())


# Relaxed counts -------------------------------------------------------------------------------


def draw(rates, temperature, n):
    """Relaxed counts and the derivative of each by its own rate: two arrays (n, n_rates)."""
    rates = torch.tensor(rates, dtype=torch.float64).expand(n, -1).clone().requires_grad_()
    generator = torch.Generator().manual_seed(fresh_seed())
    counts = relaxed_counts(rates, temperature, generator)
    counts.sum().backward()
    return counts.detach().numpy(), rates.grad.numpy()


@pytest.mark.parametrize("temperature", [0.05, 1.0])
def test_relaxed_counts_of_silent_neurons_are_zero_with_finite_gradients(temperature):
    # 1e-20 overflows the arrival times' gradient in float32, where it is not guarded.
    rates = torch.tensor([[0.0, 1e-38, 1e-20, 1e-13]], requires_grad=True)
    counts = relaxed_counts(rates, temperature)
    counts.sum().backward()
    assert not counts.any()
    assert rates.grad.isfinite().all()


@pytest.mark.parametrize("temperature", [1e-4, 0.05, 0.3])
def test_relaxed_counts_have_the_mean_and_variance_of_campbell_s_theorem(temperature):
    # For sigmoids of arrivals on (0, inf): rate times the integrals of s and of s squared.
    # The largest rate sets how many arrivals are drawn, which cuts its own off at 1 + 2
    # temperatures or a little later: it stands there for the others to be whole.
    *rates, _ = largest = [0.5, 1.0, 5.0, 30.0, 75.0]
    counts, gradient = (values[:, :-1] for values in draw(largest, temperature, 20_000))
    rates = np.array(rates)
    area = temperature * np.logaddexp(0, 1 / temperature)
    square = area - temperature / (1 + np.exp(-1 / temperature))
    assert_mean(counts, rates * area)
    assert_mean((counts - rates * area) ** 2, rates * square)
    # Pathwise derivatives have the derivative of the mean as their mean, so they point up.
    if temperature >= 0.05:
        assert_mean(gradient, area)


def test_cold_relaxed_counts_are_poisson():
    counts, _ = draw([3.0], 1e-5, 20_000)
    rounded = np.rint(counts)
    # An arrival lies within the step of width 1e-4 at the window's end once in 3000 counts.
    assert np.mean(np.abs(counts - rounded) > 1e-3) < 0.005
    observed = np.bincount(rounded.astype(int).ravel().clip(max=9), minlength=10)
    expected = poisson.pmf(np.arange(10), 3.0)
    expected[9] = poisson.sf(8, 3.0)
    assert chisquare(observed, expected * len(counts)).pvalue > FALSE_ALARM


def test_large_rates_are_capped_and_broken_ones_do_not_hide():
    counts = relaxed_counts(torch.tensor([[1e6]]), 0.05)
    assert float(counts) == pytest.approx(1000)
    assert relaxed_counts(torch.tensor([[torch.nan]]), 0.05).isnan().all()


@pytest.mark.parametrize("temperature", [0.0, -1.0])
def test_relaxed_counts_need_a_temperature(temperature):
    with pytest.raises(ValueError, match="above 0"):
        relaxed_counts(torch.ones(1, 1), temperature)


# The prior ------------------------------------------------------------------------------------


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**31), st.floats(0, 3), st.floats(-4, 2))
def test_set_prior_keeps_posterior_rates_and_lowers_the_kl(seed, spread, level):
    model = build(seed=0)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        model.log_rate.copy_(torch.as_tensor(rng.normal(level, spread, 4)))
        x = images(20, seed=seed)
        raw = model.encoder(x)
        before = free_energy(model, x)
        rates = model.posterior_rates(model.log_gain(x))
        shift = before.mean_rates.log() - model.log_rate
        set_prior(model, before.mean_rates)
        after = free_energy(model, x)
        moved = model.posterior_rates(model.log_gain(x))
        log_gain = model.log_gain(x)
    # The clamp on gains, at 10, lets through all but this of the change.
    bound = shift.abs() * torch.sigmoid(torch.maximum(raw, raw - shift) - 10) + 1e-7
    assert ((moved / rates).log().abs() <= bound).all()
    assert torch.allclose(model.log_rate.exp(), before.mean_rates, rtol=1e-12)
    slack = (moved * bound * (1 + log_gain.abs())).sum(dim=1).mean()
    assert after.kl <= before.kl + slack + 1e-12


def test_a_prior_at_its_optimum_stays():
    model, x = build(), images(50)
    with torch.no_grad():
        for _ in range(20):
            set_prior(model, free_energy(model, x).mean_rates)
        before = model.log_rate.clone()
        set_prior(model, free_energy(model, x).mean_rates)
    assert torch.allclose(model.log_rate, before, atol=1e-6)


def test_a_latent_that_never_fires_gets_a_tiny_prior_not_an_infinite_one():
    model = build()
    set_prior(model, torch.zeros(4))
    assert model.log_rate.isfinite().all()
    assert float(model.log_rate.detach().exp().max()) == pytest.approx(1e-8, rel=1e-6)


def test_the_prior_is_free_only_where_a_bias_can_make_up_for_it():
    assert has_free_prior(build())
    assert not has_free_prior(build(encoder_bias=False))
    # Excitatory gains do not follow a bias one to one.
    assert not has_free_prior(build(excitatory_only=True))


def test_running_mean_has_no_bias_at_its_start():
    mean = RunningMean(decay=0.5)
    assert mean.update(3.0) == 3.0
    # Weights 0.5 and 0.25 for the new value and the old.
    assert mean.update(6.0) == pytest.approx((0.5 * 6 + 0.25 * 3) / 0.75)


# Building -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_inputs": 0}, "n_inputs must be at least 1"),
        ({"n_latents": -3}, "n_latents must be at least 1"),
        ({"encoder_expansion": 0}, "encoder_expansion"),
        ({"encoder": "conv"}, "encoder must be one of"),
        ({"decoder": None}, "decoder must be one of"),
        ({"activation": "tanh"}, "activation must be one of"),
        ({"encoder_bias": "false"}, "encoder_bias must be True or False"),
        ({"rate_clamp": float("inf")}, "rate_clamp must be a finite number, or None"),
        ({"rate_clamp": float("nan")}, "rate_clamp"),
        ({"rate_clamp": "5"}, "rate_clamp"),
        ({"rate_offset": -0.1}, "rate_offset must be finite and not negative"),
    ],
)
def test_bad_configs_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        PoissonVAEConfig(**{"n_inputs": 4, "n_latents": 2} | change)


@pytest.mark.parametrize("size", [2.5, "16", None])
def test_sizes_must_be_integers(size):
    with pytest.raises(TypeError, match="n_inputs must be an integer"):
        PoissonVAEConfig(n_inputs=size, n_latents=2)


def test_config_takes_numpy_s_numbers_and_keeps_python_s():
    config = PoissonVAEConfig(
        n_inputs=np.int64(4),
        n_latents=np.prod([2, 1]),
        encoder_bias=np.bool_(False),
        rate_clamp=np.float32(5),
    )
    plain = PoissonVAEConfig(n_inputs=4, n_latents=2, encoder_bias=False, rate_clamp=5.0)
    assert config == plain
    for name, value in dataclasses.asdict(config).items():
        assert type(value) in (int, bool, float, str), name


def test_same_seed_same_weights_and_torch_s_own_state_is_left_alone():
    config = PoissonVAEConfig(n_inputs=6, n_latents=4, encoder="mlp", decoder="mlp")
    before = torch.get_rng_state()
    first, second = (PoissonVAE.from_config(config, seed=3).state_dict() for _ in range(2))
    other = PoissonVAE.from_config(config, seed=4).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["log_rate"], other["log_rate"])
    for name in ("encoder.head", "encoder.body.fc1", "decoder.body.1.fc2"):
        assert not torch.equal(first[f"{name}.weight"], other[f"{name}.weight"])


def test_weights_start_as_in_the_authors_code():
    model = PoissonVAE.from_config(PoissonVAEConfig(n_inputs=256, n_latents=500))
    for map_ in (model.encoder.head, model.decoder.head):
        weight = map_.weight.detach().numpy().ravel()
        assert_mean(weight[:, None], 0.0)
        assert_mean(weight[:, None] ** 2, 0.05**2)
    assert not model.encoder.head.bias.any()
    assert model.decoder.head.bias is None
    assert -6 <= model.log_rate.min() < -5.9
    assert -4.1 < model.log_rate.max() <= -4


def test_changing_the_clamp_changes_the_config_too():
    model = build(rate_clamp=5.0)
    model.set_rate_clamp(None)
    assert model.rate_clamp is None
    assert model.config.rate_clamp is None
    with pytest.raises(ValueError, match="finite"):
        model.set_rate_clamp(float("nan"))


def test_decoding_without_a_decoder_says_so():
    model = PoissonVAE(torch.nn.Linear(6, 4), None, torch.zeros(4))
    with pytest.raises(ValueError, match="no decoder"):
        model.decode(torch.zeros(1, 4))
