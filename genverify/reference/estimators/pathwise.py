r"""The pathwise gradient, written out: the slope of the reward at the moved noise, times how it moves.

    $$ \nabla_\mu = \frac1n \sum_i f'(\mu + \sigma \epsilon_i), \qquad
       \nabla_\sigma = \frac1n \sum_i f'(\mu + \sigma \epsilon_i)\, \epsilon_i $$

Source: Mohamed, Rosca, Figurnov & Mnih 2020, Monte Carlo gradient estimation in machine learning, section 5.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["normal"]


def normal(mean: Tensor, std: Tensor, reward: Callable[[Tensor], Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients with respect to mean and standard deviation.

    Shapes: mean, std [d], noise [n, d], reward maps [n, d] to [n]; two [d].

    >>> normal(torch.zeros(1), torch.ones(1), lambda z: z.sum(-1) ** 2, torch.tensor([[1.0], [3.0]]))
    (tensor([4.]), tensor([10.]))
    """
    with torch.enable_grad():
        moved = (mean + std * noise).detach().requires_grad_(True)
        (slope,) = torch.autograd.grad(reward(moved).sum(), moved)
    return slope.mean(0), (slope * noise).mean(0)
