"""The planar flow: it stretches and compresses space along one direction."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["Planar", "planar"]


def planar(x: Tensor, w: Tensor, u: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Y = x + u tanh(wᵀx + b),   logabsdet = log|1 + (1 − tanh²(wᵀx + b)) wᵀu|.

    It is invertible if and only if wᵀu ≥ −1; at equality its logabsdet is −∞ where wᵀx + b = 0.

    Shapes: ``x`` [batch, features]; ``w`` and ``u`` [features]; ``b`` []; logabsdet [batch].

    Source: Rezende & Mohamed 2015, eqs. 10–12.

    >>> y, logabsdet = planar(torch.zeros(1, 2), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 2.0]), torch.tensor(0.0))
    >>> y, logabsdet
    (tensor([[0., 0.]]), tensor([0.6931]))
    """
    h = torch.tanh(x @ w + b)
    slope = 1.0 - h**2
    return x + h[..., None] * u, torch.log(torch.abs(1.0 + slope * (w @ u)))


class Planar(nn.Module):
    """The same, with û = u + (m(wᵀu) − wᵀu) w/‖w‖² for u, m(a) = −1 + log(1 + e^a): wᵀû > −1 always.

    Its inverse is the solution of one scalar equation, wᵀx + wᵀû tanh(wᵀx + b) = wᵀy, found by bisection.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Source: Rezende & Mohamed 2015, section A.1.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(features))
        self.u = nn.Parameter(torch.randn(features))
        self.b = nn.Parameter(torch.randn(()))

    def constrained(self) -> Tensor:
        """û."""
        inner = self.w @ self.u
        return self.u + (softplus(inner) - 1.0 - inner) * self.w / (self.w @ self.w)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return planar(x, self.w, self.constrained(), self.b)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        u = self.constrained()
        inner = self.w @ u
        # a + wᵀu tanh(a + b) = wᵀy has its solution a within |wᵀu| of wᵀy, and rises with a.
        low, high = y @ self.w - inner.abs(), y @ self.w + inner.abs()
        for _ in range(100):
            middle = (low + high) / 2
            above = middle + inner * torch.tanh(middle + self.b) > y @ self.w
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        x = y - u * torch.tanh((low + high) / 2 + self.b)[:, None]
        return x, -self.forward(x)[1]
