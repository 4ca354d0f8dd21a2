"""The multivariate normal distribution, by covariance, by precision and by Cholesky factor."""

from __future__ import annotations

import math

import torch

__all__ = ["entropy", "log_prob_cholesky", "log_prob_covariance", "log_prob_precision"]


def log_prob_cholesky(x: torch.Tensor, mean: torch.Tensor, cholesky: torch.Tensor) -> torch.Tensor:
    """``log N(x | μ, LLᵀ) = −½ ‖L⁻¹(x − μ)‖² − Σ log L_ii − (k/2) log 2π``.

    Shapes: ``x``, ``mean`` [..., k], ``cholesky`` [..., k, k] lower triangular; the result [...]; nats.

    Source: Bishop 2006, eq. 2.43, with Σ = LLᵀ.

    >>> log_prob_cholesky(torch.zeros(2), torch.zeros(2), torch.eye(2))
    tensor(-1.8379)
    """
    white = torch.linalg.solve_triangular(cholesky, (x - mean).unsqueeze(-1), upper=False).squeeze(-1)
    half_log_determinant = torch.diagonal(cholesky, dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * (white**2).sum(-1) - half_log_determinant - 0.5 * x.shape[-1] * math.log(2 * math.pi)


def log_prob_covariance(x: torch.Tensor, mean: torch.Tensor, covariance: torch.Tensor) -> torch.Tensor:
    """``log N(x | μ, Σ) = −½ (x − μ)ᵀΣ⁻¹(x − μ) − ½ log det Σ − (k/2) log 2π``.

    Shapes: ``x``, ``mean`` [..., k], ``covariance`` [..., k, k]; the result [...]; nats.

    Raises:
        torch.linalg.LinAlgError: The covariance is not positive definite.

    Source: Bishop 2006, eq. 2.43.

    >>> log_prob_covariance(torch.zeros(2), torch.zeros(2), torch.eye(2))
    tensor(-1.8379)
    """
    return log_prob_cholesky(x, mean, torch.linalg.cholesky(covariance))


def log_prob_precision(x: torch.Tensor, mean: torch.Tensor, precision: torch.Tensor) -> torch.Tensor:
    """``log N(x | μ, Λ⁻¹) = −½ (x − μ)ᵀΛ(x − μ) + ½ log det Λ − (k/2) log 2π``.

    Shapes: ``x``, ``mean`` [..., k], ``precision`` [..., k, k]; the result [...]; nats.

    Raises:
        torch.linalg.LinAlgError: The precision is not positive definite.

    Source: Bishop 2006, section 2.3.1.

    >>> log_prob_precision(torch.zeros(2), torch.zeros(2), torch.eye(2))
    tensor(-1.8379)
    """
    factor = torch.linalg.cholesky(precision)
    projected = (factor.mT @ (x - mean).unsqueeze(-1)).squeeze(-1)
    half_log_determinant = torch.diagonal(factor, dim1=-2, dim2=-1).log().sum(-1)
    return -0.5 * (projected**2).sum(-1) + half_log_determinant - 0.5 * x.shape[-1] * math.log(2 * math.pi)


def entropy(covariance: torch.Tensor) -> torch.Tensor:
    """``H = ½ log det(2πe Σ)``.

    Shapes: ``covariance`` [..., k, k]; the result [...]; nats.

    Raises:
        torch.linalg.LinAlgError: The covariance is not positive definite.

    Source: Cover & Thomas 2006, theorem 8.4.1.

    >>> entropy(torch.eye(2))
    tensor(2.8379)
    """
    diagonal = torch.diagonal(torch.linalg.cholesky(covariance), dim1=-2, dim2=-1)
    return diagonal.log().sum(-1) + 0.5 * covariance.shape[-1] * (1 + math.log(2 * math.pi))
