"""`AutoencoderNetwork`: the whole autoencoder in Brian2, from pixels to spikes to pixels."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from brian2 import Network, Quantity, SpikeMonitor, StateMonitor, prefs, second
from brian2.devices.device import RuntimeDevice, auto_target, get_device
from numpy.typing import ArrayLike

from pvae_brian._checks import (
    LARGEST_RATE,
    check_images,
    check_positive_integer,
    check_rates,
    check_seed,
    check_window,
)
from pvae_brian.encoder import Encoder
from pvae_brian.gaussian_encoder import GaussianEncoder
from pvae_brian.network.activity import NetworkActivity
from pvae_brian.network.clocks import Clocks
from pvae_brian.network.cox import predict_cox
from pvae_brian.network.inputs import GRADED, OnOffInput, check_input
from pvae_brian.network.parameters import read_parameters
from pvae_brian.network.parts import input_part, latent_part, readout_part
from pvae_brian.network.reading import at_window_ends, spike_times
from pvae_brian.neurons import CountPrediction
from pvae_brian.spikes import SpikeRecord, SpikeTimes
from pvae_brian.spikes.settings import current_versions

_RECORDS = ("counts", "times")


class AutoencoderNetwork(Network):
    r"""A P-VAE as a Brian2 network that is shown one image after another.

    Input neurons hold the image x, the encoder's synapses add up the log gain, latent neurons turn
    it into a rate and fire, and the decoder's synapses add each spike's feature to the readout:

    .. math::
        u = W x + b, \qquad
        \mathrm{rate} = \exp(\mathrm{softclamp}(\log r + \mathrm{softclamp}(u, 10), c)) / T, \qquad
        y \leftarrow y + \Phi_i \text{ at each spike of } i

    In each time step a latent fires a Poisson number of spikes, ``new_spikes``, of mean
    ``rate*dt``, so counts are Poisson for any time step, with the means that
    `Encoder.posterior_rates` gives. Images follow each other without a gap, and counts and readout
    start anew with each.

    Parameters
    ----------
    encoder : Encoder
        With a linear encoder, or an MLP of this package or the authors' code.
    images : array_like
        Stimuli, of shape (n_stimuli, n_inputs), (n_stimuli, height, width) or
        (n_stimuli, 1, height, width).
    window : `brian2.Quantity`
        How long each is shown.
    n_steps : int
        Time steps per window.
    input : 'graded' or OnOffInput
        Whether input neurons hold the image, or ON and OFF neurons carry it by Poisson spikes
        (linear encoders only).
    record : {'counts', 'times'}
        Whether to record when spikes come, besides the counts.
    name : str
        Name of the network.

    Attributes
    ----------
    model : Encoder
        The encoder that it was built of.
    pixels : NeuronGroup
        n_inputs neurons, whose ``value`` is the image.
    on_off : NeuronGroup or None
        2 n_inputs neurons, all ON ones first; None for graded input.
    encoder : Synapses
        From pixels (or ON and OFF neurons, or the last layer of an MLP) to `drive`.
    drive : NeuronGroup
        n_latents units, whose ``total`` is what the encoder's synapses add up.
    latents : NeuronGroup
        n_latents neurons; ``rate``, ``log_gain``, ``count``, ``expected``, ``new_spikes``.
    decoder : Synapses or None
        From latents to readout; None for a model without a decoder.
    readout : NeuronGroup or None
        Units whose ``value`` is the image as drawn so far. If the model's decoder is not linear
        they hold what its first layer adds up.
    parameters : NetworkParameters
        The weights.
    images : ndarray, shape (n_stimuli, n_inputs)
        The stimuli.
    window_s : float
        Duration of a window in seconds.
    n_steps : int
        Time steps per window.

    Raises
    ------
    ValueError
        If the encoder's layers have no counterpart in synapses, if images do not fit it, or if
        window, number of steps, input or what to record is out of range.
    TypeError
        If it is no encoder of a P-VAE.
    brian2.DimensionMismatchError
        If the window is not a time with its unit.

    Notes
    -----
    It is a `brian2.Network`: add groups of your own, wired to `latents`, whose spikes of one step
    are one event of ``new_spikes`` spikes (``on_pre='v_post += w*new_spikes_pre'``, and
    ``clock=network.latents.clock`` for these synapses). It runs on
    Brian2's active device; `brian2.seed` makes it repeatable. Graded units are updated once per
    window, as the image changes.

    Synaptic events are counted where they arrive, in ``synaptic_events`` of `readout` and, with
    Poisson input, of `drive`. A weight of 0 is no synapse.

    Examples
    --------
    >>> from brian2 import ms, seed
    >>> import pvae_brian as pb
    >>> from pvae_brian.data import shipped_model, shipped_patches
    >>> encoder, images = pb.load_encoder(shipped_model()), shipped_patches()[:3]
    >>> network = pb.AutoencoderNetwork(encoder, images, window=100*ms)
    >>> seed(1)
    >>> network.run()
    >>> activity = network.activity(seed=1)
    >>> activity.record.counts.shape, activity.reconstructions.shape
    ((3, 256), (3, 256))
    >>> bool(abs(activity.reconstructions - encoder.decode(activity.record.counts)).max() < 1e-4)
    True
    """

    def __init__(
        self,
        encoder: Encoder | GaussianEncoder,
        images: ArrayLike,
        window: Quantity = 1 * second,
        n_steps: int = 100,
        input: str | OnOffInput = GRADED,
        record: str = "counts",
        name: str = "autoencodernetwork*",
    ) -> None:
        parameters = read_parameters(encoder)
        self.model = encoder
        self.window_s = check_window(window)
        self.n_steps = check_positive_integer(n_steps, "n_steps")
        self.images = check_images(images, parameters.n_inputs)
        self.parameters = parameters
        self.input = check_input(input, parameters, self.images, self.window_s, self.n_steps)
        self._check_rates()
        if record not in _RECORDS:
            raise ValueError(
                f"record must be one of {', '.join(map(repr, _RECORDS))}, got {record!r}"
            )
        clocks = Clocks.of(self.window_s, self.n_steps, len(self.images))
        self._frame = clocks.window
        seen = input_part(parameters, self.images, self.input, clocks)
        self.pixels, self.on_off = seen.pixels, seen.on_off
        self.encoder, self.drive = seen.encoder, seen.drive
        self.latents = latent_part(parameters, seen.drive, clocks)
        objects = [*seen.objects, self.latents]
        self.decoder = self.readout = None
        if parameters.decoder is not None:
            self.decoder, self.readout = readout_part(parameters.decoder, self.latents, clocks)
            objects += [self.decoder, self.readout]
        # As a window starts, these groups still hold what the one before came to.
        self._monitors = {
            (name, variable): StateMonitor(
                getattr(self, name), variable, record=True, clock=clocks.window, when="start"
            )
            for name, variable in self._monitored()
        }
        self._spikes = None
        if record == "times":
            self._spikes = SpikeMonitor(self.latents, variables="new_spikes")
            objects.append(self._spikes)
        super().__init__(*objects, *self._monitors.values(), name=name)
        self._ours = len(self.objects)

    def run(
        self,
        duration: Quantity | None = None,
        report: Any = None,
        report_period: Quantity = 10 * second,
        namespace: dict[str, Any] | None = None,
        profile: bool | None = None,
        level: int = 0,
    ) -> None:
        """Run as `brian2.Network.run` does, by default until all images were shown.

        As long as there are no objects of yours in the network, names in your script mean nothing
        to it.
        """
        if namespace is None and len(self.objects) == self._ours:
            namespace = {}
        duration = self.duration if duration is None else duration
        super().run(duration, report, report_period, namespace, profile, level=level + 1)

    def _check_rates(self) -> None:
        rates = check_rates(self.model.posterior_rates(self.images))
        largest = float(rates.sum(axis=1).max())
        if largest > LARGEST_RATE:
            raise ValueError(
                f"an image would make its latents fire {largest:.3g} spikes, and synapses count up "
                f"to {LARGEST_RATE:g}; are the images scaled as in training?"
            )

    def _monitored(self) -> Iterator[tuple[str, str]]:
        yield from (("latents", "count"), ("latents", "expected"))
        if self.on_off is not None:
            yield from (("on_off", "count"), ("drive", "synaptic_events"))
        if self.readout is not None:
            yield from (("readout", "value"), ("readout", "synaptic_events"))

    @property
    def n_stimuli(self) -> int:
        """Images that are shown."""
        return len(self.images)

    @property
    def window(self) -> Quantity:
        """How long each image is shown, a `brian2.Quantity`: a whole number of time steps.

        It may differ from what was asked for by rounding, so that all windows start at a step.
        """
        return self._frame.dt

    @property
    def duration(self) -> Quantity:
        """How long it takes to show them all, a `brian2.Quantity`."""
        return self.n_stimuli * self.window

    @cached_property
    def prediction(self) -> CountPrediction:
        """Mean and variance of each count, as theory predicts them: shape (n_stimuli, n_latents).

        Poisson for graded input; those of a Cox process for Poisson input, see `predict_cox`,
        which may take longer than the run. They are worked out when first asked for.
        """
        if isinstance(self.input, OnOffInput):
            return predict_cox(
                self.parameters, self.images, self.input, self.window_s, self.n_steps
            )
        rates = self.model.posterior_rates(self.images)
        return CountPrediction(mean=rates, variance=rates)

    def activity(self, *, seed: int) -> NetworkActivity:
        """Gather what the network did while it showed the images.

        Parameters
        ----------
        seed : int
            The one that was given to `brian2.seed`, to be kept in the record. Times of spikes
            within their steps are drawn by it.

        Returns
        -------
        NetworkActivity

        Raises
        ------
        ValueError
            If it has not run for `duration` yet, or seed is out of range.
        """
        seed = check_seed(seed)
        if self.t_ < float(self.duration) - float(self.latents.clock.dt) / 2:
            raise ValueError(
                f"the network has run for {self.t_:g} s and needs {float(self.duration):g} s to "
                f"show {self.n_stimuli} images; call network.run() first"
            )
        nothing = np.zeros(self.n_stimuli, dtype=np.int64)
        record = SpikeRecord(
            counts=self._held("latents", "count").astype(np.int32),
            rates=self._held("latents", "expected"),
            window_s=self.window_s,
            n_steps=self.n_steps,
            seed=seed,
            device=_device(),
            versions=current_versions(),
            times=self._times(seed),
        )
        return NetworkActivity(
            record=record,
            reconstructions=None if self.readout is None else self._held("readout", "value"),
            input_spikes=nothing if self.on_off is None else self._summed("on_off", "count"),
            encoder_events=nothing
            if self.on_off is None
            else self._summed("drive", "synaptic_events"),
            decoder_events=nothing
            if self.readout is None
            else self._summed("readout", "synaptic_events"),
            n_input_neurons=0 if self.on_off is None else len(self.on_off),
        )

    def _held(self, group: str, variable: str) -> np.ndarray:
        return at_window_ends(self._monitors[group, variable], variable, self.n_stimuli)

    def _summed(self, group: str, variable: str) -> np.ndarray:
        return self._held(group, variable).sum(axis=1, dtype=np.int64)

    def _times(self, seed: int) -> SpikeTimes | None:
        if self._spikes is None:
            return None
        return spike_times(self._spikes, self.n_stimuli, self.n_steps, self.window_s, seed)


def _device() -> str:
    device = get_device()
    if not isinstance(device, RuntimeDevice):
        return "cpp_standalone"
    target = prefs.codegen.target
    return auto_target().class_name if target == "auto" else target
