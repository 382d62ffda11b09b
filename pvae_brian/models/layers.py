"""Building blocks of the encoders and decoders."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def soft_clamp(value: Tensor, upper: float) -> Tensor:
    r"""Clamp softly from above: :math:`c - \mathrm{softplus}(c - v)`.

    Close to ``value`` well below ``upper``, never above it, and not the identity at 0.

    >>> import torch
    >>> soft_clamp(torch.tensor([-50.0, 50.0]), 10.0)
    tensor([-50.,  10.])
    """
    return upper - functional.softplus(upper - value)


def excitatory_clamp(value: Tensor, upper: float) -> Tensor:
    r"""Clamp softly between 0 and ``upper``: softplus(v) - softplus(v - c)."""
    return functional.softplus(value) - functional.softplus(value - upper)


class LinearMap(nn.Linear):
    """A linear layer that can normalise its weights to unit length at every use.

    Parameters
    ----------
    in_features, out_features : int
        Sizes of input and output.
    bias : bool
        Whether to add a bias.
    norm_dim : int or None
        Dimension along which the weights have length 1: 1 for rows (one per output), 0 for
        columns (one per input), None for weights as they are.
    """

    def __init__(self, in_features: int, out_features: int, bias: bool, norm_dim: int | None):
        super().__init__(in_features, out_features, bias=bias)
        self.norm_dim = norm_dim

    def effective_weight(self) -> Tensor:
        """The weights as used, of shape (out_features, in_features)."""
        if self.norm_dim is None:
            return self.weight
        return functional.normalize(self.weight, dim=self.norm_dim)

    def forward(self, x: Tensor) -> Tensor:
        return functional.linear(x, self.effective_weight(), self.bias)


class ResidualDense(nn.Module):
    """A residual layer: LayerNorm(x + fc2(relu(fc1(x)))).

    Parameters
    ----------
    width : int
        Size of input and output.
    expansion : int
        The hidden layer has ``expansion * width`` units.
    """

    def __init__(self, width: int, expansion: int):
        super().__init__()
        self.fc1 = nn.Linear(width, expansion * width)
        self.fc2 = nn.Linear(expansion * width, width)
        self.layer_norm = nn.LayerNorm(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer_norm(x + self.fc2(torch.relu(self.fc1(x))))


class Encoder(nn.Module):
    """From a flattened image to a log-gain before its clamp: body, then a linear map."""

    def __init__(self, body: nn.Module, head: LinearMap):
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


class Decoder(nn.Module):
    """From counts to a flattened image: a linear map, then a body."""

    def __init__(self, head: LinearMap, body: nn.Module):
        super().__init__()
        self.head = head
        self.body = body

    @property
    def is_linear(self) -> bool:
        """Whether the expected reconstruction error has a closed form."""
        return isinstance(self.body, nn.Identity)

    def forward(self, z: Tensor) -> Tensor:
        return self.body(self.head(z))
