"""Kullback–Leibler divergences of Dirichlet and of Wishart laws, in additive terms, by torch in float64.

Both are exponential families: with log-normaliser A and natural parameters η, KL(p ‖ q) = A(η_q) − A(η_p) −
⟨η_q − η_p, ∇A(η_p)⟩. The gradients of A are the expectations of log x_k, and of X and log|X|.

Source: Kullback & Leibler 1951, eq. 2.4; Bishop 2006, appendix B (the expectations).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["dirichlet", "wishart"]

Terms = tuple[Tensor, ...]


def dirichlet(first: Tensor, second: Tensor) -> Terms:
    """KL(Dirichlet(a) ‖ Dirichlet(b)): log B(b) − log B(a) + Σ_k (a_k − b_k) (ψ(a_k) − ψ(Σa)).

    Shapes: both [..., classes]; each term [..., classes], a share of it for each class.

    Source: Bishop 2006, eqs. B.16 to B.21.

    >>> sum(dirichlet(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0]))).sum()
    tensor(0.)
    """
    share = torch.ones_like(first + second) / first.shape[-1]
    all_first, all_second = first.sum(-1, keepdim=True), second.sum(-1, keepdim=True)
    ours, whole = torch.digamma(first), torch.digamma(all_first)
    return (
        share * torch.lgamma(all_first), -share * torch.lgamma(all_second), torch.lgamma(second), -torch.lgamma(first),
        first * ours, -second * ours, -first * whole, second * whole,
    )  # fmt: skip


def wishart(df_p: Tensor, scale_p: Tensor, df_q: Tensor, scale_q: Tensor) -> Terms:
    """KL of Wishart laws by degrees of freedom ν and scale matrices V (the mean is νV).

    ½ [ν_q (log|V_q| − log|V_p|) + ν_p (tr V_q⁻¹V_p − k)] + log Γ_k(ν_q/2) − log Γ_k(ν_p/2) + ½ (ν_p − ν_q) ψ_k(ν_p/2)

    Shapes: degrees [...], matrices [..., k, k]; each term [...].

    Source: Bishop 2006, eqs. B.78 to B.82, for E X, E log|X| and the normaliser.

    >>> one = torch.eye(2).double()
    >>> sum(wishart(torch.tensor(3.0), one, torch.tensor(3.0), one))
    tensor(0., dtype=torch.float64)
    """
    k = scale_p.shape[-1]
    places = 0.5 * torch.arange(k, dtype=scale_p.dtype)
    psi = torch.digamma(0.5 * df_p[..., None] - places).sum(-1)
    logs = torch.linalg.slogdet(scale_q).logabsdet - torch.linalg.slogdet(scale_p).logabsdet
    trace = torch.linalg.solve(scale_q, scale_p).diagonal(dim1=-2, dim2=-1).sum(-1)
    constant = 0.25 * k * (k - 1) * math.log(math.pi)
    return (
        0.5 * df_q * logs, 0.5 * df_p * trace, -0.5 * df_p * k,
        torch.lgamma(0.5 * df_q[..., None] - places).sum(-1) + constant,
        -torch.lgamma(0.5 * df_p[..., None] - places).sum(-1) - constant,
        0.5 * df_p * psi, -0.5 * df_q * psi,
    )  # fmt: skip
