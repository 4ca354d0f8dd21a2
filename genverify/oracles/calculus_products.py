"""Gauss–Newton and Fisher matrices of the softmax, by their definitions as sums over outputs and classes."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gauss_newton", "softmax_fisher"]

Terms = tuple[Tensor, ...]


def gauss_newton(jacobian: Tensor, curvature: Tensor) -> Terms:
    """JᵀHJ, entry by entry: Σ_k J_ki (HJ)_kj, a term for each output k.

    Shapes: J [..., m, n], H [..., m, m]; the terms [..., n, n].

    >>> sum(gauss_newton(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0]])))
    tensor([[ 3.,  6.],
            [ 6., 12.]])
    """
    bent = (curvature[..., None] * jacobian[..., None, :, :]).sum(-2)
    return tuple(jacobian[..., k, :, None] * bent[..., k, None, :] for k in range(jacobian.shape[-2]))


def softmax_fisher(jacobian: Tensor, logits: Tensor) -> Terms:
    """E_y∼p ∇log p(y) ∇log p(y)ᵀ for p = softmax(z(θ)): the score is Jᵀ(e_y − p), and every class is counted.

    Shapes: J = ∂z/∂θ [..., c, n], logits z [..., c]; the terms [..., n, n].

    Source: Fisher 1922; Martens 2020, "New insights and perspectives on the natural gradient method".

    >>> sum(softmax_fisher(torch.eye(2), torch.zeros(2)))
    tensor([[ 0.2500, -0.2500],
            [-0.2500,  0.2500]])
    """
    p = torch.softmax(logits, -1)
    classes = range(logits.shape[-1])
    rows = [p[..., k, None, None] * jacobian[..., k, :, None] for k in classes]
    squares = tuple(rows[k] * jacobian[..., k, None, :] for k in classes)
    means = tuple(-rows[k] * p[..., m, None, None] * jacobian[..., m, None, :] for k in classes for m in classes)
    return (*squares, *means)
