r"""Measure-valued derivatives: the derivative of a law is a difference of two laws, times a constant.

    $$ \frac{\partial}{\partial\theta} E_{p_\theta} f = c_\theta \big( E_{p^+} f - E_{p^-} f \big) $$

Normal mean: c = 1/(σ√(2π)), z± = μ ± σ W with W = √(2 E), E exponential (a Rayleigh variable).
Normal standard deviation: c = 1/σ, z⁺ = μ + σ M with M two-sided Maxwell, z⁻ = μ + σ ε.
Bernoulli probability: c = 1, f(1) - f(0). Poisson rate: c = 1, f(k + 1) - f(k), k ~ Poisson.

Source: Mohamed, Rosca, Figurnov & Mnih 2020, Monte Carlo gradient estimation in machine learning, section 6 and table 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["bernoulli", "normal", "normal_mean", "poisson"]

Reward = Callable[[Tensor], Tensor]


def normal_mean(mean: Tensor, std: Tensor, reward: Reward, rayleigh: Tensor) -> Tensor:
    """∂/∂μ E f(z), z ~ N(μ, σ²), for given Rayleigh draws, each used on both sides.

    Shapes: mean, std numbers, rayleigh [n] positive, reward maps [n] to [n]; a number.

    >>> normal_mean(torch.tensor(0.0), torch.tensor(1.0), lambda z: z, torch.tensor([math.sqrt(math.pi / 2)]))
    tensor(1.)
    """
    constant = 1.0 / (std * math.sqrt(2.0 * math.pi))
    return constant * (reward(mean + std * rayleigh) - reward(mean - std * rayleigh)).mean()


def normal(mean: Tensor, std: Tensor, reward: Reward) -> tuple[Tensor, Tensor]:
    """∂/∂(μ, σ) E f(z) for independent coordinates, one coordinate replaced at a time, the others shared.

    Shapes: mean, std [d], reward maps [n, d] to [n]; two [d].

    >>> inside = normal(torch.zeros(2), torch.ones(2), lambda z: z[:, 0] * 0)
    >>> inside[0]
    tensor([0., 0.])
    """
    noise = torch.randn_like(mean)
    in_mean, in_std = [], []
    for j in range(len(mean)):
        size = torch.empty_like(mean[j]).exponential_().mul(2.0).sqrt()
        rest = torch.randn_like(mean[j])
        side = 2.0 * torch.bernoulli(torch.full_like(mean[j], 0.5)) - 1.0
        # Three squared normals in all: twice an exponential is the sum of two.
        maxwell = side * (size**2 + rest**2).sqrt()

        def at(value: Tensor, j: int = j) -> Tensor:
            replaced = torch.cat([noise[:j], value.reshape(1), noise[j + 1 :]])
            return reward((mean + std * replaced).unsqueeze(0)).sum()

        in_mean.append((at(size) - at(-size)) / (std[j] * math.sqrt(2.0 * math.pi)))
        in_std.append((at(maxwell) - at(noise[j])) / std[j])
    return torch.stack(in_mean), torch.stack(in_std)


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
