"""Runs of a neuron model on Brian2's runtime device, apart from the user's own Brian2 state."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Iterator

import numpy as np
from brian2 import Clock, Network, SpikeMonitor, prefs, second
from brian2.core.variables import ArrayVariable
from brian2.devices.device import get_device, reset_device, runtime_device, set_device

from pvae_brian.engine.block import END, PartResult, check_complete
from pvae_brian.engine.errors import EngineError
from pvae_brian.engine.preferences import DEFAULTS
from pvae_brian.neurons import NeuronModel


class RuntimeRunner:
    """One network that is run again and again with other rates.

    A context manager: inside it the runtime device is active, and after it the user's device,
    default clock, preferences and random state are as they were before.

    Parameters
    ----------
    neuron : NeuronModel
        What to simulate.
    n : int
        Neurons in the network.
    window_s : float
        Duration of the window in seconds.
    n_steps : int
        Time steps per window.
    target : {'numpy', 'cython'}
        Code generation target.
    with_times : bool
        Whether to record spike times.
    """

    def __init__(
        self,
        neuron: NeuronModel,
        n: int,
        window_s: float,
        n_steps: int,
        target: str,
        with_times: bool,
    ):
        self.n = n
        self._neuron = neuron
        self._window_s = window_s
        self.n_steps = n_steps
        self._target = target
        self._with_times = with_times
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> RuntimeRunner:
        with contextlib.ExitStack() as stack:
            stack.enter_context(_own_runtime(self._target))
            self._network: Network | None = None
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def _build(self) -> Network:
        extra = self._neuron.n_extra_steps(self._window_s, self.n_steps)
        self._last_step = self.n_steps + extra
        population = self._neuron.population(self.n)
        group = population.objects[0]
        group.clock.dt = 1 / self.n_steps * second
        for name, value in self._neuron.constants(self._window_s).items():
            group.variables[name].get_value()[:] = value
        self._population = population
        network = Network(*population.objects)
        if self._with_times:
            self._time = "t" if population.arrival is None else "arrival"
            self._monitor = SpikeMonitor(group, variables=None if self._time == "t" else self._time)
            network.add(self._monitor)
        network.store()
        return network

    def run(
        self, rates: np.ndarray, arrivals: np.ndarray | None, seed: np.ndarray, first_step: int = 0
    ) -> PartResult:
        """Simulate one window.

        Parameters
        ----------
        rates : ndarray, shape (n,)
            Expected spikes per window, for as many neurons as the network has or fewer.
        arrivals : ndarray, shape (n,), or None
            First arrivals in units of the window, for models that have them.
        seed : ndarray of uint32
            Of this run.
        first_step : int
            Step to start from: none of the arrivals lies before it.

        Returns
        -------
        PartResult

        Raises
        ------
        EngineError
            If the run stopped early, or left spikes of the window behind.
        """
        if self._network is None:
            # Not before there is something to run: Brian2 warns of objects that never were.
            self._network = self._build()
        n = len(rates)
        network, population = self._network, self._population
        network.restore()
        # Neurons that are not needed stay silent.
        _fill(population.rate, rates, 0.0)
        if population.arrival is not None:
            # Drawn for a model that knows its arrivals.
            assert arrivals is not None
            _fill(population.arrival, arrivals, np.inf)
        runtime_device.seed(seed)
        clock = population.objects[0].clock
        # Brian2 takes it over into the clock.
        network.t_ = first_step * clock.dt_
        # Names of ours must not be mistaken for those of the equations.
        network.run((self._last_step - first_step) * clock.dt, namespace={})
        if clock.variables["timestep"].get_value()[0] != self._last_step:
            raise EngineError("the simulation was stopped before the end of the window")
        if population.arrival is not None:
            check_complete(int(np.count_nonzero(population.arrival.get_value()[:n] < END)))
        counts = population.count.get_value()[:n].astype(np.int32)
        if not self._with_times:
            return PartResult(counts)
        return PartResult(
            counts,
            neuron=np.array(self._monitor.i[:]),
            time=np.array(getattr(self._monitor, f"{self._time}_")[:]),
        )


def _fill(variable: ArrayVariable, values: np.ndarray, rest: float) -> None:
    array = variable.get_value()
    array[: len(values)] = values
    array[len(values) :] = rest


_one_at_a_time = threading.RLock()


@contextlib.contextmanager
def _own_runtime(target: str) -> Iterator[None]:
    """Activate the runtime device, and give back device, clock, preferences and random state."""
    ours = {
        "codegen.target": target,
        # Brian2 would end the run on Ctrl-C as if it were complete.
        "core.stop_on_keyboard_interrupt": False,
        # What the neuron models count on.
        **DEFAULTS,
    }
    theirs = {name: prefs[name] for name in ours}
    was_running = Network._globally_running
    # All of it is common to all threads.
    with _one_at_a_time, _own_device(), _own_random_state(), _quick_collections():
        try:
            for name, value in ours.items():
                prefs[name] = value
            yield
        finally:
            for name, value in theirs.items():
                prefs[name] = value
            # A run that ends in an exception leaves it set.
            Network._globally_running = was_running


@contextlib.contextmanager
def _quick_collections() -> Iterator[None]:
    """Keep what exists now out of garbage collection: Brian2 collects before each run.

    With torch loaded a collection takes longer than most runs.
    """
    if gc.get_freeze_count():
        # The user has frozen objects; unfreezing ours would unfreeze theirs.
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def _own_device() -> Iterator[None]:
    """Activate the runtime device with a default clock of our own."""
    # Changing the device copies the time step from one default clock to the other.
    their_clocks = (runtime_device.defaultclock, get_device().defaultclock)
    runtime_device.defaultclock = Clock(0.1 * second)
    is_other_device = get_device() is not runtime_device
    their_dt = None if their_clocks[1] is None else their_clocks[1].dt
    if is_other_device:
        set_device(runtime_device)
    try:
        yield
    finally:
        if is_other_device:
            if their_dt is not None:
                # This too is copied, back to where it came from. Another value would make Brian2
                # refuse the next run, whose start may be no multiple of it.
                runtime_device.defaultclock.dt = their_dt
            reset_device()
        runtime_device.defaultclock = their_clocks[0]


# Cython code draws ahead into buffers, to which the device holds pointers, and frees a buffer as it
# fills the next. Device.set_random_state would bring back pointers to what was freed meanwhile.
# So the user's buffers are set aside untouched, and these are ours, kept from run to run.
_BUFFERS = ("rand_buffer", "randn_buffer")
_our_buffers = {name: np.zeros(1, dtype=np.intp) for name in _BUFFERS}


@contextlib.contextmanager
def _own_random_state() -> Iterator[None]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002, for Brian2 draws from it
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
