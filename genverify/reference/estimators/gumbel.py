r"""Gumbel noise, the maximum that it decides, and the softmax that relaxes the maximum.

    $$ g = -\log(-\log u), \qquad k = \arg\max_k (\theta_k + g_k), \qquad y = \mathrm{softmax}((\theta + g)/\tau) $$

Source: Gumbel 1954, lecture 1; Maddison, Mnih & Teh 2017, The Concrete distribution; Jang, Gu & Poole 2017.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "concrete_log_prob",
    "from_uniform",
    "maximum",
    "relaxed_loss",
    "sample",
    "sample_maximum",
    "softmax",
    "straight_through_loss",
]


def from_uniform(u: Tensor) -> Tensor:
    """A standard Gumbel number from a uniform one: the inverse of the distribution function exp(-exp(-x)).

    Shapes: any, inside (0, 1).

    >>> from_uniform(torch.tensor([0.5]))
    tensor([0.3665])
    """
    return -torch.log(-torch.log(u))


def sample(loc: Tensor, scale: Tensor) -> Tensor:
    """One Gumbel number for each location.

    Shapes: loc, scale [...]; [...].

    >>> sample(torch.zeros(2, 3), torch.ones(2, 3)).shape
    torch.Size([2, 3])
    """
    return loc + scale * from_uniform(torch.rand_like(loc))


def maximum(logits: Tensor, noise: Tensor) -> Tensor:
    """The index of the largest noisy logit: a draw from softmax(logits).

    Shapes: both [..., outcomes]; [...] integers.

    >>> maximum(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 0.0]))
    tensor(0)
    """
    return (logits + noise).argmax(-1)


def sample_maximum(logits: Tensor) -> Tensor:
    """A draw from softmax(logits) for each row, by the maximum.

    Shapes: [..., outcomes]; [...] integers.

    >>> sample_maximum(torch.zeros(4, 3)).shape
    torch.Size([4])
    """
    return maximum(logits, from_uniform(torch.rand_like(logits)))


def softmax(logits: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
    """A relaxed one-hot: the softmax of the noisy logits at a temperature.

    Shapes: logits and noise [..., outcomes]; [..., outcomes].

    >>> softmax(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0]), 0.5)
    tensor([0.5000, 0.5000])
    """
    return torch.softmax((logits + noise) / temperature, -1)


def concrete_log_prob(value: Tensor, logits: Tensor, temperature: float) -> Tensor:
    """The log-density of the relaxed one-hot on the simplex, with respect to its first K - 1 coordinates.

    Through the logarithms: log p(x) = log p(log x) - Σ log x_k, with the density of log x in closed form.

    Shapes: value [..., K] inside the simplex, logits [..., K]; [...].

    >>> concrete_log_prob(torch.tensor([0.25, 0.75]), torch.zeros(2), 1.0)
    tensor(0.)
    """
    logs, outcomes = value.log(), value.shape[-1]
    scores = torch.log_softmax(logits - temperature * logs, -1)
    constant = math.lgamma(outcomes) + (outcomes - 1) * math.log(temperature)
    return constant + scores.sum(-1) - logs.sum(-1)


def relaxed_loss(logits: Tensor, rewards: Tensor, temperature: float, n: int = 1) -> Tensor:
    """A number whose gradient is taken for that of E f: the mean of ⟨f, y⟩ over relaxed one-hots y.

    Shapes: logits, rewards [outcomes]; a number. Biased at every temperature.

    >>> relaxed_loss(torch.zeros(2), torch.ones(2), 0.5, 3)
    tensor(1.)
    """
    noise = from_uniform(torch.rand(n, len(logits), dtype=logits.dtype, device=logits.device))
    return (softmax(logits, noise, temperature) @ rewards).mean()


def straight_through_loss(logits: Tensor, rewards: Tensor, temperature: float, n: int = 1) -> Tensor:
    """The same with hard one-hots forward and soft ones backward.

    Shapes: logits, rewards [outcomes]; a number. Its value is unbiased, its gradient is not.

    >>> straight_through_loss(torch.zeros(2), torch.ones(2), 0.5, 3)
    tensor(1.)
    """
    noise = from_uniform(torch.rand(n, len(logits), dtype=logits.dtype, device=logits.device))
    soft = softmax(logits, noise, temperature)
    hard = torch.nn.functional.one_hot(soft.argmax(-1), len(logits)).to(soft)
    return ((hard + (soft - soft.detach())) @ rewards).mean()
