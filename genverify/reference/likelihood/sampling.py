"""Draws from named laws, each from uniform or normal numbers.

Source: Devroye 1986, Non-uniform random variate generation, sections 2.2 (inversion) and 2.4 (composition), 3.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["bernoulli", "categorical", "laplace", "mixture"]


def bernoulli(probs: Tensor) -> Tensor:
    """1 where a uniform number lies below the probability, 0 elsewhere.

    Shapes: [...]; [...].

    >>> bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    return (torch.rand_like(probs) < probs).to(probs)


def categorical(probs: Tensor) -> Tensor:
    """The number of sums of the first probabilities that a uniform number is above.

    Shapes: [..., outcomes]; [...] integers.

    >>> categorical(torch.tensor([[0.0, 1.0, 0.0]]))
    tensor([1])
    """
    below = probs.cumsum(-1)[..., :-1]
    return (torch.rand_like(probs[..., :1]) >= below).sum(-1)


def laplace(loc: Tensor, scale: Tensor) -> Tensor:
    """The inverse of the distribution function at a uniform number; it carries the gradient of both parameters.

    Shapes: loc, scale [...]; [...].

    >>> laplace(torch.zeros(2, 3), torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    centred = torch.rand_like(loc) - 0.5
    return loc - scale * centred.sign() * torch.log1p(-2 * centred.abs())


def mixture(weights: Tensor, mean: Tensor, std: Tensor, n: int) -> Tensor:
    """A component for each of n rows, and a normal draw from it.

    Shapes: weights [components], mean and std [components, d]; [n, d].

    >>> mixture(torch.tensor([0.5, 0.5]), torch.zeros(2, 3), torch.ones(2, 3), 4).shape
    torch.Size([4, 3])
    """
    k = categorical(weights.expand(n, -1))
    return mean[k] + std[k] * torch.randn(n, mean.shape[-1], dtype=mean.dtype, device=mean.device)
