"""The radial flow: it stretches and compresses space around one point."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["Radial", "radial"]


def radial(x: Tensor, center: Tensor, alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Y = x + β h (x − c), h = 1/(α + r), r = ‖x − c‖;   logabsdet = (D − 1) log(1 + β h) + log(1 + β h − β r h²).

    D − 1 directions are tangential and stretched by 1 + β h; the radial one by 1 + β h + β h′ r, h′ = −h². It is
    invertible if and only if β ≥ −α, for α > 0.

    Shapes: ``x`` [batch, features]; ``center`` [features]; ``alpha`` and ``beta`` []; logabsdet [batch].

    Source: Rezende & Mohamed 2015, eq. 14.

    >>> y, logabsdet = radial(torch.ones(1, 1), torch.zeros(1), torch.tensor(1.0), torch.tensor(2.0))
    >>> y, logabsdet
    (tensor([[2.]]), tensor([0.4055]))
    """
    away = x - center
    r = torch.linalg.vector_norm(away, dim=-1)
    h = 1.0 / (alpha + r)
    tangential = 1.0 + beta * h
    radial_slope = 1.0 + alpha * beta * h**2  # 1 + β h − β r h², in one term
    logabsdet = (x.shape[-1] - 1) * torch.log(tangential) + torch.log(radial_slope)
    return x + (beta * h)[..., None] * away, logabsdet


class Radial(nn.Module):
    """The same with α = e^a and β = −α + log(1 + e^b), which is above −α; the inverse solves a quadratic equation.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Source: Rezende & Mohamed 2015, section A.2.
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.randn(features))
        self.log_alpha = nn.Parameter(torch.randn(()))
        self.raw_beta = nn.Parameter(torch.randn(()))

    def numbers(self) -> tuple[Tensor, Tensor]:
        """(α, β)."""
        alpha = torch.exp(self.log_alpha)
        return alpha, softplus(self.raw_beta) - alpha

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return radial(x, self.center, *self.numbers())

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|): ‖y − c‖ = r (1 + β/(α + r)), that is r² + (α + β − s) r − s α = 0."""
        alpha, beta = self.numbers()
        away = y - self.center
        s = torch.linalg.vector_norm(away, dim=-1)
        half = (s - alpha - beta) / 2
        root = torch.sqrt(half**2 + s * alpha)
        # The positive root, of which neither form loses digits: the other is −s α over it.
        r = torch.where(half > 0, half + root, s * alpha / (root - half))
        x = self.center + away / (1.0 + beta / (alpha + r))[:, None]
        return x, -self.forward(x)[1]
