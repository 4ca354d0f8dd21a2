"""Penalties on the slope of a critic, written out.

Shapes: samples [batch, …]; a critic gives one number a sample, [batch] or [batch, 1]. Results are means over the batch,
which can be differentiated in the critic's weights.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["dragan", "one_sided", "r1", "r2", "wgan_gp"]

Critic = Callable[[Tensor], Tensor]


def _norms(critic: Critic, x: Tensor) -> Tensor:
    """The norm of the critic's gradient at each sample, over all its dimensions."""
    x = x.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return gradient.flatten(1).norm(dim=1)


def _between(real: Tensor, fake: Tensor) -> Tensor:
    share = torch.rand(real.shape[0], *(1,) * (real.dim() - 1), dtype=real.dtype, device=real.device)
    return share * real + (1 - share) * fake


def wgan_gp(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """Gradient penalty: ``E (‖∇C(x̂)‖ − 1)²``, x̂ a random point between a real and a generated sample.

    Source: Gulrajani et al. 2017, eq. 3, without its factor λ.

    >>> wgan_gp(lambda x: 3 * x[:, 0], torch.zeros(4, 2), torch.ones(4, 2))
    tensor(4.)
    """
    return ((_norms(critic, _between(real, fake)) - 1) ** 2).mean()


def one_sided(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """The penalty on slopes above one alone: ``E max(0, ‖∇C(x̂)‖ − 1)²``.

    Source: Petzka, Fischer & Lukovnikov 2018, eq. 8.

    >>> one_sided(lambda x: 0.5 * x[:, 0], torch.zeros(4, 2), torch.ones(4, 2))
    tensor(0.)
    """
    return (torch.relu(_norms(critic, _between(real, fake)) - 1) ** 2).mean()


def dragan(critic: Critic, real: Tensor, c: float = 1.0) -> Tensor:
    """The penalty around real samples: ``E (‖∇C(x + δ)‖ − 1)²``, δ normal with the variance c in every dimension.

    The authors' first code had ``δ = ½ s u`` instead, with s the standard deviation of the whole batch and u uniform in
    [0, 1) for every number.

    Source: Kodali, Abernethy, Hays & Kira 2017, eq. 1, with k = 1 and without its factor λ.

    >>> dragan(lambda x: 3 * x[:, 0], torch.zeros(4, 2))
    tensor(4.)
    """
    return ((_norms(critic, real + c**0.5 * torch.randn_like(real)) - 1) ** 2).mean()


def r1(critic: Critic, real: Tensor) -> Tensor:
    """The penalty on real samples: ``½ E ‖∇C(x)‖²``.

    Source: Mescheder, Geiger & Nowozin 2018, eq. 9, without its factor γ.

    >>> r1(lambda x: 3 * x[:, 0], torch.zeros(4, 2))
    tensor(4.5000)
    """
    return 0.5 * (_norms(critic, real) ** 2).mean()


def r2(critic: Critic, fake: Tensor) -> Tensor:
    """The penalty on generated samples: ``½ E ‖∇C(y)‖²``.

    Source: Mescheder, Geiger & Nowozin 2018, eq. 10, without its factor γ.

    >>> r2(lambda x: 3 * x[:, 0], torch.zeros(4, 2))
    tensor(4.5000)
    """
    return 0.5 * (_norms(critic, fake) ** 2).mean()
