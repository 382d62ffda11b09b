"""Encoder: numpy in, numpy out, around any module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from pvae_brian import CheckpointError, Encoder, PoissonVAE, PoissonVAEConfig, load_encoder
from pvae_brian.data import shipped_model, shipped_patches


def conv_net(n_latents=5):
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Dropout(0.5), nn.Linear(108, n_latents)
    )


def images(n=7, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 8, 8))


LOG_RATE = np.linspace(-2, 1, 5)


def written_formula(raw, log_rate):
    """Gains, rates and KL of raw log-gains in numpy, without a clamp on the rate."""
    log_gain = 10 - np.logaddexp(0, 10 - raw)
    prior = np.exp(log_rate)
    kl = prior * (1 - np.exp(log_gain) + np.exp(log_gain) * log_gain)
    return np.exp(log_gain), np.exp(log_rate + log_gain), kl.sum(axis=1)


# Live modules ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_module_in_train_mode_is_run_as_for_inference_in_its_own_precision(dtype):
    module = conv_net().to(dtype).train()
    encoder = Encoder.from_module(module, LOG_RATE, image_shape=(1, 8, 8))
    with torch.no_grad():
        raw = module.eval()(torch.as_tensor(images()[:, None], dtype=dtype)).double().numpy()
    gains, rates, kl = written_formula(raw, LOG_RATE)
    # The clamp on gains, at 10, is computed in the module's precision too.
    tolerance = 1e-5 if dtype == torch.float32 else 1e-7
    assert encoder.gains(images()) == pytest.approx(gains, rel=tolerance)
    assert encoder.posterior_rates(images()) == pytest.approx(rates, rel=tolerance)
    assert encoder.kl_divergence(images()) == pytest.approx(kl, rel=10 * tolerance)
    assert {parameter.dtype for parameter in module.parameters()} == {dtype}
    # Dropout is off: the same images give the same rates.
    assert np.array_equal(encoder.posterior_rates(images()), encoder.posterior_rates(images()))


def test_log_rates_keep_their_double_precision():
    log_rate = np.array([np.log(2) + 1e-12])
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
    encoder = Encoder.from_module(module, log_rate, image_shape=(8, 8))
    assert encoder.prior_rates.dtype == np.float64
    assert encoder.prior_rates[0] == np.exp(log_rate[0])
    assert encoder.posterior_rates(images())[:, 0] == pytest.approx(
        np.exp(log_rate) * encoder.gains(images())[:, 0], rel=1e-14
    )


def test_silence_is_exact():
    # A module that says nothing but "never": the rates are 0, and the KL is the prior rate.
    encoder = Encoder.from_module(
        lambda x: torch.full((len(x), 5), -torch.inf), LOG_RATE, image_shape=(64,)
    )
    assert not encoder.posterior_rates(images()).any()
    assert not encoder.gains(images()).any()
    encoder = Encoder.from_module(
        lambda x: torch.full((len(x), 5), -1e4), LOG_RATE, image_shape=(64,)
    )
    assert encoder.kl_per_latent(images()) == pytest.approx(np.tile(np.exp(LOG_RATE), (7, 1)))


def test_a_callable_gets_float32_and_a_bound_method_its_owner_s_precision():
    seen = []

    def function(x):
        seen.append(x.dtype)
        return x[:, :5]

    Encoder.from_module(function, LOG_RATE, image_shape=(64,)).gains(images())
    assert set(seen) == {torch.float32}

    class Owner(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = conv_net()

        def encode(self, x):
            return self.net(x)

    owner = Owner().double().train()
    encoder = Encoder.from_module(owner.encode, LOG_RATE, image_shape=(1, 8, 8))
    assert not owner.training
    expected = Encoder.from_module(owner.net, LOG_RATE, image_shape=(1, 8, 8))
    assert np.array_equal(encoder.posterior_rates(images()), expected.posterior_rates(images()))


def test_half_precision_modules_work():
    module = nn.Linear(64, 5).to(torch.bfloat16)
    encoder = Encoder.from_module(module, LOG_RATE, image_shape=(64,))
    expected = module(torch.as_tensor(images().reshape(7, 64)).bfloat16()).detach().double()
    # 8 bits of mantissa, in log-gains of order one, behind a clamp at 10.
    gains = np.log(encoder.gains(images()))
    assert gains == pytest.approx(expected.numpy(), abs=3 * 10 * 2**-8)


def test_an_encoder_keeps_its_own_log_rates():
    log_rate = LOG_RATE.copy()
    encoder = Encoder.from_module(conv_net(), log_rate, image_shape=(1, 8, 8))
    log_rate += 5
    assert np.array_equal(encoder.prior_rates, np.exp(LOG_RATE))


@pytest.mark.parametrize(
    "log_rate",
    [
        LOG_RATE[None],
        list(LOG_RATE),
        torch.as_tensor(LOG_RATE),
        nn.Parameter(torch.as_tensor(LOG_RATE)[None]),
    ],
)
def test_log_rates_as_a_checkpoint_has_them(log_rate):
    encoder = Encoder.from_module(conv_net(), log_rate, image_shape=(1, 8, 8))
    assert np.array_equal(encoder.prior_rates, np.exp(LOG_RATE))


def test_it_is_the_model_that_was_trained():
    model = PoissonVAE.from_config(
        PoissonVAEConfig(n_inputs=64, n_latents=5, encoder="mlp", decoder="mlp", rate_clamp=5.0)
    ).double()
    encoder = Encoder.from_module(
        model.encoder,
        model.log_rate,
        image_shape=(64,),
        decoder=model.decoder,
        rate_clamp=5.0,
    )
    x = torch.as_tensor(images().reshape(7, 64))
    with torch.no_grad():
        log_gain = model.log_gain(x)
        rates = model.posterior_rates(log_gain)
        assert np.array_equal(encoder.posterior_rates(images()), rates.numpy())
        kl = model.kl_divergence(log_gain).numpy()
        assert np.array_equal(encoder.kl_per_latent(images()), kl)
        assert np.array_equal(encoder.kl_divergence(images()), kl.sum(axis=1))
        assert np.array_equal(encoder.decode(rates.numpy()), model.decode(rates).numpy())


@pytest.mark.parametrize(
    ("module", "log_rate", "shape", "message"),
    [
        (conv_net(), LOG_RATE, (8, 8, 1), "must take images of shape"),
        (conv_net(), LOG_RATE, (1, 9, 9), "must take images of shape"),
        (conv_net(), LOG_RATE, (64,), "must take images of shape"),
        (nn.Sequential(nn.BatchNorm1d(5)), LOG_RATE, (1, 8, 8), "must take images of shape"),
        (conv_net(), LOG_RATE[:4], (1, 8, 8), r"shape \(n, 4\), .* got \(2, 5\) for 2 images"),
        (nn.Flatten(0), LOG_RATE, (64,), r"got \(128,\) for 2 images"),
        (lambda x: x.sum(), LOG_RATE, (64,), "must take images|must return log-gains"),
        (lambda x: (x, x), LOG_RATE, (64,), "must take images of shape"),
        (conv_net(), [], (1, 8, 8), "log_rate must hold finite numbers, .* got 0 numbers"),
        (conv_net(), [0, 0, 0, 0, np.nan], (1, 8, 8), "5 numbers of which 4 are finite"),
        (conv_net(), [0, 0, 0, 0, np.inf], (1, 8, 8), "log_rate must hold finite numbers"),
        (conv_net(), LOG_RATE, (), "image_shape must be the shape of one image"),
        (conv_net(), LOG_RATE, 64, "image_shape .* got 64"),
        (conv_net(), LOG_RATE, (1, -8, 8), "image_shape"),
        (conv_net(), LOG_RATE, (1, 8.0, 8), "image_shape"),
    ],
)
def test_what_does_not_fit_is_refused(module, log_rate, shape, message):
    with pytest.raises(ValueError, match=message) as caught:
        Encoder.from_module(module, log_rate, image_shape=shape)
    assert "\n" not in str(caught.value)


# Images ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped():
    return load_encoder(shipped_model()), shipped_patches()


def test_the_shape_of_images_does_not_matter(shipped):
    encoder, patches = shipped
    patches = patches[:20]
    expected = encoder.posterior_rates(patches.reshape(20, 256))
    assert expected.shape == (20, encoder.n_latents)
    for shape in ((20, 16, 16), (20, 1, 16, 16)):
        assert np.array_equal(encoder.posterior_rates(patches.reshape(shape)), expected)
    assert np.array_equal(encoder.posterior_rates(patches.tolist()), expected)
    assert np.array_equal(encoder.posterior_rates(torch.as_tensor(patches)), expected)


def test_images_are_left_alone(shipped):
    encoder, patches = shipped
    copy = patches[:5].astype(np.float64)
    copy.flags.writeable = False
    encoder.posterior_rates(copy)
    encoder = Encoder.from_module(lambda x: x.mul_(0)[:, :5], LOG_RATE, image_shape=(256,))
    encoder.posterior_rates(copy)
    assert np.array_equal(copy, patches[:5])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((3, 255)), r"\(n_stimuli, 256\), .* got \(3, 255\)"),
        (np.zeros((3, 16, 17)), r"got \(3, 16, 17\)"),
        (np.zeros((3, 2, 16, 16)), r"got \(3, 2, 16, 16\)"),
        (np.zeros(256), "for one image pass image"),
        (np.zeros((16, 16)), "for one image pass image"),
        (np.zeros((0, 256)), "at least one image"),
        (np.full((3, 256), np.nan), "finite, got NaN .* in 3 of 3 images"),
        (np.full((3, 256), np.inf), "images must be finite"),
        (np.full((3, 256), "x"), "must be real numbers"),
        (np.full((3, 256), 1j), "must be real numbers"),
        (3.0, r"got \(\)"),
    ],
)
@pytest.mark.parametrize("method", ["gains", "posterior_rates", "kl_divergence", "kl_per_latent"])
def test_bad_images_are_refused(shipped, method, images, message):
    with pytest.raises(ValueError, match=message) as caught:
        getattr(shipped[0], method)(images)
    assert "\n" not in str(caught.value)


def test_batches_change_no_result(shipped):
    encoder, patches = shipped
    many = np.tile(patches, (5, 1, 1))[:9001]
    assert len(many) > 2 * 4096
    rates, kl = encoder.posterior_rates(many), encoder.kl_divergence(many)
    for part in (slice(0, 3), slice(4094, 4098), slice(8190, 9001)):
        # Sums in another order: 256 terms in double precision.
        assert rates[part] == pytest.approx(encoder.posterior_rates(many[part]), rel=1e-12)
        assert kl[part] == pytest.approx(encoder.kl_divergence(many[part]), rel=1e-10)
    assert encoder.decode(rates).shape == (9001, 256)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 6), st.integers(0, 2**31))
def test_every_image_is_for_itself(n, n_latents, seed):
    weight = torch.as_tensor(np.random.default_rng(seed).normal(size=(n_latents, 64)))
    encoder = Encoder.from_module(
        lambda x: x.double() @ weight.T / 8, np.zeros(n_latents), image_shape=(64,)
    )
    x = images(n, seed)
    order = np.random.default_rng(seed).permutation(n)
    rates = encoder.posterior_rates(x)
    assert rates.shape == (n, n_latents)
    assert encoder.posterior_rates(x[order]) == pytest.approx(rates[order], rel=1e-9)


# Decoding -------------------------------------------------------------------------------------


def test_decoding_is_linear_where_the_decoder_is(shipped):
    encoder, _ = shipped
    assert encoder.has_decoder
    weight = encoder.model.decoder.head.effective_weight().detach().numpy()
    counts = np.random.default_rng(0).poisson(1.0, (6, encoder.n_latents))
    assert encoder.decode(counts) == pytest.approx(counts @ weight.T, rel=1e-9, abs=1e-12)
    assert not encoder.decode(np.zeros((2, encoder.n_latents))).any()


def test_image_shaped_reconstructions_come_flat():
    decoder = nn.Sequential(nn.Linear(5, 64), nn.Unflatten(1, (1, 8, 8)))
    encoder = Encoder.from_module(conv_net(), LOG_RATE, image_shape=(1, 8, 8), decoder=decoder)
    assert encoder.decode(np.ones((3, 5))).shape == (3, 64)


def test_counts_are_left_alone_by_a_decoder_that_works_in_place():
    decoder = nn.Sequential(nn.Threshold(0.5, 0.0, inplace=True), nn.Linear(5, 64)).double()
    encoder = Encoder.from_module(conv_net(), LOG_RATE, image_shape=(1, 8, 8), decoder=decoder)
    counts = np.full((3, 5), 0.25)
    encoder.decode(counts)
    assert np.all(counts == 0.25)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (np.zeros((3, 4)), r"shape \(n_stimuli, 5\) .* got shape \(3, 4\)"),
        (np.zeros(5), r"got shape \(5,\)"),
        (np.zeros((0, 5)), "at least one stimulus"),
        (np.full((2, 5), np.nan), "finite, got 10 NaN or infinite values of 10"),
    ],
)
def test_bad_counts_are_refused(counts, message):
    encoder = Encoder.from_module(
        conv_net(), LOG_RATE, image_shape=(1, 8, 8), decoder=nn.Linear(5, 64)
    )
    with pytest.raises(ValueError, match=message):
        encoder.decode(counts)


def test_without_a_decoder_it_says_so():
    encoder = Encoder.from_module(conv_net(), LOG_RATE, image_shape=(1, 8, 8))
    assert not encoder.has_decoder
    with pytest.raises(ValueError, match="no decoder; give one as from_module"):
        encoder.decode(np.zeros((2, 5)))


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (nn.Linear(4, 64), r"the decoder must take counts of shape \(n, 5\)"),
        (nn.Linear(5, 63), "the decoder must return images of 64 pixels, got 63"),
    ],
)
def test_a_decoder_that_does_not_fit_is_refused_at_once(decoder, message):
    with pytest.raises(ValueError, match=message):
        Encoder.from_module(conv_net(), LOG_RATE, image_shape=(1, 8, 8), decoder=decoder)


# Files ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "encoder.pt2"
    batch = torch.export.Dim("batch", min=1)
    program = torch.export.export(
        conv_net().eval(), (torch.zeros(2, 1, 8, 8),), dynamic_shapes=[{0: batch}]
    )
    torch.export.save(program, path)
    return path


def test_an_exported_module_is_the_live_one(exported):
    encoder = load_encoder(exported, log_rate=LOG_RATE, rate_clamp=1.0)
    live = Encoder.from_module(conv_net(), LOG_RATE, image_shape=(1, 8, 8), rate_clamp=1.0)
    assert encoder.posterior_rates(images()) == pytest.approx(
        live.posterior_rates(images()), rel=1e-5
    )
    assert encoder.image_shape == (1, 8, 8)
    assert encoder.details["format"] == "torch.export"
    assert encoder.details["rate_clamp"] == 1.0


def test_an_exported_module_needs_prior_rates(exported):
    with pytest.raises(CheckpointError, match="no parameter log_rate; pass log_rate=") as caught:
        load_encoder(exported)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"epoch": 3}, "no folder"),
        ({"log_rate": np.zeros(256)}, "go with a .pt2 file"),
        ({"decoder": nn.Linear(256, 256)}, "go with a .pt2 file"),
        ({"ema": True}, "no moving average"),
    ],
)
def test_options_that_do_not_go_with_a_file_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_encoder(shipped_model(), **options)


@pytest.mark.parametrize("options", [{"epoch": 3}, {"ema": True}])
def test_options_that_do_not_go_with_an_exported_file(exported, options):
    with pytest.raises(ValueError, match="for the authors' checkpoints"):
        load_encoder(exported, log_rate=LOG_RATE, **options)
