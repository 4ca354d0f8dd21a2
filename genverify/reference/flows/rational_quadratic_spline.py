"""Monotone rational-quadratic splines: elementwise flows with as many degrees of freedom as one likes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["RationalQuadraticSpline", "rational_quadratic_spline"]


def rational_quadratic_spline(
    x: Tensor, knots_x: Tensor, knots_y: Tensor, slopes: Tensor, inverse: bool = False
) -> tuple[Tensor, Tensor]:
    """Through the knots (x_k, y_k) with the slopes δ_k; the identity outside, where both begin at −B and end at B.

    With ξ = (x − x_k)/(x_(k+1) − x_k) and s = (y_(k+1) − y_k)/(x_(k+1) − x_k), inside a bin

    y = y_k + (y_(k+1) − y_k) (s ξ² + δ_k ξ (1 − ξ)) / (s + (δ_(k+1) + δ_k − 2s) ξ (1 − ξ))

    logabsdet = Σ log( s² (δ_(k+1) ξ² + 2 s ξ (1 − ξ) + δ_k (1 − ξ)²) / (s + (δ_(k+1) + δ_k − 2s) ξ (1 − ξ))² )

    Shapes: ``x`` [batch, features]; ``knots_x`` and ``knots_y`` [features, bins + 1], ascending; ``slopes`` of the same
    shape, positive, and one at both ends if the spline is to be smooth there. logabsdet [batch].

    Source: Durkan, Bekasov, Murray & Papamakarios 2019, eqs. 4–8.

    >>> knots, ones = torch.tensor([[-1.0, 0.0, 1.0]]), torch.ones(1, 3)
    >>> y, logabsdet = rational_quadratic_spline(torch.tensor([[0.25], [7.0]]), knots, knots, ones)
    >>> y, logabsdet
    (tensor([[0.2500],
             [7.0000]]), tensor([0., 0.]))
    """
    knots = knots_y if inverse else knots_x
    inside = (x >= knots[:, 0]) & (x <= knots[:, -1])
    held = torch.minimum(torch.maximum(x, knots[:, 0]), knots[:, -1])
    k = torch.searchsorted(knots.contiguous(), held.mT.contiguous(), right=True).mT.clamp(1, knots.shape[1] - 1) - 1

    def at(table: Tensor, bins: Tensor) -> Tensor:
        return table.mT.gather(0, bins)

    x0, y0, d0 = at(knots_x, k), at(knots_y, k), at(slopes, k)
    width, height, d1 = at(knots_x, k + 1) - x0, at(knots_y, k + 1) - y0, at(slopes, k + 1)
    s = height / width
    if inverse:
        a = height * (s - d0) + (held - y0) * (d1 + d0 - 2 * s)
        b = height * d0 - (held - y0) * (d1 + d0 - 2 * s)
        c = -s * (held - y0)
        xi = 2 * c / (-b - torch.sqrt(b**2 - 4 * a * c))
        image = x0 + width * xi
    else:
        xi = (held - x0) / width
        image = y0 + height * (s * xi**2 + d0 * xi * (1 - xi)) / (s + (d1 + d0 - 2 * s) * xi * (1 - xi))
    below = s + (d1 + d0 - 2 * s) * xi * (1 - xi)
    rise = s**2 * (d1 * xi**2 + 2 * s * xi * (1 - xi) + d0 * (1 - xi) ** 2)
    slope = torch.log(rise) - 2 * torch.log(below)
    slope = torch.where(inside, -slope if inverse else slope, torch.zeros_like(slope))
    return torch.where(inside, image, x), slope.sum(-1)


class RationalQuadraticSpline(nn.Module):
    """The same with knots and slopes from unconstrained parameters: softmax for bins, softplus for slopes.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Source: Durkan et al. 2019, section 3.1.
    """

    def __init__(self, features: int, bins: int = 4, bound: float = 3.0) -> None:
        super().__init__()
        self.widths, self.heights = nn.Parameter(torch.randn(features, bins)), nn.Parameter(torch.randn(features, bins))
        self.slopes = nn.Parameter(torch.randn(features, bins - 1))
        self.bound = bound

    def knots(self) -> tuple[Tensor, Tensor, Tensor]:
        """Places, heights and slopes of the knots, [features, bins + 1] each."""
        start = torch.zeros_like(self.widths[:, :1])
        places = [torch.cumsum(torch.softmax(raw, -1), -1) for raw in (self.widths, self.heights)]
        x, y = (self.bound * (2 * torch.cat([start, one[:, :-1], start + 1], -1) - 1) for one in places)
        return x, y, torch.cat([start + 1, softplus(self.slopes), start + 1], -1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return rational_quadratic_spline(x, *self.knots())

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        return rational_quadratic_spline(y, *self.knots(), inverse=True)
