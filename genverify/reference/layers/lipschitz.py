"""Lipschitz constants and operator norms, written out with the singular value decomposition."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["jacobian_norm", "product_bound"]


def product_bound(weights: Sequence[Tensor]) -> Tensor:
    """A Lipschitz constant of a network: the product of the norms of its layers, where activations have slope ≤ 1.

    Shapes: matrices [out, in] → a scalar.

    Source: Szegedy et al. 2014, section 4.3.

    >>> product_bound([2 * torch.eye(2), torch.tensor([[3.0, 4.0]])])
    tensor(10.)
    """
    bound = torch.ones((), dtype=weights[0].dtype)
    for weight in weights:
        bound = bound * torch.linalg.svdvals(weight).max()
    return bound


def jacobian_norm(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """The steepest slope of a map at each point: ``‖J(x)‖``, the largest singular value of its Jacobian.

    Shapes: x [batch, n] → [batch]; f is a map of rows.

    >>> jacobian_norm(lambda x: x * torch.tensor([3.0, -4.0]), torch.zeros(1, 2))
    tensor([4.])
    """
    jacobian = torch.func.vmap(torch.func.jacrev(lambda row: f(row[None])[0]))(x)
    return torch.linalg.svdvals(jacobian).amax(-1)
