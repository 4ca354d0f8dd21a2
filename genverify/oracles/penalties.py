"""Penalties on the slope of a critic: row by row, of the gradient over all dimensions of a sample.

The gradient of the critic is taken in forward order of the definition, one sample at a time (`torch.func`), so that it
can be differentiated again in the critic's own numbers.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["deviation", "interpolated", "slopes", "squared_slopes", "two_sided"]


def slopes(critic: Callable[..., Tensor], x: Tensor, *beside: Tensor) -> Tensor:
    """The gradient of the critic at each row, of what is beside it none: ``∇_x C(x_i, c_i)``.

    Shapes: x [batch, event], each condition [batch, …] → [batch, event]; a critic of rows.

    >>> slopes(lambda x: (x**2).sum(-1), torch.tensor([[1.0, 2.0]]))
    tensor([[2., 4.]])
    """
    return torch.func.vmap(torch.func.grad(lambda *row: critic(*(part[None] for part in row)).sum()))(x, *beside)


def squared_slopes(critic: Callable[..., Tensor], x: Tensor, *beside: Tensor) -> Tensor:
    """The terms of ``‖∇_x C(x_i, c_i)‖²``: a row of squares for each sample [batch, event]."""
    return slopes(critic, x, *beside) ** 2


def interpolated(real: Tensor, fake: Tensor, share: Tensor, *, flipped: bool = False) -> Tensor:
    """``a x + (1 − a) y`` with one share a for each sample; flipped, the shares of the two are exchanged.

    Shapes: [batch, event] twice, [batch].
    """
    weight = (1 - share if flipped else share)[:, None]
    return weight * real + (1 - weight) * fake


def deviation(x: Tensor, *, of: str = "everything", unbiased: bool = True) -> Tensor:
    """The standard deviation of a batch, to be multiplied with a number for each of its entries.

    ``√(Σ (x_ij − x̄)² / (N − 1))``, over everything, over the samples of each dimension, or over those of each sample;
    by N where it is not `unbiased`.

    Shapes: [batch, event] → broadcasts against it.

    >>> deviation(torch.tensor([[0.0, 2.0]]), unbiased=False), deviation(torch.tensor([[1.0], [3.0]]), of="dimension")
    (tensor(1.), tensor([[1.4142]]))
    """
    axes = {"everything": (0, 1), "dimension": (0,), "sample": (1,)}[of]
    count = x.numel() // torch.Size([size for axis, size in enumerate(x.shape) if axis not in axes]).numel()
    gap = x - x.mean(axes, keepdim=True)
    spread = torch.sqrt((gap**2).sum(axes, keepdim=True) / (count - 1 if unbiased else count))
    return spread.reshape(()) if of == "everything" else spread


def two_sided(norm: Tensor, target: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """The terms of ``(n − t)²``: n², −2tn, t².

    >>> sum(float(term) for term in two_sided(torch.tensor(3.0)))
    4.0
    """
    return norm**2, -2 * target * norm, torch.full_like(norm, target**2)
