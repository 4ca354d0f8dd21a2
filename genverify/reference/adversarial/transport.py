"""Wasserstein distances, written out: of samples on the line by their quantiles, and of normal laws."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["wasserstein_1d", "wasserstein_normals"]


def wasserstein_1d(x: Tensor, y: Tensor, p: float = 1.0) -> Tensor:
    """W_p of two samples on the line: ``(∫₀¹ |F⁻¹(u) − G⁻¹(u)|^p du)^(1/p)`` over the pieces where both are constant.

    Shapes: [n] and [m] → a scalar.

    Raises:
        ValueError: One of the samples is empty: it is no distribution.

    Source: Villani 2003, remark 2.19.

    >>> wasserstein_1d(torch.tensor([2.0, 0.0]), torch.tensor([1.0]))
    tensor(1.)
    """
    x, y = x.sort().values, y.sort().values
    n, m = len(x), len(y)
    if not n or not m:
        raise ValueError(
            f"got samples of {n} and {m} points; expected one or more in each: no points are no distribution"
        )
    # Steps of both quantile functions, as integers: i/n and j/m in units of 1/(nm).
    ends = torch.unique(torch.cat([m * torch.arange(n + 1), n * torch.arange(m + 1)]))
    lengths = ends[1:] - ends[:-1]
    gaps = (x[ends[:-1] // m] - y[ends[:-1] // n]).abs()
    total = (lengths.to(x) / (n * m) * gaps**p).sum()
    return total if p == 1 else total ** (1 / p)


def wasserstein_normals(mean_p: Tensor, std_p: Tensor, mean_q: Tensor, std_q: Tensor) -> Tensor:
    """W₂² of normal laws with diagonal covariances: ``‖μ_p − μ_q‖² + ‖σ_p − σ_q‖²``.

    Shapes: [batch, event] each → [batch].

    Source: Dowson & Landau 1982.

    >>> wasserstein_normals(torch.zeros(1, 2), torch.ones(1, 2), 3 * torch.ones(1, 2), 5 * torch.ones(1, 2))
    tensor([50.])
    """
    return ((mean_p - mean_q) ** 2 + (std_p - std_q) ** 2).sum(-1)
