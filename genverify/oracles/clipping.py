"""Gradients made smaller: the projections on a ball and on a box, and what is done to a gradient before.

A gradient is a list of tensors, of which the norm is that of all their entries together.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["clipped_by_norm", "clipped_by_value", "mean_gradient", "total_norm", "unscaled"]

# Several tensors, or one, whose entries are then taken one by one.
Gradients = Sequence[Tensor] | Tensor
Number = float | Tensor


def total_norm(gradients: Gradients, order: Number = 2.0) -> Tensor:
    """‖g‖_p over all entries of all tensors.

    >>> total_norm([torch.tensor([3.0]), torch.tensor([0.0, 4.0])])
    tensor(5.)
    """
    flat = torch.cat([one.reshape(-1) for one in gradients])
    if order == float("inf"):
        return flat.abs().amax()
    return (flat.abs() ** order).sum() ** (1 / order)


def clipped_by_norm(
    gradients: Gradients, bound: Number, order: Number = 2.0, *, epsilon: float = 0.0, always: bool = False,
    branch: bool = True, each: bool = False,
) -> Tensor:  # fmt: skip
    """G min(1, c/(‖g‖ + ε)), flat.

    `branch` leaves the gradient alone wherever ‖g‖ ≤ c; without, wherever ‖g‖ + ε ≤ c, as torch does. `each` takes the
    norm of each tensor by itself, and `always` scales in either direction.

    >>> clipped_by_norm([torch.tensor([3.0]), torch.tensor([0.0, 4.0])], 1.0).tolist()
    [0.6000000238418579, 0.0, 0.800000011920929]
    """
    if each:
        parts = [clipped_by_norm([one], bound, order, epsilon=epsilon, branch=branch) for one in gradients]
        return torch.cat(parts)
    norm = total_norm(gradients, order)
    flat = torch.cat([one.reshape(-1) for one in gradients])
    if always:
        return flat * (bound / (norm + epsilon))
    above = norm > bound if branch else norm + epsilon > bound
    # The quotient at a norm of zero would be infinite, and zero times that no number.
    safe = torch.where(above, norm + epsilon, torch.ones_like(norm))
    return flat * torch.where(above, bound / safe, torch.ones_like(norm))


def clipped_by_value(gradients: Gradients, bound: Number) -> Tensor:
    """Each entry moved into [−c, c], flat.

    >>> clipped_by_value([torch.tensor([3.0, -0.5])], 1.0)
    tensor([ 1.0000, -0.5000])
    """
    flat = torch.cat([one.reshape(-1) for one in gradients])
    edge = torch.as_tensor(bound, dtype=flat.dtype)
    return torch.maximum(-edge, torch.minimum(edge, flat))


def unscaled(
    gradients: Gradients, scale: Number, bound: Number | None = None, *, epsilon: float = 0.0, branch: bool = True,
    early: bool = False,
) -> Tensor:  # fmt: skip
    """The gradient of the loss from that of S times the loss, and clipped then; `early` clips before.

    >>> unscaled([torch.tensor([30.0, 40.0])], 10.0, 1.0).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    if bound is None:
        return torch.cat([one.reshape(-1) for one in gradients]) / scale
    if early:
        return clipped_by_norm(gradients, bound, epsilon=epsilon, branch=branch) / scale
    return clipped_by_norm([one / scale for one in gradients], bound, epsilon=epsilon, branch=branch)


def mean_gradient(gradients: Sequence[Tensor], sizes: Sequence[int], *, equal: bool = False) -> tuple[Tensor, ...]:
    """Σ n_i g_i / Σ n_i as terms: the gradient of the mean over all samples from those of the means over parts.

    >>> float(sum(mean_gradient([torch.tensor(1.0), torch.tensor(4.0)], (2, 1))))
    2.0
    """
    weights = [1] * len(sizes) if equal else list(sizes)
    return tuple(one * size / sum(weights) for one, size in zip(gradients, weights, strict=True))
