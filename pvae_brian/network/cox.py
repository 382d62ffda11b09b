r"""What Poisson input makes of the counts: mean and variance of a Cox process.

The drive of a latent is shot noise. With :math:`a = e^{-dt/\tau}`, and :math:`\mu_m` spikes to be
expected in a step of the neuron that carries pixel m, each moving the drive by :math:`w_m`,

.. math::
    u_k = \sum_{j < k} a^{k - j} \sum_m w_m n_{jm}, \qquad n_{jm} \sim \mathrm{Poisson}(\mu_m)

in step k. So all its cumulants are known (Campbell's theorem),

.. math:: D_p(k) = \sum_{j < k} a^{p(k - j)} \sum_m \mu_m w_m^p,

and a later drive is :math:`u_{k+d} = a^d u_k` plus what is new and independent. For any s

.. math::
    \log E[e^{s u_k}] &= \sum_p D_p(k)\,s^p / p! \\
    \log \frac{E[e^{s(u_k + u_{k+d})}]}{E[e^{s u_k}]\,E[e^{s u_{k+d}}]} &= \sum_p
    \frac{D_p(k)\,s^p}{p!} \bigl((1 + a^d)^p - 1 - a^{dp}\bigr).

A rate far below its clamps is :math:`r e^{b + u}`, and s = 1 gives its moments. The clamps divide
it by :math:`1 + C r e^{b + u}`, with :math:`C = e^{-10} / r + e^{-c}`. Then s is the slope that the
log rate has at the mean drive of the window's end, and of the factor that is left, nearly flat, the
mean is taken as if u were normal, with the mean and variance that it has where it is weighted by
:math:`e^{su}`. So it is exact as long as the clamps do nothing, and good to a few percent of the
excess where they do, for drives that fluctuate by a standard deviation of up to 1; beyond, there is
no prediction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit, factorial

from pvae_brian.network.inputs import OnOffInput
from pvae_brian.network.parameters import NetworkParameters
from pvae_brian.neurons import CountPrediction

# Of the log rate, by one spike: beyond, the sums over p lose their digits.
_LARGEST_JUMP = 8.0
# Of the drive, where the rate is clamped: beyond, it is too far from normal.
_LARGEST_SD = 1.0
# Slope of the log rate: above the first, clamps do nothing; below the second, they act.
_FREE, _CLAMPED = 0.999, 0.95
_NEGLIGIBLE = 1e-17
# Of a drive after some steps: what is left of it no longer matters.
_FORGOTTEN = 1e-8
# To integrate over normal laws, where rates are free and where they are clamped.
_N_NODES = {True: 3, False: 9}
# Held at once: of the cumulants, and of a few arrays like them.
_NUMBERS = 2**18


def predict_cox(
    parameters: NetworkParameters,
    images: np.ndarray,
    input: OnOffInput,
    window_s: float,
    n_steps: int,
) -> CountPrediction:
    r"""Predict mean and variance of the counts of latents that see images through Poisson spikes.

    With the rate :math:`\lambda_k` in step k of n, in spikes per window, the counts are Poisson
    given :math:`\Lambda = \frac{1}{n} \sum_k \lambda_k`, so

    .. math:: E[z] = E[\Lambda], \qquad \mathrm{Var}[z] = E[\Lambda] + \mathrm{Var}[\Lambda].

    The excess of the variance over the mean is :math:`\mathrm{Var}[\Lambda]`. What is left of
    images shown before is taken into account; before the first one there was none. Latents of one
    network share their input, so their counts are correlated.

    Parameters
    ----------
    parameters : NetworkParameters
        Of a linear encoder.
    images : ndarray, shape (n_stimuli, n_inputs)
        In the order in which they are shown.
    input : OnOffInput
        How spikes carry them.
    window_s : float
        How long each is shown, in seconds.
    n_steps : int
        Time steps per window.

    Returns
    -------
    CountPrediction
        Mean and variance, of shape (n_stimuli, n_latents).

    Raises
    ------
    ValueError
        If log gains are clamped from below too, of which there is no theory here; if a single spike
        moves a log rate by more than 8; or if a drive fluctuates by a standard deviation of more
        than 1 where the clamps act.

    References
    ----------
    Cox (1955), J R Stat Soc B 17:129, for the process; Rice (1944), Bell Syst Tech J 23:282, for
    shot noise.
    """
    if parameters.is_excitatory:
        raise ValueError(
            "there is no prediction for a model whose log gains are clamped at 0 from below and "
            "whose input are Poisson spikes; measure instead, or take graded input"
        )
    dt_s = window_s / n_steps
    decay = math.exp(-dt_s / input.tau)
    # As the next step sees it, which is the first that does.
    jumps = parameters.encoder.weight * input.jump(dt_s) * decay
    largest = float(np.abs(jumps).max())
    if largest > _LARGEST_JUMP:
        raise ValueError(
            f"a single spike moves a log rate by {largest:.3g}, too much to predict what comes of "
            "it; take a higher rate_per_unit or a longer tau"
        )
    orders = np.arange(1, _n_orders(2 * largest) + 1)
    per_step = np.abs(images) * input.rate_per_unit * dt_s
    # For each order, stimulus and latent the cumulant of what comes in one step.
    arriving = np.stack([(per_step * np.sign(images) ** p) @ (jumps**p).T for p in orders])
    decays = decay ** (orders[:, None] * np.arange(n_steps + 1))
    # What has come in the first k steps of a window, as step k sees it.
    kept = np.cumsum(decays, axis=1) - decays
    kept = kept[:, :, None, None]
    # What is left, as a window starts, of all that came before.
    before = np.zeros(arriving.shape)
    for k in range(1, len(images)):
        before[:, k] = kept[:, -1, 0] * arriving[:, k - 1] + decays[:, -1:] * before[:, k - 1]
    # A window's start, until drives have forgotten what came before; all later steps are alike.
    n_forgotten = min(n_steps - 1, math.ceil(-math.log(_FORGOTTEN) * input.tau / dt_s))
    start = slice(0, n_forgotten + 1)
    log_saturation = -parameters.log_gain_clamp - parameters.log_rate
    if parameters.rate_clamp is not None:
        log_saturation = np.logaddexp(log_saturation, -parameters.rate_clamp)
    moments = [
        _moments(
            kept[:, start] * arriving[:, None, rows]
            + decays[:, start, None, None] * before[:, None, rows],
            n_steps,
            decay,
            parameters.log_rate + parameters.encoder.bias,
            log_saturation,
        )
        for rows in _blocks(len(images), n_steps * parameters.n_latents * len(orders))
    ]
    mean, excess = (np.concatenate(parts) for parts in zip(*moments, strict=True))
    mean = mean + parameters.rate_offset
    return CountPrediction(mean=mean, variance=mean + excess)


def _blocks(n_stimuli: int, n_each: int) -> list[slice]:
    """Share out stimuli such that numbers fit into memory, and into the cache if they can."""
    size = max(1, _NUMBERS // n_each)
    return [slice(start, start + size) for start in range(0, n_stimuli, size)]


def _n_orders(argument: float) -> int:
    """Terms after which argument^p / p! is negligible."""
    n, term = 1, argument
    while term > _NEGLIGIBLE or n < 4:
        n += 1
        term *= argument / n
    return n


def _moments(
    cumulants: np.ndarray,
    n_steps: int,
    decay: float,
    log_rate: np.ndarray,
    log_saturation: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of the mean rate of one window.

    Parameters
    ----------
    cumulants : ndarray, shape (n_orders, n_distinct, n_stimuli, n_latents)
        Of the drive, from order 1, in the first steps of the window. The last stands for all
        others.
    n_steps : int
        Of the window.
    decay : float
        Of the drive in a step.
    log_rate, log_saturation : ndarray, shape (n_latents,)
        log r + b, and log C.

    Returns
    -------
    mean, variance : ndarray, shape (n_stimuli, n_latents)
    """
    n_orders, n_distinct = cumulants.shape[:2]
    p = np.arange(1, n_orders + 1)
    last = n_distinct - 1
    log_load = log_rate + log_saturation
    slope = expit(-(log_load + cumulants[0, last]))
    drive = _Weighted.by(slope, cumulants)
    _check_fluctuations(drive, slope, log_load)
    points, weights = hermegauss(_N_NODES[bool(slope.min() > _FREE)])
    nodes = list(zip(points, weights / weights.sum(), strict=True))

    def flat(u: np.ndarray) -> np.ndarray:
        """What is left of the rate but for r e^b, once it is divided by exp(slope u)."""
        return np.exp((1 - slope) * u - np.logaddexp(0, log_load + u))

    factor = sum(weight * flat(drive.mean + drive.sd * node) for node, weight in nodes)
    rates = np.exp(log_rate + drive.log_weight) * factor
    # How many steps each distinct one stands for.
    repeats = np.ones(n_distinct)
    repeats[last] = n_steps - last
    total = np.zeros(rates.shape[1:])
    for lag in range(n_steps):
        fade = decay**lag
        if fade < _FORGOTTEN:
            break
        n_early = min(n_distinct, n_steps - lag)
        late = np.minimum(np.arange(n_early) + lag, last)
        of_early = cumulants[:, :n_early]
        of_new = cumulants[:, late] - (fade**p)[:, None, None, None] * of_early
        early, new = _Weighted.by(slope * (1 + fade), of_early), _Weighted.by(slope, of_new)
        together = ((1 + fade) ** p - 1 - fade**p) / factorial(p)
        both = slope * _power_series(slope, of_early, together)
        factors = np.zeros(both.shape)
        for node, weight in nodes:
            u = early.mean + early.sd * node
            later = fade * u + new.mean
            seen = sum(weight * flat(later + new.sd * node) for node, weight in nodes)
            factors += weight * flat(u) * seen
        ratio = np.exp(both) * factors / (factor[:n_early] * factor[late])
        covariance = rates[:n_early] * rates[late] * (ratio - 1)
        number = repeats[:n_early].copy()
        if n_early == n_distinct:
            number[last] = n_steps - lag - last
        total += np.tensordot(number, covariance, axes=1) * (1 if lag == 0 else 2)
    return np.tensordot(repeats, rates, axes=1) / n_steps, total / n_steps**2


