"""NIR graphs hold what the model computes, say what they leave out, and refuse all else."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

nir = pytest.importorskip("nir")

from pvae_brian import (  # noqa: E402
    Encoder,
    GaussianEncoder,
    GaussianVAE,
    GaussianVAEConfig,
    PoissonVAE,
    PoissonVAEConfig,
    load_encoder,
    to_nir,
    write_nir,
)
from pvae_brian.data import shipped_model, shipped_patches  # noqa: E402

from .checkpoint_files import OFFICIAL, soft_clamp, synthesise, write_official  # noqa: E402

LINEAR = ["pvae_lin_k48", "pvae_lin_k32_2025"]


@pytest.fixture(scope="module")
def shipped():
    return load_encoder(shipped_model())


@pytest.fixture
def path(shipped, tmp_path):
    return write_nir(shipped, "encoder", tmp_path / "encoder.nir")


def own(**choices):
    config = PoissonVAEConfig(n_inputs=9, n_latents=4, **choices)
    return Encoder(PoissonVAE.from_config(config, seed=1).double(), (9,))


def evaluate(graph, x):
    """Work out a graph by hand, from what its nodes hold and from its edges."""
    (start,) = (name for name, node in graph.nodes.items() if isinstance(node, nir.Input))
    follows = dict(graph.edges)
    assert len(follows) == len(graph.edges) == len(graph.nodes) - 1
    name = follows[start]
    while not isinstance(graph.nodes[name], nir.Output):
        node = graph.nodes[name]
        assert type(node) in (nir.Affine, nir.Linear)
        x = x @ node.weight.T + getattr(node, "bias", 0.0)
        name = follows[name]
    return x


def rates(graph, u):
    """Go on from u by the numbers in the metadata, as they say."""
    facts = graph.metadata
    clamp = facts["log_gain_clamp"]
    if facts["is_excitatory"]:
        assert "log_gain = softplus(u) - softplus(u - log_gain_clamp)" in facts["left_out"]
        log_gain = np.logaddexp(0, u) - np.logaddexp(0, u - clamp)
    else:
        assert "log_gain = softclamp(u, log_gain_clamp)" in facts["left_out"]
        log_gain = soft_clamp(u, clamp)
    log_rates = facts["log_rate"] + log_gain
    if "rate_clamp" in facts:
        assert "exp(softclamp(log_rate + log_gain, rate_clamp))" in facts["left_out"]
        log_rates = soft_clamp(log_rates, facts["rate_clamp"])
    return np.exp(log_rates) + facts["rate_offset"]


def assert_encoder(graph, encoder, images):
    u = evaluate(graph, images)
    # torch's softplus leaves out up to 2e-9.
    if not graph.metadata["is_excitatory"]:
        log_gains = 10 - np.log1p(np.exp(10 - u))
        assert np.log(encoder.gains(images)) == pytest.approx(log_gains, rel=1e-7, abs=1e-7)
    assert encoder.posterior_rates(images) == pytest.approx(rates(graph, u), rel=1e-7)


def assert_decoder(graph, encoder, counts):
    assert encoder.decode(counts) == pytest.approx(evaluate(graph, counts), rel=1e-9, abs=1e-9)


# Two routes: by hand from the file, and by the model


def test_a_black_image_gives_the_bias_and_so_do_no_spikes():
    features = torch.nn.Linear(4, 9)
    encoder = Encoder.from_module(
        torch.nn.Linear(9, 4), np.zeros(4), image_shape=(9,), decoder=features
    )
    graph = to_nir(encoder, "encoder")
    bias = encoder.model.encoder.bias.detach().numpy()
    assert evaluate(graph, np.zeros((1, 9)))[0].tolist() == bias.astype(float).tolist()
    graph = to_nir(encoder, "decoder")
    bias = features.bias.detach().numpy()
    assert evaluate(graph, np.zeros((1, 4)))[0].tolist() == bias.astype(float).tolist()
    assert "bias belongs in that sum once" in graph.metadata["output"]


def test_the_file_of_the_shipped_model(shipped, tmp_path):
    images = shipped_patches()[:50].reshape(50, -1)
    graph = nir.read(write_nir(shipped, "encoder", tmp_path / "encoder.nir"))
    assert_encoder(graph, shipped, images)
    assert graph.input_type["input"].tolist() == graph.output_type["output"].tolist() == [256]
    counts = np.random.default_rng().poisson(shipped.posterior_rates(images))
    assert_decoder(
        nir.read(write_nir(shipped, "decoder", tmp_path / "decoder.nir")), shipped, counts
    )


@pytest.mark.parametrize("name", LINEAR)
def test_the_files_of_official_checkpoints(name, tmp_path):
    encoder = load_encoder(OFFICIAL / name)
    with np.load(OFFICIAL / name / "expected.npz") as expected:
        images = expected["x"].reshape(len(expected["x"]), -1).astype(float)
    for part in ("encoder", "decoder"):
        write_nir(encoder, part, tmp_path / f"{part}.nir")
    graph = nir.read(tmp_path / "encoder.nir")
    assert_encoder(graph, encoder, images)
    assert graph.metadata["log_rate"] == pytest.approx(np.log(encoder.prior_rates))
    counts = np.random.default_rng().poisson(encoder.posterior_rates(images))
    assert_decoder(nir.read(tmp_path / "decoder.nir"), encoder, counts)


def test_the_decoder_of_an_mlp_encoder_and_the_encoder_of_an_mlp_decoder():
    counts = np.random.default_rng().poisson(2.0, size=(3, 4))
    encoder = own(encoder="mlp", decoder="linear")
    assert_decoder(to_nir(encoder, "decoder"), encoder, counts)
    encoder = own(encoder="linear", decoder="mlp")
    assert_encoder(to_nir(encoder, "encoder"), encoder, np.random.default_rng().normal(size=(3, 9)))


@given(
    st.integers(1, 12),
    st.integers(1, 12),
    st.integers(0, 2**32 - 1),
    st.fixed_dictionaries(
        {name: st.booleans() for name in ("enc_bias", "dec_bias", "enc_norm", "dec_norm")}
        | {"exc_only": st.booleans()}
    ),
)
@settings(max_examples=25)
def test_any_shape_bias_norm_and_clamp(tmp_path_factory, n_inputs, n_latents, number, choices):
    folder = tmp_path_factory.mktemp("model")
    config, state = synthesise(number, n_inputs=n_inputs, n_latents=n_latents, **choices)
    write_official(folder, config, state)
    encoder = load_encoder(folder)
    generator = np.random.default_rng(number)
    graph = nir.read(write_nir(encoder, "encoder", folder / "encoder.nir"))
    kind = nir.Affine if choices["enc_bias"] else nir.Linear
    assert type(graph.nodes["encoder"]) is kind
    assert_encoder(graph, encoder, generator.normal(size=(4, n_inputs)))
    graph = nir.read(write_nir(encoder, "decoder", folder / "decoder.nir"))
    assert type(graph.nodes["decoder"]) is (nir.Affine if choices["dec_bias"] else nir.Linear)
    assert_decoder(graph, encoder, generator.poisson(3.0, size=(4, n_latents)))


def test_outputs_for_parts_of_a_window_add_up(shipped):
    graph = to_nir(shipped, "decoder")
    steps = np.random.default_rng().poisson(0.1, size=(100, shipped.n_latents))
    together = evaluate(graph, steps).sum(axis=0)
    assert shipped.decode(steps.sum(axis=0)[None])[0] == pytest.approx(together, abs=1e-9)


# What a graph says


def test_a_file_says_what_it_is_and_what_it_leaves_out(path):
    facts = nir.read(path).metadata
    assert facts["part"] == "encoder"
    assert facts["made_by"].startswith("pvae_brian ")
    assert facts["output"] == "u, the log gains of the latents before their clamps"
    for word in ("log_rate", "softclamp", "Poisson", "window"):
        assert word in facts["left_out"]


def test_a_graph_is_a_copy(shipped):
    images = shipped_patches()[:2]
    before = shipped.posterior_rates(images)
    graph = to_nir(shipped, "encoder")
    graph.nodes["encoder"].weight[:] = 0
    graph.metadata["log_rate"][:] = 0
    assert (shipped.posterior_rates(images) == before).all()


# Refusals


def test_nir_still_has_no_random_and_no_exponential_node():
    """The refusals say so; this fails once it is no longer true."""
    nodes = [name.lower() for name in nir.ir.__all__]
    assert {"affine", "cubalif", "if", "lif", "linear", "threshold"} <= set(nodes)
    for word in ("poisson", "random", "stoch", "noise", "exp", "relu", "rect", "norm"):
        assert not [name for name in nodes if word in name]


@pytest.mark.parametrize("part", ["whole", "autoencoder", "latents"])
def test_the_whole_is_refused_with_the_reason(shipped, part):
    with pytest.raises(ValueError, match="at random, at a rate that is the exponential") as caught:
        to_nir(shipped, part)
    assert f"got part={part!r}, take 'encoder' or 'decoder'" in str(caught.value)


def test_other_parts_are_refused(shipped):
    with pytest.raises(ValueError, match="must be 'encoder' or 'decoder', got 'readout'"):
        to_nir(shipped, "readout")


def test_an_mlp_encoder_is_refused():
    message = "NIR cannot hold an MLP encoder: .*ReLU.* got one with 18 hidden units.* export"
    with pytest.raises(ValueError, match=message):
        to_nir(own(encoder="mlp", encoder_expansion=2), "encoder")
    with pytest.raises(ValueError, match="NIR cannot hold an MLP encoder"):
        to_nir(load_encoder(OFFICIAL / "pvae_mlp_k32"), "encoder")


def test_a_decoder_that_is_not_linear_is_refused():
    with pytest.raises(ValueError, match="takes linear decoders, and the first layer alone"):
        to_nir(own(encoder="linear", decoder="mlp"), "decoder")


def test_a_decoder_that_is_not_there_is_refused():
    encoder = Encoder.from_module(torch.nn.Linear(9, 4), np.zeros(4), image_shape=(9,))
    assert to_nir(encoder, "encoder").nodes["encoder"].weight.shape == (4, 9)
    with pytest.raises(ValueError, match="has no decoder"):
        to_nir(encoder, "decoder")


def test_a_control_is_refused():
    config = GaussianVAEConfig(n_inputs=9, n_latents=4)
    control = GaussianEncoder(GaussianVAE.from_config(config, seed=1), (9,))
    with pytest.raises(TypeError, match=r"encoder of a P-VAE.*got GaussianEncoder"):
        to_nir(control, "encoder")
    with pytest.raises(TypeError, match="got dict"):
        to_nir({}, "encoder")


def test_a_module_of_other_layers_is_refused():
    module = torch.nn.Sequential(torch.nn.Linear(9, 4), torch.nn.Tanh())
    encoder = Encoder.from_module(module, np.zeros(4), image_shape=(9,))
    with pytest.raises(ValueError, match="linear encoders"):
        to_nir(encoder, "encoder")


# Files


def test_an_existing_file_needs_force(shipped, path):
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="--force"):
        write_nir(shipped, "decoder", path)
    assert path.read_bytes() == before
    write_nir(shipped, "decoder", path, force=True)
    assert nir.read(path).metadata["part"] == "decoder"
    assert os.listdir(path.parent) == ["encoder.nir"]


def test_what_is_refused_leaves_no_file(shipped, tmp_path):
    with pytest.raises(ValueError, match="at random"):
        write_nir(shipped, "whole", tmp_path / "whole.nir")
    with pytest.raises(FileNotFoundError, match="does not exist"):
        write_nir(shipped, "encoder", tmp_path / "missing" / "encoder.nir")
    with pytest.raises(IsADirectoryError):
        write_nir(shipped, "encoder", tmp_path)
    assert os.listdir(tmp_path) == []


def test_a_failure_leaves_the_old_file_and_nothing_else(shipped, path, monkeypatch):
    def fail(file, graph):
        file.write(b"a part")
        raise OSError("in the middle")

    before = path.read_bytes()
    monkeypatch.setattr(nir, "write", fail)
    with pytest.raises(OSError, match="in the middle"):
        write_nir(shipped, "encoder", path, force=True)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["encoder.nir"]


def run_python(code, *arguments):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments], capture_output=True, text=True
    )


def test_a_full_disk_leaves_nothing(tmp_path):
    """A real limit on the size of files stands in for it."""
    code = """
        import resource, sys
        from pvae_brian import load_encoder, write_nir
        from pvae_brian.data import shipped_model
        encoder = load_encoder(shipped_model())
        write_nir(encoder, "encoder", sys.argv[1] + "/first.nir")
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            write_nir(encoder, "encoder", sys.argv[1] + "/second.nir")
        except OSError as error:
            print("refused")
    """
    result = run_python(code, tmp_path)
    assert result.stdout.strip() == "refused", result.stderr
    assert os.listdir(tmp_path) == ["first.nir"]
    assert nir.read(tmp_path / "first.nir").metadata["part"] == "encoder"


def test_without_nir_the_extra_is_named(tmp_path):
    code = """
        import sys
        sys.modules["nir"] = None
        from pvae_brian import load_encoder, to_nir, write_nir
        from pvae_brian.data import shipped_model
        encoder = load_encoder(shipped_model())
        for call in (to_nir, write_nir):
            try:
                call(encoder, "encoder", *sys.argv[1:] * (call is write_nir))
            except ImportError as error:
                print(error)
    """
    result = run_python(code, tmp_path / "encoder.nir")
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("a NIR graph needs nir, which cannot be imported here") == 2
    assert 'pip install "pvae_brian[nir]"' in result.stdout
    assert os.listdir(tmp_path) == []
