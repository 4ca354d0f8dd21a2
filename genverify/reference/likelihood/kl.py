"""Kullback–Leibler divergences between normal distributions; the expectation is under the first."""

from __future__ import annotations

import torch

__all__ = ["diagonal_normals", "diagonal_to_standard_normal", "mvn_cholesky", "mvn_covariance"]


def diagonal_to_standard_normal(mean: torch.Tensor, log_variance: torch.Tensor) -> torch.Tensor:
    """The VAE's KL term: ``KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − log σ²)``, one number a row.

    Shapes: ``mean``, ``log_variance`` [..., k]; the result [...]; nats.

    Source: Kingma & Welling 2014, appendix B (with the opposite sign).

    >>> diagonal_to_standard_normal(torch.tensor([1.0, 0.0]), torch.zeros(2))
    tensor(0.5000)
    """
    return 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(-1)


def diagonal_normals(
    mean_p: torch.Tensor, std_p: torch.Tensor, mean_q: torch.Tensor, std_q: torch.Tensor
) -> torch.Tensor:
    """``KL(N(μ_p, diag σ_p²) ‖ N(μ_q, diag σ_q²))``, one number a row.

    ``Σ log σ_q/σ_p + (σ_p² + (μ_p − μ_q)²)/(2 σ_q²) − ½``

    Shapes: all [..., k]; the result [...]; nats.

    Source: Kullback & Leibler 1951, eq. 2.4, for normal densities.

    >>> one, zero = torch.ones(1), torch.zeros(1)
    >>> diagonal_normals(one, one, zero, one)
    tensor(0.5000)
    """
    log_ratio = std_q.log() - std_p.log()
    return (log_ratio + ((std_p / std_q) ** 2 + ((mean_p - mean_q) / std_q) ** 2 - 1) / 2).sum(-1)


def mvn_covariance(
    mean_p: torch.Tensor, covariance_p: torch.Tensor, mean_q: torch.Tensor, covariance_q: torch.Tensor
) -> torch.Tensor:
    """``KL(N(μ_p, Σ_p) ‖ N(μ_q, Σ_q)) = ½ [tr Σ_q⁻¹Σ_p + dᵀΣ_q⁻¹d − k + log det Σ_q/det Σ_p]``, d = μ_q − μ_p.

    Shapes: means [..., k], covariances [..., k, k]; the result [...]; nats.

    Raises:
        torch.linalg.LinAlgError: A covariance is not positive definite.

    Source: Doersch 2016, eq. 6.

    >>> mean, covariance = torch.zeros(2), torch.eye(2)
    >>> mvn_covariance(mean + 1, covariance, mean, covariance)
    tensor(1.)
    """
    return mvn_cholesky(mean_p, torch.linalg.cholesky(covariance_p), mean_q, torch.linalg.cholesky(covariance_q))


def mvn_cholesky(
    mean_p: torch.Tensor, cholesky_p: torch.Tensor, mean_q: torch.Tensor, cholesky_q: torch.Tensor
) -> torch.Tensor:
    """The same by lower Cholesky factors, Σ = L Lᵀ: no matrix is inverted.

    Shapes: means [..., k], factors [..., k, k]; the result [...]; nats.

    Source: Doersch 2016, eq. 6, with tr Σ_q⁻¹Σ_p = ‖L_q⁻¹L_p‖² and log det Σ = 2 Σ log L_ii.

    >>> mean, factor = torch.zeros(2), torch.eye(2)
    >>> mvn_cholesky(mean + 1, factor, mean, factor)
    tensor(1.)
    """
    ratio = torch.linalg.solve_triangular(cholesky_q, cholesky_p, upper=False)
    shift = torch.linalg.solve_triangular(cholesky_q, (mean_q - mean_p).unsqueeze(-1), upper=False)
    diagonal_p = torch.diagonal(cholesky_p, dim1=-2, dim2=-1)
    diagonal_q = torch.diagonal(cholesky_q, dim1=-2, dim2=-1)
    log_determinants = (diagonal_q.log() - diagonal_p.log()).sum(-1)
    squares = (ratio**2).sum((-2, -1)) + (shift**2).sum((-2, -1))
    return 0.5 * (squares - mean_p.shape[-1]) + log_determinants