@dataclass(frozen=True, eq=False)
class _Weighted:
    """A drive of known cumulants where it is weighted by exp(s u): log of E[exp(s u)], and its
    mean and standard deviation."""

    log_weight: np.ndarray
    mean: np.ndarray
    sd: np.ndarray

    @classmethod
    def by(cls, s: np.ndarray, cumulants: np.ndarray) -> _Weighted:
        p = np.arange(1, len(cumulants) + 1)
        variance = _power_series(s, cumulants[1:], 1 / factorial(p[1:] - 2))
        return cls(
            s * _power_series(s, cumulants, 1 / factorial(p)),
            _power_series(s, cumulants, 1 / factorial(p - 1)),
            # Of nothing, rounding may leave less than nothing.
            np.sqrt(np.maximum(variance, 0)),
        )


def _power_series(s: np.ndarray, terms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Sum weight_q term_q s^q over q = 0, 1, ..., by Horner's rule."""
    total = np.zeros(terms.shape[1:])
    for term, weight in zip(terms[::-1], weights[::-1], strict=True):
        total = total * s + weight * term
    return total


def _check_fluctuations(drive: _Weighted, slope: np.ndarray, log_load: np.ndarray) -> None:
    """Raise if the clamps act on drives that fluctuate too much."""
    # Where it is weighted by the exponential, and two standard deviations above.
    reached = expit(-(log_load + drive.mean + 2 * drive.sd)).min(axis=0)
    sd = drive.sd.max(axis=0)
    bad = (np.minimum(slope, reached) < _CLAMPED) & ~(sd <= _LARGEST_SD)
    if bad.any():
        raise ValueError(
            f"what the encoder's synapses add up fluctuates by up to {sd[bad].max():.3g} (standard "
            "deviation of the log rate), and clamps act on the rate: too much to predict what "
            "comes of it; take a higher rate_per_unit or a longer tau"
        )
