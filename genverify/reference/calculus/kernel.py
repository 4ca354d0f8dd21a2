"""The Gaussian kernel and its mixed second derivative."""

from __future__ import annotations

import torch

__all__ = ["rbf", "rbf_mixed_hessian"]


def rbf(x: torch.Tensor, y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """``k(x, y) = exp(−‖x − y‖²/(2σ²))`` for all pairs of rows.

    Shapes: x [B, n], y [M, n], sigma a number; the result [B, M]; of two vectors, a number.

    Source: Rasmussen & Williams 2006, eq. 4.9.

    >>> rbf(torch.zeros(1), torch.zeros(1), torch.tensor(1.0))
    tensor(1.)
    """
    difference = x - y if x.dim() == 1 else x[:, None] - y[None]
    return torch.exp(-(difference**2).sum(-1) / (2 * sigma**2))


def rbf_mixed_hessian(x: torch.Tensor, y: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """``∂²k/∂x∂yᵀ = k(x, y) (I − ddᵀ/σ²)/σ²``, d = x − y: what Stein discrepancies take the trace of.

    Shapes: x and y [..., n], sigma a number; the result [..., n, n].

    Source: Liu, Lee & Jordan 2016, "A kernelized Stein discrepancy" (ICML), for the kernel above.

    >>> rbf_mixed_hessian(torch.zeros(1), torch.zeros(1), torch.tensor(2.0))
    tensor([[0.2500]])
    """
    d = x - y
    k = torch.exp(-(d**2).sum(-1) / (2 * sigma**2))[..., None, None]
    return k * (torch.eye(x.shape[-1], dtype=x.dtype) - d[..., :, None] * d[..., None, :] / sigma**2) / sigma**2
