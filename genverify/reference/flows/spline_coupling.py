"""Spline coupling: one part of the event goes through splines whose knots are functions of the other part."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from genverify.reference.flows.rational_quadratic_spline import rational_quadratic_spline

__all__ = ["SplineCoupling"]


class SplineCoupling(nn.Module):
    """The coupling layer of neural spline flows.

    With x = (a, b):   y = (a, g_a(b)),   logabsdet = Σ log g_a'(b),   inverse b = g_a⁻¹(y_b), where g_a is a monotone
    rational-quadratic spline for each number of b: its bins by softmax, its slopes by softplus, of what a small network
    makes of a; the identity outside of [−bound, bound].

    Shapes: ``x`` [batch, features]; the first ``features // 2`` numbers are a; logabsdet [batch].

    Raises:
        ValueError: There is one feature, which cannot be split.

    Source: Durkan, Bekasov, Murray & Papamakarios 2019, sections 3.1 and 3.2.

    >>> flow = SplineCoupling(2).double()
    >>> x = torch.tensor([[1.0, -2.0], [0.5, 70.0]], dtype=torch.float64)
    >>> y, logabsdet = flow(x)
    >>> back, negated = flow.inverse(y)
    >>> torch.allclose(back, x), torch.allclose(negated, -logabsdet), y[1].tolist(), logabsdet[1].item()
    (True, True, [0.5, 70.0], 0.0)
    """

    def __init__(self, features: int, hidden: int = 8, bins: int = 4, bound: float = 3.0) -> None:
        super().__init__()
        if features < 2:
            raise ValueError(f"got {features} feature; expected two or more: one part must stay as it is")
        self.kept, self.bins, self.bound = features // 2, bins, bound
        changed = features - self.kept
        self.net = nn.Sequential(nn.Linear(self.kept, hidden), nn.Tanh(), nn.Linear(hidden, changed * (3 * bins - 1)))

    def knots(self, a: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Places, heights and slopes of the knots, [batch, changed, bins + 1] each."""
        raw = self.net(a).unflatten(-1, (-1, 3 * self.bins - 1)).split([self.bins, self.bins, self.bins - 1], dim=-1)
        start = torch.zeros_like(raw[0][..., :1])
        places = [torch.cumsum(torch.softmax(one, -1), -1) for one in raw[:2]]
        x, y = (self.bound * (2 * torch.cat([start, one[..., :-1], start + 1], -1) - 1) for one in places)
        return x, y, torch.cat([start + 1, softplus(raw[2]), start + 1], -1)

    def _changed(self, x: Tensor, inverse: bool) -> tuple[Tensor, Tensor]:
        a, b = x[:, : self.kept], x[:, self.kept :]

        def row(b: Tensor, *knots: Tensor) -> tuple[Tensor, Tensor]:
            image, logabsdet = rational_quadratic_spline(b[None], *knots, inverse=inverse)
            return image[0], logabsdet[0]

        image, logabsdet = torch.vmap(row)(b, *self.knots(a))
        return torch.cat([a, image], dim=-1), logabsdet

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return self._changed(x, False)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        return self._changed(y, True)
