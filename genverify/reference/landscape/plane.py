"""The loss over a plane through the parameters."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["plane"]


def plane(
    f: Callable[[torch.Tensor], torch.Tensor],
    centre: torch.Tensor,
    direction_1: torch.Tensor,
    direction_2: torch.Tensor,
    alphas: torch.Tensor,
    betas: torch.Tensor,
) -> torch.Tensor:
    """``f(θ + α δ + β η)`` for all α and β: the first index is α's.

    Shapes: ``centre`` θ and the directions δ, η [n], ``alphas`` [A], ``betas`` [B]; the result [A, B].

    Source: Li et al. 2018, eq. 1; Goodfellow, Vinyals & Saxe 2015 (along a line).

    >>> one = torch.ones(1)
    >>> plane(lambda x: x.sum(), one, one, 10 * one, torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0]))
    tensor([[ 1., 11.],
            [ 2., 12.]])
    """
    rows = [torch.stack([f(centre + a * direction_1 + b * direction_2) for b in betas]) for a in alphas]
    return torch.stack(rows)
