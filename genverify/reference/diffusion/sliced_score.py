"""Sliced score matching: the trace of a score's Jacobian is seen along one random direction."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["sliced_matching"]


def sliced_matching(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Explicit score matching without the data's score: ``E vᵀ ∇s(x) v + ½ (vᵀ s(x))²``, v standard normal.

    Shapes: x [batch, …]; the score of each row depends on that row alone. The mean over the batch, differentiable in
    what the score is made of.

    Source: Song, Garg, Shi & Ermon 2020, eq. 7.

    >>> sliced_matching(lambda x: 0 * x, torch.ones(4, 2))
    tensor(0., grad_fn=<MeanBackward0>)
    """
    x = x.detach().requires_grad_(True)
    v = torch.randn_like(x)
    along = (score(x) * v).flatten(1).sum(1)
    (slope,) = torch.autograd.grad(along.sum(), x, create_graph=True)
    return ((slope * v).flatten(1).sum(1) + along**2 / 2).mean()
