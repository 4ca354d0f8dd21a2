"""Derivatives without derivatives: differences."""

from __future__ import annotations

from collections.abc import Callable

import torch

__all__ = ["gradient"]


def gradient(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor, step: torch.Tensor | float) -> torch.Tensor:
    """Central differences, ``(f(x + h e_i) − f(x − h e_i)) / 2h``: the error is O(h²).

    Shapes: x [..., n], f gives one number a row; the result [..., n].

    Source: LeVeque 2007, section 1.1.

    >>> gradient(lambda x: (x**2).sum(-1), torch.tensor([1.0, 3.0]), 0.5)
    tensor([2., 6.])
    """
    basis = step * torch.eye(x.shape[-1], dtype=x.dtype)
    return torch.stack([(f(x + e) - f(x - e)) / (2 * step) for e in basis], -1)
