"""The distribution function of a mixture of logistic laws, as a flow of each number onto (0, 1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

__all__ = ["MixtureCdf", "mixture_cdf"]


def mixture_cdf(x: Tensor, weights: Tensor, mean: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Y = Σ_k π_k σ((x − μ_k)/s_k),   logabsdet = Σ log Σ_k π_k σ′((x − μ_k)/s_k)/s_k: a mixture's log-density.

    Shapes: ``x`` [batch, features]; ``weights`` (which sum to one), ``mean`` and ``scale`` [batch, features,
    components]; y of the shape of x, in (0, 1); logabsdet [batch].

    Source: Ho et al. 2019, eqs. 12 and 13.

    >>> y, logabsdet = mixture_cdf(torch.zeros(1, 1), torch.ones(1, 1, 1), torch.zeros(1, 1, 1), torch.ones(1, 1, 1))
    >>> y, logabsdet
    (tensor([[0.5000]]), tensor([-1.3863]))
    """
    u = (x[..., None] - mean) / scale
    slopes = logsigmoid(u) + logsigmoid(-u) - torch.log(scale)
    return (weights * torch.sigmoid(u)).sum(-1), torch.logsumexp(torch.log(weights) + slopes, -1).sum(-1)


class MixtureCdf(nn.Module):
    """The same with one mixture for each feature, kept as parameters; its inverse is found by bisection.

    Shapes: ``x`` [batch, features]; logabsdet [batch].

    Source: Ho et al. 2019, section 3.2.
    """

    def __init__(self, features: int, components: int = 2) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.randn(features, components))
        self.mean = nn.Parameter(torch.randn(features, components))
        self.log_scale = nn.Parameter(0.3 * torch.randn(features, components))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        weights = torch.softmax(self.logits, -1)
        return mixture_cdf(x, weights, self.mean, torch.exp(self.log_scale))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y in (0, 1) → (x, log|det ∂x/∂y|): between the quantiles of the components there is the mixture's."""
        quantiles = self.mean + torch.exp(self.log_scale) * torch.logit(y)[..., None]
        low, high = quantiles.amin(-1), quantiles.amax(-1)
        for _ in range(100):
            middle = (low + high) / 2
            above = self.forward(middle)[0] > y
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        x = (low + high) / 2
        return x, -self.forward(x)[1]
