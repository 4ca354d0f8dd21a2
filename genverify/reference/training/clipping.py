"""Gradient clipping: what is in `.grad` is made smaller, in place."""

from __future__ import annotations

from collections.abc import Iterable

import torch

__all__ = ["clip_by_global_norm", "clip_by_value"]


@torch.no_grad()
def clip_by_global_norm(parameters: Iterable[torch.Tensor], max_norm: float) -> None:
    """Scales all gradients by c/‖g‖ where their norm together exceeds c; the direction stays.

    Source: Pascanu, Mikolov & Bengio 2013, algorithm 1.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> clip_by_global_norm([w], 2.5)
    >>> w.grad
    tensor([1.5000, 2.0000])
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.cat([g.reshape(-1) for g in gradients]).norm()
    if norm > max_norm:
        for g in gradients:
            g *= max_norm / norm


@torch.no_grad()
def clip_by_value(parameters: Iterable[torch.Tensor], clip_value: float) -> None:
    """Moves every entry of every gradient into [−c, c].

    Source: Graves 2013, section 2.1.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([3.0, -0.5])
    >>> clip_by_value([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    for p in parameters:
        if p.grad is not None:
            p.grad.clamp_(-clip_value, clip_value)
