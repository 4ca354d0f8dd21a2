"""Regularisers and steps towards orthonormal rows, written out. Shapes: weights [out, in]."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bjorck_step", "cosine_l1", "frobenius_defect", "offdiagonal_frobenius", "offdiagonal_step"]


def frobenius_defect(weight: Tensor) -> Tensor:
    """``‖W Wᵀ − I‖²`` over all entries.

    Source: Brock et al. 2017, eq. 3; Bansal, Chen & Wang 2018, section 3.1.

    >>> frobenius_defect(torch.eye(2))
    tensor(0.)
    """
    return ((weight @ weight.mT - torch.eye(len(weight), dtype=weight.dtype)) ** 2).sum()


def offdiagonal_frobenius(weight: Tensor) -> Tensor:
    """``‖W Wᵀ ∘ (1 − I)‖²``: rows are to be orthogonal, of any length.

    Source: Brock, Donahue & Simonyan 2019, eq. 3.

    >>> offdiagonal_frobenius(2 * torch.eye(2))
    tensor(0.)
    """
    gram = weight @ weight.mT
    return ((gram - torch.diag(torch.diagonal(gram))) ** 2).sum()


def offdiagonal_step(weight: Tensor, lr: float) -> Tensor:
    """A step of gradient descent on half of that: ``W − 2 η (W Wᵀ ∘ (1 − I)) W``.

    Source: Brock, Donahue & Simonyan 2019, eq. 3.

    >>> offdiagonal_step(torch.tensor([[1.0, 0.0], [1.0, 1.0]]), 0.5)
    tensor([[ 0., -1.],
            [ 0.,  1.]])
    """
    gram = weight @ weight.mT
    return weight - lr * 2 * (gram - torch.diag(torch.diagonal(gram))) @ weight


def cosine_l1(weight: Tensor) -> Tensor:
    """``Σ_{i≠j} |cos(w_i, w_j)|``.

    Source: after Rodríguez et al. 2017, who square the cosines.

    >>> cosine_l1(torch.eye(2))
    tensor(0.)
    """
    rows = weight / weight.norm(dim=1, keepdim=True)
    gram = rows @ rows.mT
    return (gram - torch.diag(torch.diagonal(gram))).abs().sum()


def bjorck_step(weight: Tensor, beta: float = 0.5, iters: int = 1) -> Tensor:
    """``W ← (1 + β) W − β W WᵀW``, so many times.

    Source: Björck & Bowie 1971; Anil, Lucas & Grosse 2019, eq. 4.

    >>> bjorck_step(torch.eye(2))
    tensor([[1., 0.],
            [0., 1.]])
    """
    for _ in range(iters):
        weight = (1 + beta) * weight - beta * weight @ weight.mT @ weight
    return weight
