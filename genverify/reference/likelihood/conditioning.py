"""Conditioning normal vectors: on a part of them, and on a noisy linear observation."""

from __future__ import annotations

import torch

__all__ = ["conditional", "linear_posterior"]


def conditional(
    mean_a: torch.Tensor,
    mean_b: torch.Tensor,
    cov_aa: torch.Tensor,
    cov_ab: torch.Tensor,
    cov_bb: torch.Tensor,
    x_b: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of x_a given x_b: ``μ_a + Σ_ab Σ_bb⁻¹(x_b − μ_b)`` and ``Σ_aa − Σ_ab Σ_bb⁻¹ Σ_ba``.

    Shapes: means [a] and [b], blocks [a, a], [a, b], [b, b]; results [a] and [a, a].

    Source: Bishop 2006, eqs. 2.81 and 2.82.

    >>> one, zero = torch.ones(1, 1), torch.zeros(1)
    >>> conditional(zero, zero, one, 0.5 * one, one, torch.ones(1))
    (tensor([0.5000]), tensor([[0.7500]]))
    """
    gain = torch.linalg.solve(cov_bb, cov_ab.T).T
    return mean_a + gain @ (x_b - mean_b), cov_aa - gain @ cov_ab.T


def linear_posterior(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, noise_variance: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of z ~ N(0, I) given x = Wz + b + noise: ``ΣWᵀ(x − b)/σ²``, ``Σ = (I + WᵀW/σ²)⁻¹``.

    Shapes: ``x`` [batch, data], ``weight`` [data, latent], ``bias`` [data], the variance a scalar; results
    [batch, latent] and [latent, latent].

    Source: Bishop 2006, eqs. 2.116 and 2.117; Tipping & Bishop 1999.

    >>> one = torch.ones(1, 1)
    >>> linear_posterior(one, one, torch.zeros(1), torch.tensor(1.0))
    (tensor([[0.5000]]), tensor([[0.5000]]))
    """
    eye = torch.eye(weight.shape[1], dtype=weight.dtype, device=weight.device)
    covariance = torch.linalg.inv(eye + weight.T @ weight / noise_variance)
    return (x - bias) @ weight @ covariance / noise_variance, covariance
