"""A flow of several scales: half of the numbers are factored out on the way."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Multiscale"]


class Multiscale(nn.Module):
    """After each flow but the last the first half of its image is final, and the next flow maps the other half.

    The whole is a bijection all the same; its logabsdet is the sum of those of the flows, each at its own input.

    Shapes: ``x`` [batch, features], halved by each flow but the last → y of the same shape, logabsdet [batch].

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.6.
    """

    def __init__(self, flows: Sequence[nn.Module]) -> None:
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (all parts side by side, log|det ∂y/∂x|)."""
        parts, total = [], x.new_zeros(len(x))
        for index, flow in enumerate(self.flows):
            x, logabsdet = flow(x)
            total = total + logabsdet
            if index + 1 < len(self.flows):
                half = x.shape[1] // 2
                parts.append(x[:, :half])
                x = x[:, half:]
        return torch.cat([*parts, x], dim=1), total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|), the scales in reverse order."""
        parts = []
        for _ in range(len(self.flows) - 1):
            half = y.shape[1] // 2
            parts.append(y[:, :half])
            y = y[:, half:]
        total = y.new_zeros(len(y))
        for index in reversed(range(len(self.flows))):
            if index + 1 < len(self.flows):
                y = torch.cat([parts[index], y], dim=1)
            inverse = self.flows[index].inverse
            assert callable(inverse)
            y, logabsdet = inverse(y)
            total = total + logabsdet
        return y, total
