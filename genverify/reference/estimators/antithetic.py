"""Antithetic pairs: a draw and its mirror image have the same law, and their errors may cancel.

Source: Hammersley & Morton 1956, A new Monte Carlo technique: antithetic variates.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["estimate", "pathwise_loss", "plain"]

Function = Callable[[Tensor], Tensor]


def estimate(function: Function, mean: Tensor, std: Tensor, noise: Tensor) -> Tensor:
    """The mean of ½ (f(μ + σε) + f(μ - σε)) over the noise.

    Shapes: mean, std numbers, noise [n], the function maps [n] to [n]; a number.

    >>> estimate(lambda z: z**2, torch.tensor(1.0), torch.tensor(1.0), torch.tensor([2.0]))
    tensor(5.)
    """
    return ((function(mean + std * noise) + function(mean - std * noise)) / 2).mean()


def pathwise_loss(mean: Tensor, std: Tensor, reward: Function, n: int) -> Tensor:
    """A number whose gradient is the pathwise estimate from n draws, each with its mirror image.

    Shapes: mean, std [d], reward maps [n, d] to [n]; a number.

    >>> pathwise_loss(torch.ones(1), torch.ones(1), lambda z: z.sum(-1), 2)
    tensor(1.)
    """
    noise = torch.randn(n, *mean.shape, dtype=mean.dtype, device=mean.device)
    return (reward(mean + std * noise) + reward(mean - std * noise)).mean() / 2


def plain(mean: Tensor, std: Tensor, reward: Function, n: int) -> Tensor:
    """The same from 2n independent draws: as many values of the reward, no mirror.

    Shapes: mean, std [d], reward maps [2n, d] to [2n]; a number.

    >>> plain(torch.ones(1), torch.zeros(1), lambda z: z.sum(-1), 2)
    tensor(1.)
    """
    noise = torch.randn(2 * n, *mean.shape, dtype=mean.dtype, device=mean.device)
    return reward(mean + std * noise).mean()
