"""Flows in sequence: their log-determinants add up."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

__all__ = ["Composition"]


class Composition(nn.Module):
    """f = f_K ∘ … ∘ f_1, with log|det ∂f/∂x| = Σ_k log|det ∂f_k/∂x_{k−1}|.

    Shapes: each flow maps [batch, …] to ([batch, …], [batch]) and has such an ``inverse``.

    Source: Rezende & Mohamed 2015, eqs. 6–7.
    """

    def __init__(self, flows: Sequence[nn.Module]) -> None:
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        total = x.new_zeros(len(x))
        for flow in self.flows:
            x, logabsdet = flow(x)
            total = total + logabsdet
        return x, total

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|), through the inverses in reverse order."""
        total = y.new_zeros(len(y))
        for flow in reversed(list(self.flows)):
            inverse = flow.inverse
            assert callable(inverse)
            y, logabsdet = inverse(y)
            total = total + logabsdet
        return y, total
