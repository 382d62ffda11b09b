"""`export`: a P-VAE as a Brian2 project of its own, which needs neither torch nor this package."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from brian2 import Quantity, second
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import ArrayLike

import pvae_brian
from pvae_brian._checks import check_images, check_positive_integer, check_window
from pvae_brian._files import new_folder
from pvae_brian.encoder import Encoder
from pvae_brian.exporting.place import EXAMPLE, NETWORK, README, WEIGHTS, check_project_writable
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.network import NetworkParameters, equations, read_parameters


def export(
    encoder: Encoder | GaussianEncoder,
    folder: str | os.PathLike[str],
    image: ArrayLike,
    window: Quantity = 1 * second,
    n_steps: int = 100,
    *,
    force: bool = False,
) -> Path:
    """Write a P-VAE as a stand-alone Brian2 project, to be read and edited.

    A folder with ``network.py``, ``weights.npz``, an example stimulus and a README. It needs Brian2
    and numpy only, runs on Brian2's runtime and in C++ standalone mode, and its counts have the law
    of those of `simulate`. The network is that of `AutoencoderNetwork` with graded input.

    Parameters
    ----------
    encoder : Encoder
        With a linear encoder, or an MLP of this package or the authors' code.
    folder : path-like
        Where to write; whole or not at all.
    image : array_like
        The example stimulus: of n_inputs pixels, of any shape.
    window : `brian2.Quantity`
        How long an image is shown.
    n_steps : int
        Time steps per window.
    force : bool
        Replace an exported project. Nothing else is ever replaced.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    TypeError
        If it is no encoder of a P-VAE.
    ValueError
        If its layers have no counterpart in synapses, if the image does not fit it, or if window
        or number of steps is out of range.
    brian2.DimensionMismatchError
        If the window is not a time with its unit.
    FileExistsError
        If the folder exists and ``force`` is not given, or does not help.
    OSError
        If there is no space or no permission.

    Examples
    --------
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder = pb.load_encoder(shipped_model())
    >>> folder = pb.export(encoder, "my_network", shipped_patches()[0])
    >>> sorted(path.name for path in folder.iterdir())
    ['README.md', 'example_stimulus.npy', 'network.py', 'weights.npz']
    """
    window_s = check_window(window)
    n_steps = check_positive_integer(n_steps, "n_steps")
    parameters = read_parameters(encoder)
    if np.size(image) != parameters.n_inputs:
        raise ValueError(
            f"the example stimulus must have the {parameters.n_inputs} pixels that this model "
            f"sees, got shape {np.shape(image)}; give one of the images it was trained on"
        )
    # A quantity keeps its unit, and is refused.
    image = check_images(np.reshape(image, (1, -1)), parameters.n_inputs)
    facts = {
        "source": _source(encoder),
        "version": pvae_brian.__version__,
        "window_s": window_s,
        "n_steps": n_steps,
        "n_inputs": parameters.n_inputs,
        "n_latents": parameters.n_latents,
        "body": parameters.body,
        "equations": equations,
        "latents": equations.latents(
            parameters.log_gain_clamp, parameters.is_excitatory, parameters.rate_clamp
        ),
        "rate_offset": parameters.rate_offset,
        "has_readout": parameters.decoder is not None,
        "is_image": parameters.decoder is not None and parameters.has_linear_decoder,
        "example_spikes": float(encoder.posterior_rates(image).sum()),
        "prior_rate_cost": float(encoder.prior_rates.sum()),
    }
    with new_folder(lambda: check_project_writable(folder, force=force)) as place:
        for name in (NETWORK, README):
            text = _templates().get_template(f"{name}.j2").render(facts)
            (place / name).write_text(text, encoding="utf-8")
        # No array is called allow_pickle, the keyword that numpy has besides.
        np.savez_compressed(place / WEIGHTS, **_weights(parameters))  # type: ignore[arg-type]
        np.save(place / EXAMPLE, image[0])
    return check_project_writable(folder, force=True)


def _source(encoder: Encoder | GaussianEncoder) -> str:
    name = Path(encoder.details.get("file", "a model in memory")).name
    # Names of files may hold line breaks and worse.
    return name if name.isprintable() else repr(name)


def _weights(parameters: NetworkParameters) -> dict[str, np.ndarray]:
    """Return the arrays by the names that ``network.py`` has for them."""
    weights = {
        "encoder_weight": parameters.encoder.weight,
        "encoder_bias": parameters.encoder.bias,
        "log_rate": parameters.log_rate,
    }
    if parameters.body is not None:
        weights |= {
            "hidden_weight": parameters.body.hidden.weight,
            "hidden_bias": parameters.body.hidden.bias,
            "back_weight": parameters.body.back.weight,
            "back_bias": parameters.body.back.bias,
            "gain": parameters.body.gain,
            "shift": parameters.body.shift,
        }
    if parameters.decoder is not None:
        weights |= {
            "decoder_weight": parameters.decoder.weight,
            "decoder_bias": parameters.decoder.bias,
        }
    return weights


def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("pvae_brian.exporting"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        # Python and Markdown, not HTML.
        autoescape=False,
    )
