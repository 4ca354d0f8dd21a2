"""Affine coupling: one part of the event is scaled and shifted by functions of the other part."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AffineCoupling"]


class AffineCoupling(nn.Module):
    """The affine coupling layer of RealNVP.

    With x = (a, b):   y = (a, b · exp(s(a)) + t(a)),   logabsdet = Σ s(a),   inverse b = (y_b − t(a)) · exp(−s(a)).

    Shapes: ``x`` [batch, features]; the first ``features // 2`` numbers are a. s and t are any functions, here two
    outputs of a small network; s passes through tanh, so that no scale overflows.

    Raises:
        ValueError: There is one feature, which cannot be split.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, eqs. 4–8.

    >>> flow = AffineCoupling(2).double()
    >>> x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    >>> y, logabsdet = flow(x)
    >>> back, negated = flow.inverse(y)
    >>> torch.allclose(back, x), torch.equal(negated, -logabsdet)
    (True, True)
    """

    def __init__(self, features: int, hidden: int = 8) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(f"got {features} feature; expected two or more: one part must stay as it is")
        self.kept = features // 2
        changed = features - self.kept
        self.net = nn.Sequential(nn.Linear(self.kept, hidden), nn.Tanh(), nn.Linear(hidden, 2 * changed))

    def scale_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        """(s(a), t(a))."""
        s, t = self.net(a).chunk(2, dim=-1)
        return torch.tanh(s), t

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        a, b = x[:, : self.kept], x[:, self.kept :]
        s, t = self.scale_and_shift(a)
        return torch.cat([a, b * torch.exp(s) + t], dim=-1), s.sum(dim=-1)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        a, b = y[:, : self.kept], y[:, self.kept :]
        s, t = self.scale_and_shift(a)
        return torch.cat([a, (b - t) * torch.exp(-s)], dim=-1), -s.sum(dim=-1)
