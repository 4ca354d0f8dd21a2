"""A linear flow by its triangular factors, whose determinant and inverse are cheap."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LuLinear"]


class LuLinear(nn.Module):
    """y = W x + b with W = P L (U + diag s),   logabsdet = Σ log|s|.

    P is a fixed permutation, L lower triangular with ones on its diagonal, U strictly upper triangular, s = ± e^r.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Source: Kingma & Dhariwal 2018, eqs. 10 and 11.
    """

    order: Tensor
    signs: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("order", torch.randperm(features))
        self.register_buffer("signs", torch.randn(features).sign())
        self.log_scale = nn.Parameter(0.5 * torch.randn(features))
        self.lower = nn.Parameter(0.5 * torch.randn(features, features))
        self.upper = nn.Parameter(0.5 * torch.randn(features, features))
        self.bias = nn.Parameter(torch.randn(features))

    def factors(self) -> tuple[Tensor, Tensor]:
        """L and U + diag s."""
        diagonal = self.signs * torch.exp(self.log_scale)
        one = torch.ones_like(diagonal)
        return torch.tril(self.lower, -1) + torch.diag(one), torch.triu(self.upper, 1) + torch.diag(diagonal)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        lower, upper = self.factors()
        y = (x @ upper.mT @ lower.mT)[:, self.order] + self.bias
        return y, self.log_scale.sum().expand(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|), by two triangular systems."""
        lower, upper = self.factors()
        z = (y - self.bias)[:, torch.argsort(self.order)]
        z = torch.linalg.solve_triangular(lower, z.mT, upper=False, unitriangular=True)
        return torch.linalg.solve_triangular(upper, z, upper=True).mT, -self.log_scale.sum().expand(len(y))
