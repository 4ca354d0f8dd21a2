r"""Measure-valued derivatives: the derivative of a law is a difference of two laws, times a constant.

    $$ \frac{\partial}{\partial\theta} E_{p_\theta} f = c_\theta \big( E_{p^+} f - E_{p^-} f \big) $$

Normal mean: c = 1/(σ√(2π)), z± = μ ± σ W with W = √(2 E), E exponential (a Rayleigh variable).
Normal standard deviation: c = 1/σ, z⁺ = μ + σ M with M two-sided Maxwell, z⁻ = μ + σ ε.
Bernoulli probability: c = 1, f(1) - f(0). Poisson rate: c = 1, f(k + 1) - f(k), k ~ Poisson.

Source: Mohamed, Rosca, Figurnov & Mnih 2020, section 6 and table 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["bernoulli", "normal", "normal_mean", "normal_std", "poisson"]

Reward = Callable[[Tensor], Tensor]


def normal_mean(mean: Tensor, std: Tensor, reward: Reward, rayleigh: Tensor) -> Tensor:
    """∂/∂μ E f(z), z ~ N(μ, σ²), for given Rayleigh draws, each used on both sides.

    Shapes: mean, std numbers, rayleigh [n] positive, reward maps [n] to [n]; a number.

    >>> normal_mean(torch.tensor(0.0), torch.tensor(1.0), lambda z: z, torch.tensor([math.sqrt(math.pi / 2)]))
    tensor(1.)
    """
    constant = 1.0 / (std * math.sqrt(2.0 * math.pi))
    return constant * (reward(mean + std * rayleigh) - reward(mean - std * rayleigh)).mean()


def normal(mean: Tensor, std: Tensor, reward: Reward) -> Tensor:
    """∂/∂μ E f(z) for independent coordinates: one is replaced at a time, and the others drawn as they are.

    Shapes: mean, std [d], reward maps [n, d] to [n]; [d].

    >>> normal(torch.zeros(2), torch.ones(2), lambda z: z[:, 0] * 0)
    tensor([0., 0.])
    """
    parts = []
    for j in range(len(mean)):
        rayleigh = torch.empty_like(mean[j]).exponential_().mul(2.0).sqrt()
        before = mean[:j] + std[:j] * torch.randn_like(mean[:j])
        after = mean[j + 1 :] + std[j + 1 :] * torch.randn_like(mean[j + 1 :])
        sides = [torch.cat([before, (mean[j] + s * std[j] * rayleigh).reshape(1), after]) for s in (1.0, -1.0)]
        above, below = (reward(side.unsqueeze(0)).sum() for side in sides)
        parts.append((above - below) / (std[j] * math.sqrt(2.0 * math.pi)))
    return torch.stack(parts)


def normal_std(mean: Tensor, std: Tensor, reward: Reward, maxwell: Tensor, noise: Tensor) -> Tensor:
    """∂/∂σ E f(z), z ~ N(μ, σ²), for given two-sided Maxwell and normal draws.

    Shapes: mean, std numbers, maxwell, noise [n], reward maps [n] to [n]; a number.

    >>> normal_std(torch.tensor(0.0), torch.tensor(1.0), lambda z: z**2, torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(8.)
    """
    return (reward(mean + std * maxwell) - reward(mean + std * noise)).mean() / std


def bernoulli(probs: Tensor, reward: Reward, samples: Tensor) -> Tensor:
    """∂/∂p_j E f(b): f with b_j = 1 less f with b_j = 0, the other coordinates drawn.

    Shapes: probs [d], samples [n, d], reward maps [n, d] to [n]; [d].

    >>> bernoulli(torch.tensor([0.5]), lambda b: 3 * b.sum(-1), torch.tensor([[1.0]]))
    tensor([3.])
    """
    parts = []
    for j in range(len(probs)):
        one, zero = samples.clone(), samples.clone()
        one[:, j], zero[:, j] = 1.0, 0.0
        parts.append((reward(one) - reward(zero)).mean())
    return torch.stack(parts)


def poisson(reward: Reward, samples: Tensor) -> Tensor:
    """∂/∂λ E f(k) = E f(k + 1) - E f(k), k ~ Poisson(λ).

    Shapes: samples [n], reward maps [n] to [n]; a number.

    >>> poisson(lambda k: k**2, torch.tensor([1.0]))
    tensor(3.)
    """
    return (reward(samples + 1) - reward(samples)).mean()
