"""Gradients in parts and gradients of a scaled loss."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from .clipping import clip_by_global_norm

__all__ = ["mean_gradient", "unscale"]


def mean_gradient(gradients: Sequence[torch.Tensor], sizes: Sequence[int]) -> torch.Tensor:
    """The gradient of the mean over a batch from those of the means over its micro-batches.

    ``Σ n_i g_i / Σ n_i``: each counts by its size.

    >>> mean_gradient([torch.tensor(1.0), torch.tensor(4.0)], (2, 1))
    tensor(2.)
    """
    total = torch.zeros_like(gradients[0])
    for gradient, size in zip(gradients, sizes, strict=True):
        total = total + size * gradient
    return total / sum(sizes)


@torch.no_grad()
def unscale(parameters: Iterable[torch.Tensor], scale: float, max_norm: float | None = None) -> bool:
    """Divides by the scale of the loss, and clips then; False when the step must be skipped.

    Source: Micikevicius et al. 2018, section 3.2.

    >>> w = torch.zeros(2, requires_grad=True)
    >>> w.grad = torch.tensor([30.0, 40.0])
    >>> unscale([w], 10.0, max_norm=2.5), w.grad
    (True, tensor([1.5000, 2.0000]))
    """
    held = [p for p in parameters if p.grad is not None]
    gradients = [p.grad for p in held if p.grad is not None]
    for gradient in gradients:
        gradient /= scale
    if not all(bool(torch.isfinite(gradient).all()) for gradient in gradients):
        return False
    if max_norm is not None:
        clip_by_global_norm(held, max_norm)
    return True
