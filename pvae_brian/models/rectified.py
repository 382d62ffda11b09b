"""Mean and variance of a normal variable behind a rectifier, with exact gradients."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

# Below this many standard deviations under zero the closed forms lose their digits to
# cancellation: a continued fraction, all of whose terms are positive, takes over.
_FAR = -2.0
# Levels of it from which on its digits no longer change.
_LEVELS = {torch.float32: 12}
_MOST_LEVELS = 56


def rectified_moments(loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    r"""Mean and variance of :math:`\max(0, v)` for :math:`v \sim \mathrm{Normal}(\mu, \sigma^2)`.

    With :math:`t = \mu / \sigma`, and :math:`\phi` and :math:`\Phi` the standard normal density and
    distribution function,

    .. math::
        E[\max(0, v)] &= \mu\,\Phi(t) + \sigma\,\phi(t) \\
        E[\max(0, v)^2] &= (\mu^2 + \sigma^2)\,\Phi(t) + \mu\,\sigma\,\phi(t).

    Parameters
    ----------
    loc, scale : Tensor, of one shape
        :math:`\mu`, and :math:`\sigma` above 0.

    Returns
    -------
    mean, variance : Tensor, of that shape
        Never negative. Far below zero their relative error is about :math:`t^2` roundings, as for
        any function of :math:`t` that falls like :math:`e^{-t^2/2}`, and at last both are 0.

    References
    ----------
    Abramowitz and Stegun (1964), 26.2.14, for the continued fraction of Mills' ratio, of which
    those of the repeated integrals are the tails.

    Examples
    --------
    >>> import torch
    >>> mean, variance = rectified_moments(torch.zeros(1), torch.ones(1))
    >>> round(float(mean), 4), round(float(variance), 4)  # 1 / sqrt(2 pi), 1/2 - 1 / (2 pi)
    (0.3989, 0.3408)
    """
    return _RectifiedMoments.apply(loc, scale)


class _RectifiedMoments(torch.autograd.Function):
    """Automatic differentiation of the closed forms would lose digits that these keep."""

    @staticmethod
    def forward(loc: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        t = loc / scale
        size = t.abs()
        density, tail = _density(t), _tail(size)
        above = torch.where(t < 0, tail, 1 - tail)
        mean = density + t * above
        # E[max(0, v)^2] - E[max(0, v)]^2 multiplied out, so that t^2 - t^2 does not occur.
        variance = size * (size * tail * (1 - tail) - density * (1 - 2 * tail))
        variance = above + variance - density.square()
        # H_n(x), the integral of (u - x)^n / n! over the density from x on, is for x = -t the
        # moment of order n over n!. Ratios of neighbours are tails of the continued fraction.
        x = size.clamp_min(-_FAR)
        levels = _LEVELS.get(t.dtype, _MOST_LEVELS)
        # The fixed point of a level starts it off better than 0.
        ratio = 2 / (x + (x.square() + 4 * (levels + 2)).sqrt())
        for order in range(levels, 1, -1):
            ratio.mul_(order + 1).add_(x).reciprocal_()
        far_mean = tail / (x + 2 * ratio)
        far_variance = 2 * far_mean * ratio - far_mean.square()
        is_far = t < _FAR
        mean = torch.where(is_far, far_mean, mean)
        variance = torch.where(is_far, far_variance, variance)
        return scale * mean, scale.square() * variance

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]
    ) -> None:
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, of_mean: Tensor, of_variance: Tensor) -> tuple[Tensor, Tensor]:
        loc, scale, mean, variance = ctx.saved_tensors
        t = loc / scale
        shrinking = 2 * mean * _tail(t)
        return (
            of_mean * _tail(-t) + of_variance * shrinking,
            of_mean * _density(t) + of_variance * (2 * variance - shrinking * loc) / scale,
        )


def _density(t: Tensor) -> Tensor:
    return torch.exp(-0.5 * t.square()) / math.sqrt(2 * math.pi)


def _tail(t: Tensor) -> Tensor:
    """Chance of a standard normal variable above t, with the digits of small ones."""
    return 0.5 * torch.special.erfc(t * math.sqrt(0.5))
