"""Langevin's dynamics in discrete time: uphill along the score, with noise that keeps the density."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["langevin_step"]


def langevin_step(score: Callable[[Tensor], Tensor], x: Tensor, step_size: Tensor) -> Tensor:
    """One step: ``x + (ε/2) s(x) + √ε z``.

    Shapes: x [batch, …]; step_size one number, or [batch].

    Source: Welling & Teh 2011, eq. 4; Song & Ermon 2019, eq. 4.

    >>> langevin_step(lambda x: -x, torch.ones(1, 2), torch.tensor(0.0))
    tensor([[1., 1.]])
    """
    width = step_size.reshape(-1, *(1,) * (x.dim() - 1))
    return x + width / 2 * score(x) + width.sqrt() * torch.randn_like(x)
