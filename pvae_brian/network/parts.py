"""The parts of the network: input neurons and encoder, latent neurons, readout."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from brian2 import Clock, Hz, NeuronGroup, Synapses, TimedArray, linked_var, second
from brian2.core.base import BrianObject

from pvae_brian.network import equations
from pvae_brian.network.clocks import Clocks
from pvae_brian.network.graded import connect, residual_layer
from pvae_brian.network.inputs import OnOffInput
from pvae_brian.network.parameters import Dense, NetworkParameters

# After the graded layers, which have lower ones.
_DRIVE_ORDER = 7
# Monitors look first, with order 0.
_AFTER_MONITORS = 1


@dataclass(frozen=True, eq=False)
class InputPart:
    """From images to the drive of the latents; attributes as of `AutoencoderNetwork`.

    Attributes
    ----------
    objects : list of BrianObject
        All that goes into the network.
    """

    pixels: NeuronGroup
    on_off: NeuronGroup | None
    encoder: Synapses
    drive: NeuronGroup
    objects: list[BrianObject]


def input_part(
    parameters: NetworkParameters,
    images: np.ndarray,
    input: str | OnOffInput,
    clocks: Clocks,
) -> InputPart:
    """Make input neurons and encoder for images of shape (n_stimuli, n_inputs)."""
    pixels = NeuronGroup(
        parameters.n_inputs,
        equations.PIXELS,
        clock=clocks.window,
        namespace={"stimuli": TimedArray(images, dt=clocks.window.dt)},
        name="pixels*",
    )
    _at_each_window(pixels, equations.HOLD_IMAGE, clocks)
    if isinstance(input, OnOffInput):
        return _spiking_input(parameters.encoder, pixels, input, clocks)
    drive = _group(
        parameters.n_latents, equations.DRIVE, clocks.window, "drive", order=_DRIVE_ORDER
    )
    source, objects = pixels, [pixels, drive]
    if parameters.body is not None:
        source, layer = residual_layer(pixels, parameters.body, clocks.window, "body")
        objects += layer
    encoder = connect(source, drive, parameters.encoder.weight, equations.GRADED, "encoder")
    return InputPart(pixels, None, encoder, drive, [*objects, encoder])


def _spiking_input(
    layer: Dense, pixels: NeuronGroup, input: OnOffInput, clocks: Clocks
) -> InputPart:
    n = len(pixels)
    on_off = _spiking_group(2 * n, equations.ON_OFF, equations.DRAW, clocks, "on_off")
    on_off.polarity = polarity = np.repeat([1.0, -1.0], n)
    on_off.pixel = linked_var(pixels, "value", index=np.arange(2 * n) % n)
    on_off.rate_per_unit = input.rate_per_unit * Hz
    _at_each_window(on_off, equations.NEW_COUNT, clocks)
    drive = _group(
        len(layer.weight), equations.DRIVE_BY_SPIKES, clocks.step, "drive", method="exact"
    )
    drive.tau = input.tau * second
    _at_each_window(drive, equations.NEW_DRIVE, clocks)
    encoder = connect(
        on_off,
        drive,
        np.tile(layer.weight, 2) * polarity * input.jump(float(clocks.step.dt)),
        equations.SPIKING,
        "encoder",
        on_pre=equations.SPIKES_INTO_DRIVE,
    )
    return InputPart(pixels, on_off, encoder, drive, [pixels, on_off, drive, encoder])


def latent_part(parameters: NetworkParameters, drive: NeuronGroup, clocks: Clocks) -> NeuronGroup:
    """Make the latent neurons, which turn their drive into a rate and fire."""
    model = equations.latents(
        parameters.log_gain_clamp, parameters.is_excitatory, parameters.rate_clamp
    )
    latents = _spiking_group(parameters.n_latents, model, equations.DRAW_LATENTS, clocks, "latents")
    latents.drive = linked_var(drive, "total")
    latents.bias = parameters.encoder.bias
    latents.log_rate = parameters.log_rate
    latents.rate_offset = parameters.rate_offset
    latents.window_duration = clocks.window.dt
    _at_each_window(latents, equations.NEW_LATENTS, clocks)
    return latents


def readout_part(
    layer: Dense, latents: NeuronGroup, clocks: Clocks
) -> tuple[Synapses, NeuronGroup]:
    """Make the decoder's synapses, and the readout to which they add the feature of each spike."""
    readout = _group(len(layer.weight), equations.READOUT, clocks.step, "readout")
    readout.bias = layer.bias
    _at_each_window(readout, equations.NEW_READOUT, clocks)
    decoder = connect(
        latents,
        readout,
        layer.weight,
        equations.SPIKING,
        "decoder",
        on_pre=equations.SPIKES_INTO_READOUT,
    )
    return decoder, readout


def _group(n: int, model: str, clock: Clock, name: str, **settings: object) -> NeuronGroup:
    return NeuronGroup(n, model, clock=clock, namespace={}, name=f"{name}*", **settings)


def _spiking_group(n: int, model: str, draw: str, clocks: Clocks, name: str) -> NeuronGroup:
    group = _group(
        n,
        model,
        clocks.step,
        name,
        threshold=equations.THRESHOLD,
        reset=equations.RESET,
    )
    group.run_regularly(draw, clock=clocks.step, when="before_thresholds")
    return group


def _at_each_window(group: NeuronGroup, code: str, clocks: Clocks) -> None:
    group.run_regularly(code, clock=clocks.window, when="start", order=_AFTER_MONITORS)
