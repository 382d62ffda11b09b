"""The Brian2 equations of the network, part by part. An exported project has the same ones."""

from __future__ import annotations

# What is done as each window starts.
HOLD_IMAGE = "value = stimuli(t, i)"
NEW_COUNT = "count = 0"
NEW_LATENTS = "count = 0; expected = 0"
NEW_DRIVE = "synaptic_events = 0"
NEW_READOUT = "value = bias; synaptic_events = 0"

PIXELS = "value : 1  # of the pixel, held until the next image comes"

# A residual layer: ReLU units, and units that they add to. One further unit knows the mean and the
# mean square of these.
HIDDEN = """
total : 1
bias : 1
value = clip(total + bias, 0, inf) : 1
"""
RESIDUAL = """
total : 1
bias : 1
skip : 1
gain : 1
shift : 1
epsilon : 1 (shared)
mean : 1 (linked)
mean_square : 1 (linked)
before_norm = skip + total + bias : 1
value = gain*(before_norm - mean)/sqrt(mean_square - mean**2 + epsilon) + shift : 1
"""
MOMENTS = """
mean : 1
mean_square : 1
"""

# Synapses between graded units.
GRADED = "weight : 1\ntotal_post = weight*value_pre : 1 (summed)"
SKIP = "skip_post = value_pre : 1 (summed)"
INTO_MOMENTS = """
mean_post = before_norm_pre/N_pre : 1 (summed)
mean_square_post = before_norm_pre**2/N_pre : 1 (summed)
"""

# What the encoder's synapses add up, for each latent: of graded units, or of spikes.
DRIVE = "total : 1"
DRIVE_BY_SPIKES = """
dtotal/dt = -total/tau : 1
tau : second (shared)
synaptic_events : integer  # in this window
"""

ON_OFF = """
rate = clip(polarity*pixel, 0, inf)*rate_per_unit : Hz
polarity : 1  # 1 for ON, -1 for OFF
pixel : 1 (linked)
rate_per_unit : Hz (shared)
new_spikes : integer  # in this step
count : integer  # in this window
"""

# All spikes of a step at once: their number is Poisson, so counts are, for any time step.
DRAW = "new_spikes = poisson(rate*dt)"
DRAW_LATENTS = "new_spikes = poisson(rate*dt); expected += rate*dt"
THRESHOLD = "new_spikes > 0"
RESET = "count += new_spikes"

READOUT = """
value : 1  # of the pixel, drawn spike by spike
bias : 1
synaptic_events : integer  # in this window
"""
SPIKING = "weight : 1"
SPIKES_INTO_DRIVE = "total_post += weight*new_spikes_pre; synaptic_events_post += new_spikes_pre"
SPIKES_INTO_READOUT = "value_post += weight*new_spikes_pre; synaptic_events_post += new_spikes_pre"


def latents(log_gain_clamp: float, is_excitatory: bool, rate_clamp: float | None) -> str:
    r"""Return the equations of the latent neurons: from what synapses add up to a firing rate.

    .. math::
        \mathrm{rate} = (\exp(\mathrm{softclamp}(\log r + \mathrm{clamp}(u + b), c)) + \epsilon) / T

    Parameters
    ----------
    log_gain_clamp : float
        Soft upper clamp on the log gain.
    is_excitatory : bool
        Whether log gains are clamped at 0 from below too.
    rate_clamp : float or None
        c; None for none.

    Examples
    --------
    >>> print(latents(10.0, False, None))
    drive : 1 (linked)
    bias : 1
    log_rate : 1  # of the prior
    rate_offset : 1 (shared)
    window_duration : second (shared)
    raw = drive + bias : 1
    log_gain = clip(raw, -inf, 10.0) - log1p(exp(-abs(raw - 10.0))) : 1
    rate = (exp(log_rate + log_gain) + rate_offset)/window_duration : Hz
    new_spikes : integer  # in this step
    count : integer  # in this window
    expected : 1  # integral of the rate over this window
    """
    if is_excitatory:
        log_gain = f"{_soft_plus('raw')} - ({_soft_plus(f'(raw - {log_gain_clamp!r})')})"
    else:
        log_gain = _soft_clamp("raw", log_gain_clamp)
    lines = [
        "drive : 1 (linked)",
        "bias : 1",
        "log_rate : 1  # of the prior",
        "rate_offset : 1 (shared)",
        "window_duration : second (shared)",
        "raw = drive + bias : 1",
        f"log_gain = {log_gain} : 1",
    ]
    posterior = "log_rate + log_gain"
    if rate_clamp is not None:
        lines.append(f"free = {posterior} : 1")
        lines.append(f"clamped = {_soft_clamp('free', rate_clamp)} : 1")
        posterior = "clamped"
    lines += [
        f"rate = (exp({posterior}) + rate_offset)/window_duration : Hz",
        "new_spikes : integer  # in this step",
        "count : integer  # in this window",
        "expected : 1  # integral of the rate over this window",
    ]
    return "\n".join(lines)


def _soft_clamp(name: str, upper: float) -> str:
    """Write c - softplus(c - v) such that nothing overflows."""
    return f"clip({name}, -inf, {upper!r}) - log1p(exp(-abs({name} - {upper!r})))"


def _soft_plus(name: str) -> str:
    return f"clip({name}, 0, inf) + log1p(exp(-abs({name})))"
