"""Runs of latent neurons on Brian2's runtime device, apart from the user's own Brian2 state."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from brian2 import Clock, Network, SpikeMonitor, second
from brian2.codegen.runtime.cython_rt import CythonCodeObject
from brian2.codegen.runtime.numpy_rt import NumpyCodeObject
from brian2.devices.device import get_device, reset_device, runtime_device, set_device

from pvae_brian.neurons import LatentNeurons
from pvae_brian.spikes import SpikeTimes

_CODE_OBJECTS = {"numpy": NumpyCodeObject, "cython": CythonCodeObject}


class RuntimeEngine:
    """One network of latent neurons that is run again and again with other rates.

    A context manager: inside it the runtime device is active and seeded, and after it the
    user's device, default clock and random state are as they were before.

    Parameters
    ----------
    shape : tuple of int
        (n_stimuli, n_latents) of a full chunk.
    window_s : float
        Duration of the window in seconds.
    n_steps : int
        Time steps per window.
    seed : int
        Seed of all chunks together.
    target : {'numpy', 'cython'}
        Code generation target.
    with_times : bool
        Whether to record spike times.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        window_s: float,
        n_steps: int,
        seed: int,
        target: str,
        with_times: bool,
    ):
        self._shape = shape
        self._window_s = window_s
        self._n_steps = n_steps
        self._seed = seed
        self._code_object = _CODE_OBJECTS[target]
        self._with_times = with_times
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> RuntimeEngine:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_own_runtime())
            runtime_device.seed(self._seed)
            # A stream of its own for the times of spikes that no monitor saw.
            self._generator = np.random.default_rng([self._seed, 1])
            self._build()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception) -> None:
        self._stack.close()

    def _build(self) -> None:
        self._neurons = LatentNeurons(
            np.zeros(self._shape),
            self._window_s * second,
            clock=Clock(self._window_s / self._n_steps * second),
            codeobj_class=self._code_object,
        )
        self._network = Network(self._neurons)
        if self._with_times:
            self._monitor = SpikeMonitor(
                self._neurons, variables="arrival", codeobj_class=self._code_object
            )
            self._network.add(self._monitor)
        self._network.store()

    def run(self, rates: np.ndarray) -> tuple[np.ndarray, SpikeTimes | None]:
        """Simulate one window.

        Parameters
        ----------
        rates : ndarray, shape (n_stimuli, n_latents)
            Expected spikes per window, for as many stimuli as a chunk holds or fewer.

        Returns
        -------
        counts : ndarray of int32, shape (n_stimuli, n_latents)
        spikes : SpikeTimes or None
        """
        n_stimuli = len(rates)
        # A short last chunk is filled up with silent neurons.
        padded = np.zeros(self._shape)
        padded[:n_stimuli] = rates
        self._network.restore()
        self._neurons.show(padded)
        self._network.run(self._window_s * second)
        counts = self._neurons.counts[:n_stimuli]
        return counts, self._spike_times(counts, rates) if self._with_times else None

    def _spike_times(self, counts: np.ndarray, rates: np.ndarray) -> SpikeTimes:
        neuron = np.array(self._monitor.i[:])
        time = np.array(self._monitor.arrival[:] / second)
        counts = counts.ravel()
        waiting = counts - np.bincount(neuron, minlength=len(counts))
        # Spikes that were counted at the end of the window but never emitted: given their number,
        # the arrivals of a Poisson process are uniform between the last one seen and the end.
        last = np.zeros(len(counts))
        np.maximum.at(last, neuron, time)
        late = np.repeat(np.arange(len(counts)), waiting)
        end = self._window_s
        late_time = end - (end - last[late]) * self._generator.random(len(late))
        neuron = np.concatenate([neuron, late])
        time = np.concatenate([time, late_time])
        stimulus, latent = np.divmod(neuron, rates.shape[1])
        order = np.lexsort((time, stimulus))
        return SpikeTimes(
            stimulus=stimulus[order].astype(np.int32),
            latent=latent[order].astype(np.int32),
            time=time[order],
        )


@contextlib.contextmanager
def _own_runtime() -> Iterator[None]:
    """Activate the runtime device, and give back device, default clock and random state."""
    is_other_device = get_device() is not runtime_device
    clock = runtime_device.defaultclock
    dt = clock.dt if is_other_device and clock is not None else None
    if is_other_device:
        set_device(runtime_device)
    try:
        with _own_random_state():
            yield
    finally:
        if is_other_device:
            reset_device()
            if dt is not None:
                clock.dt = dt


# Cython code draws ahead into buffers, to which the device holds pointers, and frees a buffer as it
# fills the next. Device.set_random_state would bring back pointers to what was freed meanwhile.
# So the user's buffers are set aside untouched, and these are ours, kept from run to run.
_BUFFERS = ("rand_buffer", "randn_buffer")
_our_buffers = {name: np.zeros(1, dtype=np.intp) for name in _BUFFERS}


@contextlib.contextmanager
def _own_random_state() -> Iterator[None]:
    numpy_state = np.random.get_state()  # noqa: NPY002, for Brian2 draws from it
    names = [*_BUFFERS, *(f"{name}_index" for name in _BUFFERS)]
    theirs = {name: getattr(runtime_device, name).copy() for name in names}
    for name in _BUFFERS:
        getattr(runtime_device, name)[:] = _our_buffers[name]
        getattr(runtime_device, f"{name}_index")[:] = 0
    try:
        yield
    finally:
        for name in _BUFFERS:
            _our_buffers[name] = getattr(runtime_device, name).copy()
        for name in names:
            getattr(runtime_device, name)[:] = theirs[name]
        np.random.set_state(numpy_state)  # noqa: NPY002
