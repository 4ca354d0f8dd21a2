"""The Gaussian negative log-likelihood weighted by a power of the variance, through which no gradient flows."""

from __future__ import annotations

import torch

__all__ = ["beta_nll"]


def beta_nll(
    x: torch.Tensor, mean: torch.Tensor, variance: torch.Tensor, beta: torch.Tensor | float = 0.5
) -> torch.Tensor:
    """``⌊σ^(2β)⌋ ½ ((x − μ)²/σ² + log σ²)``, averaged; ⌊ ⌋ stops the gradient.

    Shapes: all alike; a scalar.

    Source: Seitzer et al. 2022, eq. 5.

    >>> beta_nll(torch.tensor([2.0]), torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(2.)
    """
    nll = 0.5 * ((x - mean) ** 2 / variance + torch.log(variance))
    return (variance.detach() ** beta * nll).mean()
