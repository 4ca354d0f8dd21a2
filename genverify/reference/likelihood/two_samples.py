"""Distances of two samples, or of the normal laws fitted to them: maximum mean discrepancy and Fréchet's distance."""

from __future__ import annotations

import torch

__all__ = ["frechet", "mmd", "mmd_unbiased"]


def _kernel(x: torch.Tensor, y: torch.Tensor, sigma: torch.Tensor | float) -> torch.Tensor:
    squares = ((x[:, None] - y[None]) ** 2).sum(-1)
    return torch.exp(-squares / (2 * sigma**2))


def mmd(x: torch.Tensor, y: torch.Tensor, sigma: torch.Tensor | float = 1.0) -> torch.Tensor:
    """``(1/n²) Σ k(x_i, x_j) + (1/m²) Σ k(y_i, y_j) − (2/nm) Σ k(x_i, y_j)``: the squared distance of mean embeddings.

    Shapes: [n, event] and [m, event]; a scalar, which is never negative.

    Source: Gretton et al. 2012, eq. 5.

    >>> mmd(torch.zeros(2, 1), torch.zeros(3, 1))
    tensor(0.)
    """
    return _kernel(x, x, sigma).mean() + _kernel(y, y, sigma).mean() - 2 * _kernel(x, y, sigma).mean()


def mmd_unbiased(x: torch.Tensor, y: torch.Tensor, sigma: torch.Tensor | float = 1.0) -> torch.Tensor:
    """The same without the pairs i = j, over n(n − 1) and m(m − 1): unbiased, and at times negative.

    Shapes: [n, event] and [m, event], n, m ≥ 2; a scalar.

    Source: Gretton et al. 2012, eq. 3.

    >>> mmd_unbiased(torch.zeros(2, 1), torch.zeros(3, 1))
    tensor(0.)
    """
    n, m = len(x), len(y)
    within_x = (_kernel(x, x, sigma).sum() - n) / (n * (n - 1))
    within_y = (_kernel(y, y, sigma).sum() - m) / (m * (m - 1))
    return within_x + within_y - 2 * _kernel(x, y, sigma).mean()


def frechet(
    mean_p: torch.Tensor, covariance_p: torch.Tensor, mean_q: torch.Tensor, covariance_q: torch.Tensor
) -> torch.Tensor:
    """``‖μ_p − μ_q‖² + tr(Σ_p + Σ_q − 2 (Σ_p^½ Σ_q Σ_p^½)^½)``, the squared Wasserstein distance of normal laws.

    Shapes: means [event], covariances [event, event]; a scalar.

    Source: Dowson & Landau 1982; Heusel et al. 2017, eq. 6.

    >>> frechet(torch.zeros(1), torch.eye(1), torch.ones(1), 4 * torch.eye(1))
    tensor(2.)
    """
    factor = torch.linalg.cholesky(covariance_p)
    inner = factor.T @ covariance_q @ factor  # has the eigenvalues of Σ_p Σ_q, and is symmetric
    root = torch.linalg.eigvalsh((inner + inner.T) / 2).clamp(min=0).sqrt().sum()
    return ((mean_p - mean_q) ** 2).sum() + torch.trace(covariance_p) + torch.trace(covariance_q) - 2 * root
