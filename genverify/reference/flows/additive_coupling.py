"""Additive coupling: one part of the event is shifted by a function of the other part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AdditiveCoupling"]


class AdditiveCoupling(nn.Module):
    """y = (a, b + t(a)),   logabsdet = 0,   inverse b = y_b − t(a): volume is preserved, whatever t is.

    Shapes: ``x`` [batch, features], two or more; the first ``features // 2`` numbers are a; logabsdet [batch].

    Raises:
        ValueError: There is one feature, which cannot be split.

    Source: Dinh, Krueger & Bengio 2015, eqs. 9 and 10.

    >>> flow = AdditiveCoupling(3)
    >>> flow(torch.ones(2, 3))[1]
    tensor([0., 0.])
    """

    def __init__(self, features: int, hidden: int = 8) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(f"got {features} feature; expected two or more: one part must stay as it is")
        self.kept = features // 2
        self.net = nn.Sequential(nn.Linear(self.kept, hidden), nn.Tanh(), nn.Linear(hidden, features - self.kept))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, 0)."""
        a, b = x[:, : self.kept], x[:, self.kept :]
        return torch.cat([a, b + self.net(a)], dim=-1), x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, 0)."""
        a, b = y[:, : self.kept], y[:, self.kept :]
        return torch.cat([a, b - self.net(a)], dim=-1), y.new_zeros(len(y))
