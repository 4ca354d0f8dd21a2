"""Conditional normal laws: in white coordinates of what is given, and of a linear model by its joint law."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["conditional", "linear_posterior"]

Terms = tuple[Tensor, ...]


def conditional(
    mean_a: Tensor, mean_b: Tensor, cov_aa: Tensor, cov_ab: Tensor, cov_bb: Tensor, x_b: Tensor
) -> tuple[Terms, Terms]:
    """Mean and covariance of x_a given x_b, through white coordinates of x_b: w = L⁻¹(x_b − μ_b), LLᵀ = Σ_bb.

    With V = Σ_ab L⁻ᵀ, the covariance of x_a and w: μ_a + Σ_k V_k w_k and Σ_aa − Σ_k V_k V_kᵀ.

    Shapes: means [a], [b], blocks [a, a], [a, b], [b, b]; each term of the results [a] and [a, a].

    Source: Bishop 2006, eqs. 2.81 and 2.82, in white coordinates, where Σ_bb is the identity.

    >>> one, zero = torch.ones(1, 1).double(), torch.zeros(1).double()
    >>> [sum(part) for part in conditional(zero, zero, one, 0.5 * one, one, zero + 1)]
    [tensor([0.5000], dtype=torch.float64), tensor([[0.7500]], dtype=torch.float64)]
    """
    factor = torch.linalg.cholesky(0.5 * (cov_bb + cov_bb.mT))
    white = torch.linalg.solve_triangular(factor, (x_b - mean_b)[..., None], upper=False)[..., 0]
    shared = torch.linalg.solve_triangular(factor, cov_ab.mT, upper=False)
    means = tuple(row * number for row, number in zip(shared.unbind(-2), white.unbind(-1), strict=True))
    removed = tuple(-row[:, None] * row[None, :] for row in shared.unbind(-2))
    return (mean_a, *means), (cov_aa, *removed)


def linear_posterior(
    x: Tensor, weight: Tensor, noise: Tensor, bias: Tensor | float = 0.0, *, form: str = "covariance"
) -> tuple[Terms, Terms]:
    """Mean and covariance (or precision) of z ~ N(0, I) given x = Wz + b + σ·noise, by conditioning the joint law.

    Wᵀ(WWᵀ + σ²I)⁻¹(x − b) and I − Wᵀ(WWᵀ + σ²I)⁻¹W: a matrix of the size of the data is inverted, where code inverts
    one of the size of the latent.

    Shapes: ``x`` [batch, data], ``weight`` [data, latent], ``noise`` the standard deviation, a scalar, ``bias``
    [data]; each term of the results [batch, latent] and [latent, latent].

    Source: Bishop 2006, eqs. 2.81 and 2.82.

    >>> one = torch.ones(1, 1).double()
    >>> [sum(part) for part in linear_posterior(one, one, one[0, 0])]
    [tensor([[0.5000]], dtype=torch.float64), tensor([[0.5000]], dtype=torch.float64)]
    """
    data, latent = weight.shape
    eye = torch.eye(latent, dtype=weight.dtype)
    marginal = weight @ weight.mT + noise**2 * torch.eye(data, dtype=weight.dtype)
    gain = torch.linalg.solve(marginal, weight).mT
    mean = tuple(((x - bias)[..., i, None] * gain[:, i]) for i in range(data))
    removed = gain @ weight
    # The form (I + WᵀW/σ²)⁻¹ Wᵀ(x − b)/σ² has products that are as large as the signal-to-noise ratio; and where I is
    # σ²I/σ², as in σ²(WᵀW + σ²I)⁻¹, its derivative is a difference of two that cancel. They cancel here as well.
    unit = noise**2 / (noise**2).detach() - 1.0
    if form == "precision":
        return mean, (eye, eye * unit, -eye * unit, weight.mT @ weight / noise**2)
    whole = (eye - removed).detach() * unit
    return mean, (eye, whole, -whole, -removed)
