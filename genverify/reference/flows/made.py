"""MADE: a network whose i-th outputs see the inputs before the i-th alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

__all__ = ["Made"]


class Made(nn.Module):
    """Two numbers for each feature, made of the features before it, and of a context if there is one.

    Weights are multiplied by masks: hidden unit k has a degree m_k in 1 … D − 1 and sees the inputs i ≤ m_k; the
    outputs of feature i see the hidden units with m_k < i. The context is seen by all.

    Shapes: ``x`` [batch, features], ``context`` [batch, …] → two tensors of the shape of x.

    Source: Germain, Gregor, Murray & Larochelle 2015, eqs. 8 and 9; Papamakarios, Pavlakou & Murray 2017, section 3.4.

    >>> net = Made(3)
    >>> x = torch.randn(1, 3, requires_grad=True)
    >>> first, _ = net(x)
    >>> torch.autograd.grad(first[0, 1], x)[0][0, 1:]
    tensor([0., 0.])
    """

    mask_in: Tensor
    mask_out: Tensor

    def __init__(self, features: int, hidden: int = 12, context: int = 0) -> None:
        super().__init__()
        inputs = torch.arange(1, features + 1)
        units = torch.arange(hidden) % max(1, features - 1) + 1
        self.register_buffer("mask_in", (units[:, None] >= inputs).float())
        self.register_buffer("mask_out", (inputs.repeat(2)[:, None] > units).float())
        self.first = nn.Linear(features, hidden)
        self.last = nn.Linear(hidden, 2 * features)
        self.seen = nn.Linear(context, hidden, bias=False) if context else None

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """X → the two numbers of each feature."""
        h = linear(x, self.mask_in * self.first.weight, self.first.bias)
        if self.seen is not None and context is not None:
            h = h + self.seen(context)
        out = linear(torch.tanh(h), self.mask_out * self.last.weight, self.last.bias)
        first, second = out.chunk(2, dim=-1)
        return first, second
