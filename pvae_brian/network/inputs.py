"""`OnOffInput`: images carried by the spikes of ON and OFF neurons."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pvae_brian._checks import LARGEST_RATE, check_duration, check_frequency
from pvae_brian.network.parameters import NetworkParameters

GRADED = "graded"
_ROUNDING = 1e-9


@dataclass(frozen=True)
class OnOffInput:
    r"""Poisson spikes carry the image, in an ON and an OFF neuron for each pixel.

    They fire at rates :math:`g \max(x_m, 0)` and :math:`g \max(-x_m, 0)`. Each spike moves what
    the encoder's synapses add up by :math:`\pm W_{im} / (g\tau)`. This decays with the time
    constant :math:`\tau`, so that it comes to :math:`\sum_m W_{im} x_m` on average. It fluctuates,
    and with it the latents' rates: their counts are no longer Poisson but those of a Cox process,
    more variable, and more numerous by Jensen's inequality. `AutoencoderNetwork.prediction` says by
    how much.

    Parameters
    ----------
    rate_per_unit : `brian2.Quantity`
        g, the firing rate at a pixel of value 1. The variance of the fluctuations goes as
        :math:`1 / (2 g \tau)`.
    tau : `brian2.Quantity`
        Time constant of the synapses, of one time step or more. The shorter, the sooner a new
        image is seen.

    Attributes
    ----------
    rate_per_unit : float
        In Hz.
    tau : float
        In seconds.

    Raises
    ------
    ValueError
        If one of them is not positive and finite.
    brian2.DimensionMismatchError
        If one of them has not its unit.

    Examples
    --------
    >>> from brian2 import Hz, ms
    >>> OnOffInput(rate_per_unit=200*Hz, tau=20*ms)
    OnOffInput(rate_per_unit=200.0, tau=0.02)
    """

    rate_per_unit: float
    tau: float

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "rate_per_unit", check_frequency(self.rate_per_unit, "rate_per_unit")
        )
        tau = check_duration(self.tau, "tau")
        if tau == 0:
            raise ValueError("tau must be a positive time, got 0 s; try 20*ms")
        object.__setattr__(self, "tau", tau)

    def jump(self, dt_s: float) -> float:
        """What a spike adds, for a weight of 1: its sum decays step by step and must come to 1.

        Parameters
        ----------
        dt_s : float
            Time step in seconds. As it shrinks, this approaches 1 / (rate_per_unit * tau).
        """
        return math.expm1(dt_s / self.tau) / (self.rate_per_unit * dt_s)


def check_input(
    input: object, parameters: NetworkParameters, images: np.ndarray, window_s: float, n_steps: int
) -> str | OnOffInput:
    """Return how images come into the network, or raise ValueError."""
    if isinstance(input, OnOffInput):
        if parameters.body is not None:
            raise ValueError(
                "Poisson input needs a linear encoder: an MLP's hidden units are graded, and what "
                f"spikes make of them has no theory here; take input={GRADED!r}"
            )
        if window_s / n_steps > input.tau * (1 + _ROUNDING):
            raise ValueError(
                f"tau must not be shorter than the time step, got {input.tau:g} s and "
                f"{window_s / n_steps:g} s; take n_steps={math.ceil(window_s / input.tau)} or more"
            )
        spikes = float(np.abs(images).sum(axis=1).max()) * input.rate_per_unit * window_s
        if spikes > LARGEST_RATE:
            raise ValueError(
                f"an image would bring {spikes:.3g} spikes, and synapses count up to "
                f"{LARGEST_RATE:g}; take a lower rate_per_unit"
            )
        return input
    if input != GRADED:
        raise ValueError(
            f"input must be {GRADED!r}, or such as OnOffInput(200*Hz, 20*ms), got {input!r}"
        )
    return GRADED
