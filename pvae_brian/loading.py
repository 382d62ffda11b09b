"""`load_encoder`: from a file of any known format to an encoder."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from numpy.typing import ArrayLike
from torch import nn

from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.models.checkpoints import CheckpointError, read_exported, read_model
from pvae_brian.models.poisson_vae import PoissonVAE


def load_encoder(
    path: str | os.PathLike[str],
    *,
    epoch: int | None = None,
    ema: bool = False,
    rate_clamp: float | str | None = "as trained",
    log_rate: ArrayLike | None = None,
    decoder: nn.Module | None = None,
) -> Encoder | GaussianEncoder:
    """Load an encoder from a checkpoint, of which nothing is ever executed.

    Parameters
    ----------
    path : path-like
        A checkpoint of `train`; a ``.pt`` file or a folder of the authors' code, of any
        generation; or a ``.pt2`` file that `torch.export.save` wrote of a module from image to
        log-gain.
    epoch : int, optional
        Which epoch of an official folder; the highest by default.
    ema : bool
        Take the moving average of the weights of an official checkpoint.
    rate_clamp : float or None, optional
        Another soft clamp on the log rate than the model was trained with; None for none.
    log_rate : array_like, shape (n_latents,), optional
        Log prior rates of a ``.pt2`` file. By default its own parameter ``log_rate``.
    decoder : nn.Module, optional
        Decoder to go with a ``.pt2`` file.

    Returns
    -------
    Encoder or GaussianEncoder
        The latter for a Gaussian VAE, the control, which is used in the same way.

    Raises
    ------
    FileNotFoundError
        If there is no such file or folder.
    CheckpointError
        If the file is damaged, foreign or hostile, or if it is a Laplace, categorical or
        iterative VAE.
    ValueError
        If an option does not go with the file, or if ``rate_clamp`` is not finite.

    Examples
    --------
    >>> from pvae_brian import load_encoder
    >>> from pvae_brian.data import shipped_model
    >>> encoder = load_encoder(shipped_model())
    >>> encoder.n_inputs
    256
    """
    path = Path(os.path.expanduser(path))
    if path.suffix == ".pt2":
        if epoch is not None or ema:
            raise ValueError(f"epoch and ema are for the authors' checkpoints, not for {path}")
        if not path.exists():
            raise FileNotFoundError(f"no checkpoint at {path}; check the name")
        encoder: Encoder | GaussianEncoder = _from_exported(path, log_rate, decoder)
    else:
        if log_rate is not None or decoder is not None:
            raise ValueError(
                f"log_rate and decoder go with a .pt2 file; {path} is none, and brings its own"
            )
        model, details = read_model(path, epoch=epoch, ema=ema)
        # A model from a file knows what it was built of.
        assert model.config is not None
        image_shape = (model.config.n_inputs,)
        if isinstance(model, PoissonVAE):
            encoder = Encoder(model.double(), image_shape, details)
        else:
            encoder = GaussianEncoder(model.double(), image_shape, details)
    if isinstance(encoder, GaussianEncoder):
        if rate_clamp != "as trained":
            raise ValueError(
                f"rate_clamp is for a Poisson VAE; {path} is a Gaussian VAE, whose rates have no "
                "clamp: leave it away"
            )
        return encoder
    if rate_clamp != "as trained":
        # Any other text is refused there.
        encoder.model.set_rate_clamp(rate_clamp)  # type: ignore[arg-type]
    return replace(encoder, details=encoder.details | {"rate_clamp": encoder.model.rate_clamp})


def _from_exported(path: Path, log_rate: ArrayLike | None, decoder: nn.Module | None) -> Encoder:
    module = read_exported(path)
    if log_rate is None:
        if "log_rate" not in module.state:
            raise CheckpointError(
                f"{path} says nothing of prior rates: it has no parameter log_rate; "
                "pass log_rate=... (--log-rate)"
            )
        log_rate = module.state["log_rate"].detach().numpy()
    given = module.input_shape[1:]
    shape = tuple(size for size in given if size is not None)
    if shape != given:
        raise CheckpointError(
            f"{path} was exported with images of no fixed size {given}; export it again with only "
            "the batch dimension dynamic"
        )
    encoder = Encoder.from_module(module, log_rate, image_shape=shape, decoder=decoder)
    return replace(encoder, details={"file": str(path), "format": "torch.export"})
