"""Latent neurons: the Brian2 group whose spike counts are the latents of a Poisson VAE."""

from __future__ import annotations

from typing import Any

import numpy as np
from brian2 import Clock, Hz, NeuronGroup, Quantity, second
from brian2.devices.device import RuntimeDevice, get_device
from numpy.typing import ArrayLike

from pvae_brian._checks import check_rates, check_window
from pvae_brian.neurons.poisson import EQUATIONS, RESET, THRESHOLD


class LatentNeurons(NeuronGroup):
    r"""A group of Poisson neurons with exact counts, one for each stimulus and latent.

    Neuron ``stimulus * n_latents + latent`` fires as a Poisson process of rate
    :math:`\lambda / T`, where :math:`\lambda` is its expected count in a window of duration
    :math:`T`. Times between spikes are exponential,

    .. math:: t_{k+1} = t_k - \ln(1 - U) / (\lambda / T), \qquad U \sim \mathrm{Uniform}[0, 1),

    and are not rounded to the time step: a step in which an arrival falls emits one spike, and
    arrivals that are still waiting at the end of a window are added to `count`. Counts over a
    whole window are therefore Poisson for any time step, where `brian2.PoissonGroup` gives
    binomial ones (Fano factor ``1 - rate*dt``).

    Parameters
    ----------
    rates : array_like, shape (n_stimuli, n_latents) or (n_latents,)
        Expected spikes per window, dimensionless.
    window : `brian2.Quantity`
        Duration of the window, a time. It must be a multiple of the time step.
    dt : `brian2.Quantity`, optional
        Time step. By default that of `brian2.defaultclock`.
    clock : `brian2.Clock`, optional
        Clock to use instead of ``dt``.
    name : str, optional
        Name of the group.
    codeobj_class : class, optional
        Code object class that runs the group, as in `brian2.NeuronGroup`.

    Raises
    ------
    ValueError
        If rates are negative, not finite or of the wrong shape, or if the window is not positive.
    brian2.DimensionMismatchError
        If the window is not a time with its unit, or if rates have one.

    Notes
    -----
    State variables: ``rate`` (Hz), ``arrival`` (time of the next spike), ``count``, ``shown``
    (when the stimulus was shown) and the shared
    ``window_duration``. ``SpikeMonitor(neurons, variables='arrival')`` records the
    continuous spike times. Next arrivals are drawn as each run starts, so that `brian2.seed` before
    a run makes it repeatable, runs after ``restore`` are independent, and a changed ``rate`` holds
    from the next run on. Downstream `brian2.Synapses` see at most one spike of a neuron per
    step, late by the queue before it; keep ``rate*dt`` well below 1 where that matters. Inside a
    window `count` holds the spikes emitted so far; it is exact at the end of each window.

    Examples
    --------
    >>> from brian2 import Network, ms, second, seed
    >>> from pvae_brian import LatentNeurons
    >>> seed(1)
    >>> neurons = LatentNeurons([[0.0, 200.0]], window=1*second, dt=1*ms)
    >>> network = Network(neurons)
    >>> network.run(1*second)
    >>> int(neurons.counts[0, 0]), bool(100 < neurons.counts[0, 1] < 300)
    (0, True)
    >>> neurons.show([[5.0, 0.0]])
    >>> network.run(1*second)
    >>> int(neurons.counts[0, 1])
    0
    """

    def __init__(
        self,
        rates: ArrayLike,
        window: Quantity = 1 * second,
        dt: Quantity | None = None,
        clock: Clock | None = None,
        name: str = "latentneurons*",
        codeobj_class: type | None = None,
    ) -> None:
        duration = check_window(window)
        rates = check_rates(np.atleast_2d(rates))
        super().__init__(
            rates.size,
            EQUATIONS,
            threshold=THRESHOLD,
            reset=RESET,
            dt=dt,
            clock=clock,
            namespace={},
            name=name,
            codeobj_class=codeobj_class,
        )
        # Brian2 sets and gets state variables by name; type checkers cannot see them.
        self.rate: Any
        self.arrival: Any
        self.count: Any
        self.shown: Any
        self.add_attribute("n_stimuli")
        self.add_attribute("n_latents")
        self.n_stimuli, self.n_latents = rates.shape
        self._duration = duration
        self._is_running = False
        self.window_duration = duration * second
        self.show(rates)

    def show(self, rates: ArrayLike) -> None:
        """Show other stimuli from now on: a new window starts and counts begin at zero.

        Between runs the window starts with the next run; in a `brian2.network_operation`, at once.

        Parameters
        ----------
        rates : array_like, shape (n_stimuli, n_latents) or (n_latents,)
            Expected spikes per window, of the shape that the group was made with.

        Raises
        ------
        ValueError
            If rates are negative, not finite or of another shape.
        """
        rates = check_rates(np.atleast_2d(rates))
        if rates.shape != (self.n_stimuli, self.n_latents):
            raise ValueError(
                f"rates must have the group's shape ({self.n_stimuli}, {self.n_latents}), got "
                f"{rates.shape}; make another group for another number of stimuli or latents"
            )
        self.rate = rates.ravel() / self._duration * Hz
        self.count = 0
        self.arrival = "inf*second"
        # Between runs the clock may be another network's; the time is known when the run starts.
        self.shown = "t" if self._is_running else "inf*second"
        if self._is_running:
            self._draw_arrivals()

    def _draw_arrivals(self) -> None:
        """Draw the next arrival of every neuron that has none waiting.

        A Poisson process has no memory, so this may be done at any time. Done at the start of each
        run, it makes runs independent after `restore`, repeatable after `seed`, and true to rates
        that were changed between them.
        """
        # In two steps, for C++ standalone cannot use t in both a condition and its statement.
        self.arrival["arrival > t"] = "inf*second"
        self.arrival["arrival == inf*second and rate > 0*Hz"] = "t - log(1 - rand())/rate"

    @property
    def counts(self) -> np.ndarray:
        """Spikes since the stimuli were shown, integers of shape (n_stimuli, n_latents)."""
        return np.array(self.count[:]).reshape(self.n_stimuli, self.n_latents)

    def before_run(self, run_namespace: dict[str, Any] | None = None) -> None:
        """Check the time step, then prepare the run (called by Brian2)."""
        steps = self._duration / float(self.clock.dt)
        if round(steps) < 1 or abs(steps - round(steps)) > 1e-6 * steps:
            raise ValueError(
                f"the window must be a multiple of the time step, got {self._duration} s and "
                f"dt={self.clock.dt} ({steps:g} steps); choose dt = window / n_steps"
            )
        self.shown["shown == inf*second"] = "t"
        self._draw_arrivals()
        # A standalone device only plans its runs: nothing can be shown while they go on.
        self._is_running = isinstance(get_device(), RuntimeDevice)
        super().before_run(run_namespace)

    def after_run(self) -> None:
        """Note that the run has ended (called by Brian2)."""
        self._is_running = False
        super().after_run()
