"""The Sylvester flow: planar flows along several directions at once."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Sylvester", "sylvester"]


def sylvester(x: Tensor, q: Tensor, r1: Tensor, r2: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Y = x + Q R₁ tanh(R₂ Qᵀx + b),   logabsdet = Σ_i log|1 + h′_i (R₁)_ii (R₂)_ii|.

    Sylvester's identity det(I + A B) = det(I + B A) leaves a triangular matrix of the size of the rank.

    Shapes: ``x`` [batch, features]; ``q`` [features, rank] with orthonormal columns; ``r1`` and ``r2`` [rank, rank],
    upper triangular; ``b`` [rank]; logabsdet [batch].

    Source: van den Berg, Hasenclever, Tomczak & Welling 2018, eqs. 9 and 13.

    >>> one = torch.ones(1, 1)
    >>> y, logabsdet = sylvester(torch.zeros(1, 1), one, one, one, torch.zeros(1))
    >>> y, logabsdet
    (tensor([[0.]]), tensor([0.6931]))
    """
    h = torch.tanh(x @ q @ r2.mT + b)
    slope = 1.0 - h**2
    factors = 1.0 + slope * torch.diagonal(r1) * torch.diagonal(r2)
    return x + h @ r1.mT @ q.mT, torch.log(torch.abs(factors)).sum(-1)


class Sylvester(nn.Module):
    """The same with Q from a QR decomposition, and diagonals inside (−1, 1), so that every factor is positive.

    Shapes: ``x`` [batch, features]; logabsdet [batch]. There is no inverse in closed form.

    Source: van den Berg et al. 2018, theorem 2.
    """

    def __init__(self, features: int, rank: int) -> None:
        super().__init__()
        self.columns = nn.Parameter(torch.randn(features, rank))
        self.first, self.second = nn.Parameter(torch.randn(rank, rank)), nn.Parameter(torch.randn(rank, rank))
        self.b = nn.Parameter(torch.randn(rank))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        q = torch.linalg.qr(self.columns).Q
        r1, r2 = (torch.triu(r, 1) + torch.diag(torch.tanh(torch.diagonal(r))) for r in (self.first, self.second))
        return sylvester(x, q, r1, r2, self.b)
