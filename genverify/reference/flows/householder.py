"""Householder flows: reflections, whose products are all orthogonal matrices."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Householder", "householder"]


def householder(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Y = x − 2 v vᵀx/‖v‖²,   logabsdet = 0: the reflection at the hyperplane through 0 with the normal v.

    Shapes: ``x`` [batch, features], ``v`` [features], not zero; logabsdet [batch].

    Source: Householder 1958; Tomczak & Welling 2016, eq. 12.

    >>> y, logabsdet = householder(torch.tensor([[1.0, 2.0]]), torch.tensor([3.0, 0.0]))
    >>> y, logabsdet
    (tensor([[-1.,  2.]]), tensor([0.]))
    """
    return x - 2.0 * (x @ v)[:, None] * v / (v @ v), x.new_zeros(len(x))


class Householder(nn.Module):
    """Several reflections, one after the other; each is its own inverse, so that the inverse takes them backwards.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Source: Tomczak & Welling 2016, section 2.2.
    """

    def __init__(self, features: int, reflections: int) -> None:
        super().__init__()
        self.v = nn.Parameter(torch.randn(reflections, features))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, 0)."""
        for v in self.v:
            x, _ = householder(x, v)
        return x, x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, 0)."""
        for v in self.v.flip(0):
            y, _ = householder(y, v)
        return y, y.new_zeros(len(y))
