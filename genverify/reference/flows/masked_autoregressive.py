"""The masked autoregressive flow: each number is normalised by what those before it say of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genverify.reference.flows.made import Made

__all__ = ["MaskedAutoregressive"]


class MaskedAutoregressive(nn.Module):
    """u_i = (x_i − μ_i(x_<i)) exp(−α_i(x_<i)),   logabsdet = −Σ α_i; the inverse goes through the features in order.

    α passes through tanh, so that no scale overflows.

    Shapes: ``x`` [batch, features], ``context`` [batch, …] if there is one; logabsdet [batch].

    Source: Papamakarios, Pavlakou & Murray 2017, eqs. 3–5.
    """

    def __init__(self, features: int, context: int = 0) -> None:
        super().__init__()
        self.made = Made(features, context=context)

    def mean_and_log_scale(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """(μ, α), of which the i-th depend on the features before the i-th."""
        mean, raw = self.made(x, context)
        return mean, torch.tanh(raw)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """X → (u, log|det ∂u/∂x|)."""
        mean, log_scale = self.mean_and_log_scale(x, context)
        return (x - mean) * torch.exp(-log_scale), -log_scale.sum(dim=-1)

    def inverse(self, u: Tensor, context: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """U → (x, log|det ∂x/∂u|): after i rounds the first i features are right."""
        x = torch.zeros_like(u)
        for _ in range(u.shape[-1]):
            mean, log_scale = self.mean_and_log_scale(x, context)
            x = u * torch.exp(log_scale) + mean
        return x, self.mean_and_log_scale(x, context)[1].sum(dim=-1)
