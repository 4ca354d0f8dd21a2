"""Flow matching on straight paths: a velocity is learnt that carries noise to data in unit time.

Samples are [batch, …], x₀ of the noise and x₁ of the data; a time is one number, or one for each row, in [0, 1].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["linear_path", "loss", "optimal_transport_path", "velocity_target"]


def _beside(t: Tensor, x: Tensor) -> Tensor:
    return t.reshape(-1, *(1,) * (x.dim() - 1))


def linear_path(x0: Tensor, x1: Tensor, t: Tensor) -> Tensor:
    """The point at time t of the straight line: ``(1 − t) x₀ + t x₁``.

    Source: Liu, Gong & Liu 2023, eq. 1.

    >>> linear_path(torch.zeros(1, 1), torch.ones(1, 1), torch.tensor([0.25]))
    tensor([[0.2500]])
    """
    s = _beside(t, x0)
    return (1 - s) * x0 + s * x1


def velocity_target(x0: Tensor, x1: Tensor) -> Tensor:
    """The velocity along the straight line: ``x₁ − x₀``.

    Source: Liu, Gong & Liu 2023, eq. 1.

    >>> velocity_target(torch.ones(1, 1), torch.zeros(1, 1))
    tensor([[-1.]])
    """
    return x1 - x0


def optimal_transport_path(x0: Tensor, x1: Tensor, t: Tensor, sigma_min: float) -> Tensor:
    """The point at time t of a line that ends at noise of deviation σ_min: ``(1 − (1 − σ_min) t) x₀ + t x₁``.

    Source: Lipman et al. 2023, eq. 22.

    >>> optimal_transport_path(torch.ones(1, 1), torch.ones(1, 1), torch.tensor([1.0]), 0.5)
    tensor([[1.5000]])
    """
    s = _beside(t, x0)
    return (1 - (1 - sigma_min) * s) * x0 + s * x1


def loss(velocity: Callable[[Tensor, Tensor], Tensor], x0: Tensor, x1: Tensor) -> Tensor:
    """The squared distance to the velocity of a random point: ``E (v(x_t, t) − (x₁ − x₀))²``, t uniform.

    The mean over everything.

    Source: Lipman et al. 2023, eq. 23, with σ_min = 0; Liu, Gong & Liu 2023, eq. 1.

    >>> loss(lambda x, t: torch.ones_like(x), torch.zeros(4, 2), torch.ones(4, 2))
    tensor(0.)
    """
    t = torch.rand(len(x0), dtype=x0.dtype, device=x0.device)
    return (velocity(linear_path(x0, x1, t), t) - velocity_target(x0, x1)).square().mean()
