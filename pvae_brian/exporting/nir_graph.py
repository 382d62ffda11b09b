r"""`to_nir` and `write_nir`: the parts of a P-VAE that NIR can hold, its two linear maps.

NIR's nodes are linear maps, convolutions, pooling, delays, thresholds, and integrators and neurons
that follow a differential equation. All of them are deterministic, and none is an exponential, a
rectifier or a normalization. A latent of a P-VAE fires at random at the rate exp(u), so between
the two maps there is nothing that a graph could say truly, and no graph is made that says it
wrongly.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import pvae_brian
from pvae_brian._extras import needs_extra
from pvae_brian._files import check_writable, write_whole
from pvae_brian.encoder import Encoder
from pvae_brian.network import NetworkParameters, read_parameters
from pvae_brian.network.parameters import Dense

if TYPE_CHECKING:
    import nir

_REASON = "a NIR graph needs nir"
_WHOLE = ("whole", "autoencoder", "latents")


def to_nir(encoder: Encoder, part: str) -> nir.NIRGraph:
    r"""Return one of the linear parts of a P-VAE as a graph of NIR.

    'encoder' is the log gain before its clamps, 'decoder' the image that counts draw:

    .. math:: u = W x + b, \qquad y = \Phi z + b_y

    Parameters
    ----------
    encoder : Encoder
        Of a P-VAE that is linear in that part.
    part : {'encoder', 'decoder'}
        The two are separate graphs, for what stands between them is no part of NIR.

    Returns
    -------
    nir.NIRGraph
        Nodes ``input``, then one named as the part, ``Affine`` or, without a bias, ``Linear``, with
        weights in float64 of shape (n_latents, n_inputs) or (n_inputs, n_latents), and ``output``.
        Its ``metadata`` say what goes in and comes out (``input``, ``output``), what NIR cannot
        hold (``left_out``) and, for the encoder, with which numbers u becomes a rate.

    Raises
    ------
    ImportError
        If nir is missing: pip install "pvae_brian[nir]".
    TypeError
        If it is no encoder of a P-VAE.
    ValueError
        If that part is not linear, if there is no decoder, or if the whole is asked for: NIR has
        no neuron that fires at random, and none with an exponential rate.

    Notes
    -----
    The decoder has no memory. It is linear, so the outputs for the spikes of each time step add up
    to the output for the counts, in any time step and on any platform; a bias is in each output,
    and belongs in the sum once. An integrator of NIR, :math:`\dot v = R I`, would add them up, but
    NIR has no way to say that it starts anew with each window, and leaves to the platform what a
    spike is in discrete time.

    References
    ----------
    Pedersen et al. (2024), Neuromorphic intermediate representation, Nat Commun 15:8122.

    Examples
    --------
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model
    >>> graph = pb.to_nir(pb.load_encoder(shipped_model()), "decoder")
    >>> graph.edges
    [('input', 'decoder'), ('decoder', 'output')]
    >>> type(graph.nodes["decoder"]).__name__, graph.nodes["decoder"].weight.shape
    ('Linear', (256, 256))
    """
    _check_part(part)
    if not isinstance(encoder, Encoder):
        raise TypeError(
            "to_nir takes the encoder of a P-VAE, such as load_encoder returns, got "
            f"{type(encoder).__name__}; the latents of a Gaussian control are normal, each with a "
            "mean and a scale, and NIR has no node that draws them"
        )
    parameters = read_parameters(encoder)
    layer = _encoder(parameters) if part == "encoder" else _decoder(parameters)
    with needs_extra("nir", _REASON):
        import nir

    n_outputs, n_inputs = layer.weight.shape
    facts = _of_encoder(parameters) if part == "encoder" else _of_decoder(layer)
    # Not the encoder's own arrays, which would change with the graph.
    weight, bias = np.array(layer.weight), np.array(layer.bias)
    return nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([n_inputs])}),
            part: nir.Affine(weight, bias) if bias.any() else nir.Linear(weight),
            "output": nir.Output({"output": np.array([n_outputs])}),
        },
        edges=[("input", part), (part, "output")],
        metadata={"made_by": f"pvae_brian {pvae_brian.__version__}", "part": part} | facts,
    )


def write_nir(
    encoder: Encoder, part: str, path: str | os.PathLike[str], *, force: bool = False
) -> Path:
    """Write one of the linear parts of a P-VAE as a NIR file, which ``nir.read`` reads.

    Parameters
    ----------
    encoder : Encoder
        Of a P-VAE that is linear in that part.
    part : {'encoder', 'decoder'}
        As of `to_nir`.
    path : path-like
        The file, HDF5, by convention named ``.nir``. Written whole or not at all.
    force : bool
        Replace an existing file.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        If nir is missing: pip install "pvae_brian[nir]".
    TypeError, ValueError
        As of `to_nir`.
    FileExistsError
        If the file exists and ``force`` is not given.
    OSError
        If there is no such folder, no space or no permission.

    Examples
    --------
    >>> import nir
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model
    >>> path = pb.write_nir(pb.load_encoder(shipped_model()), "encoder", "encoder.nir")
    >>> graph = nir.read(path)
    >>> sorted(graph.nodes), graph.metadata["part"]
    (['encoder', 'input', 'output'], 'encoder')
    """
    graph = to_nir(encoder, part)
    check_writable(path, force=force)
    import nir

    # HDF5 writes here and there; what comes to the disk is the finished file.
    finished = io.BytesIO()
    nir.write(finished, graph)
    with write_whole(path, force=force) as file:
        file.write(finished.getbuffer())
    return Path(path)


def _check_part(part: str) -> None:
    if part in _WHOLE:
        raise ValueError(
            f"NIR cannot hold the {'latents' if part == 'latents' else 'whole autoencoder'}: a "
            "latent draws its spikes at random, at a rate that is the exponential of its input; "
            "NIR's neurons (IF, LIF, CubaLIF) are deterministic, and none of its nodes is an "
            f"exponential; got part={part!r}, take 'encoder' or 'decoder', or all of it as a "
            "Brian2 project by export"
        )
    if part not in ("encoder", "decoder"):
        raise ValueError(f"part must be 'encoder' or 'decoder', got {part!r}")


def _encoder(parameters: NetworkParameters) -> Dense:
    if parameters.body is not None:
        raise ValueError(
            "NIR cannot hold an MLP encoder: none of its nodes is a rectifier (ReLU) or a layer "
            f"normalization; got one with {len(parameters.body.hidden.bias)} hidden units, and "
            "part='encoder' takes linear encoders; export writes it as a Brian2 project"
        )
    return parameters.encoder


def _decoder(parameters: NetworkParameters) -> Dense:
    if parameters.decoder is None:
        raise ValueError("this encoder has no decoder; give one as from_module(decoder=...)")
    if not parameters.has_linear_decoder:
        raise ValueError(
            "NIR cannot hold a decoder with layers after its linear map: none of its nodes is "
            "their nonlinearity; part='decoder' takes linear decoders, and the first layer alone "
            "draws no image; its weights are read_parameters(encoder).decoder of "
            "pvae_brian.network"
        )
    return parameters.decoder


def _of_encoder(parameters: NetworkParameters) -> dict[str, Any]:
    """Return what a reader needs to know of the encoder, and to go on from u to rates."""
    if parameters.is_excitatory:
        log_gain = "softplus(u) - softplus(u - log_gain_clamp)"
    else:
        log_gain = "softclamp(u, log_gain_clamp)"
    log_rates, clamp = "log_rate + log_gain", {}
    if parameters.rate_clamp is not None:
        log_rates, clamp = (
            f"softclamp({log_rates}, rate_clamp)",
            {"rate_clamp": parameters.rate_clamp},
        )
    return clamp | {
        "input": "an image, its pixels row by row",
        "output": "u, the log gains of the latents before their clamps",
        "left_out": f"log_gain = {log_gain}; rates = exp({log_rates}) + rate_offset, in expected "
        "spikes per window, with softclamp(v, c) = c - softplus(c - v) and softplus(v) = "
        "log(1 + exp(v)); and latents, which fire at random at these rates, so that their counts "
        "in a window are Poisson. The model knows no seconds: the window is as long as you choose.",
        "log_rate": np.array(parameters.log_rate),
        "log_gain_clamp": parameters.log_gain_clamp,
        "is_excitatory": parameters.is_excitatory,
        "rate_offset": parameters.rate_offset,
    }


def _of_decoder(layer: Dense) -> dict[str, Any]:
    once = " The bias belongs in that sum once." if layer.bias.any() else ""
    return {
        "input": "spike counts of the latents in a window, or the spikes of a part of it",
        "output": "the image, its pixels row by row; outputs for the parts of a window add up to "
        f"that for its counts.{once}",
        "left_out": "latents, which fire at random with Poisson counts, and a memory that adds up "
        "what their spikes draw and starts anew with each window.",
    }
