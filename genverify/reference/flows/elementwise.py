"""Elementwise flows: each number is mapped by itself, so that the logabsdet is the sum of the logarithms of slopes."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

__all__ = ["LeakyRelu", "Logit", "Sigmoid", "Softplus", "Standardize", "Tanh"]


def _summed(slopes: Tensor) -> Tensor:
    """Logarithms of slopes [batch, …] → logabsdet [batch]: over all axes of the event, however many."""
    return slopes.flatten(1).sum(1)


class Standardize(nn.Module):
    """y = (x − μ)/σ,   logabsdet = −Σ log σ.

    Shapes: ``x`` [batch, features]; ``mean`` and ``std`` [features]; logabsdet [batch].

    Source: Papamakarios et al. 2021, section 3.1.1 (an affine transformer without a conditioner).

    >>> y, logabsdet = Standardize(torch.tensor([1.0]), torch.tensor([2.0]))(torch.tensor([[5.0]]))
    >>> y, logabsdet
    (tensor([[2.]]), tensor([-0.6931]))
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return (x - self.mean) / self.std, -_summed(torch.log(self.std).expand_as(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        return self.std * y + self.mean, _summed(torch.log(self.std).expand_as(y))


class Tanh(nn.Module):
    """y = tanh x,   logabsdet = Σ log(1 − tanh² x) = Σ 2 (log 2 − x − log(1 + e^(−2x))), which does not cancel.

    Shapes: ``x`` [batch, …] → y in (−1, 1) of the same shape, logabsdet [batch].

    Source: Haarnoja et al. 2018, appendix C, eq. 21.

    >>> y, logabsdet = Tanh()(torch.tensor([[50.0]]))
    >>> y, logabsdet
    (tensor([[1.]]), tensor([-98.6137]))
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return torch.tanh(x), _summed(2.0 * (math.log(2.0) - x - softplus(-2.0 * x)))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y in (−1, 1) → (x, log|det ∂x/∂y|)."""
        return torch.atanh(y), -_summed(torch.log1p(y) + torch.log1p(-y))


class Sigmoid(nn.Module):
    """y = 1/(1 + e^(−x)),   logabsdet = Σ log σ(x) + log σ(−x).

    Shapes: ``x`` [batch, …] → y in (0, 1) of the same shape, logabsdet [batch].

    Source: Bishop 2006, eqs. 4.59 and 4.88.

    >>> y, logabsdet = Sigmoid()(torch.zeros(1, 2))
    >>> y, logabsdet
    (tensor([[0.5000, 0.5000]]), tensor([-2.7726]))
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return torch.sigmoid(x), -_summed(softplus(x) + softplus(-x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y in (0, 1) → (x, log|det ∂x/∂y|)."""
        return torch.log(y) - torch.log1p(-y), -_summed(torch.log(y) + torch.log1p(-y))


class Logit(nn.Module):
    """y = log u − log(1 − u) of u = α + (1 − 2α) x,   logabsdet = Σ log(1 − 2α) − log u − log(1 − u).

    α keeps data at 0 and 1, where the logit is infinite, inside.

    Shapes: ``x`` [batch, …] in (0, 1) → y of the same shape, logabsdet [batch].

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 4.1.

    >>> y, logabsdet = Logit()(torch.tensor([[0.5]]))
    >>> y, logabsdet
    (tensor([[0.]]), tensor([1.3863]))
    """

    def __init__(self, alpha: float = 0.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X in (0, 1) → (y, log|det ∂y/∂x|)."""
        u = self.alpha + (1.0 - 2.0 * self.alpha) * x
        slopes = math.log1p(-2.0 * self.alpha) - torch.log(u) - torch.log1p(-u)
        return torch.log(u) - torch.log1p(-u), _summed(slopes)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        u = torch.sigmoid(y)
        slopes = -math.log1p(-2.0 * self.alpha) - softplus(y) - softplus(-y)
        return (u - self.alpha) / (1.0 - 2.0 * self.alpha), _summed(slopes)


class Softplus(nn.Module):
    """y = log(1 + e^x),   logabsdet = Σ log σ(x).

    Shapes: ``x`` [batch, …] → y > 0 of the same shape, logabsdet [batch].

    Source: Dugas et al. 2001.

    >>> y, logabsdet = Softplus()(torch.zeros(1, 1))
    >>> y, logabsdet
    (tensor([[0.6931]]), tensor([-0.6931]))
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return softplus(x), -_summed(softplus(-x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y > 0 → (x, log|det ∂x/∂y|)."""
        rest = torch.log(-torch.expm1(-y))
        return y + rest, -_summed(rest)


class LeakyRelu(nn.Module):
    """y = max(x, 0) + a min(x, 0),   logabsdet = log a · (how many x are negative).

    Shapes: ``x`` [batch, …] → y of the same shape, logabsdet [batch]; a > 0. There is no slope at 0.

    Source: Maas, Hannun & Ng 2013, eq. 3.

    >>> y, logabsdet = LeakyRelu(0.5)(torch.tensor([[-2.0, 3.0]]))
    >>> y, logabsdet
    (tensor([[-1.,  3.]]), tensor([-0.6931]))
    """

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__()
        self.slope = slope

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return torch.where(x < 0, self.slope * x, x), math.log(self.slope) * _summed((x < 0).to(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        return torch.where(y < 0, y / self.slope, y), -math.log(self.slope) * _summed((y < 0).to(y))
