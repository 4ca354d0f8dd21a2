"""The dense matrix of a linear map that is given as a function: its images of the standard basis."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["dense_matrix"]

# Numbers that the basis vectors of one call may fill.
_CHUNK_ELEMENTS = 2**20


@torch.no_grad()
def dense_matrix(
    f: Callable[[Tensor], Tensor],
    event_shape: tuple[int, ...],
    *,
    dtype: torch.dtype = torch.float64,
    device: torch.device | None = None,
) -> Tensor:
    """The matrix W of x ↦ f(x) − f(0), events flattened: W[:, j] = f(e_j) − f(0).

    Exact but for the rounding of f where f is affine; for another map it is no derivative.

    Shapes: `f` maps [batch, *event_shape] to [batch, *output]; the result is [outputs, inputs].

    >>> from torch import nn
    >>> flip = dense_matrix(lambda x: x.flip(-1), (2,))
    >>> flip
    tensor([[0., 1.],
            [1., 0.]], dtype=torch.float64)
    """
    numel = math.prod(event_shape)
    size = max(1, _CHUNK_ELEMENTS // max(1, numel))
    columns = []
    for start in range(0, numel, size):
        index = torch.arange(start, min(start + size, numel), device=device)
        basis = torch.zeros(len(index), numel, dtype=dtype, device=device)
        basis[torch.arange(len(index), device=device), index] = 1.0
        basis = basis.reshape(len(index), *event_shape)
        columns.append((f(basis) - f(torch.zeros_like(basis))).detach().reshape(len(index), -1))
    return torch.cat(columns).mT.contiguous()
