"""Steps of adversarial training, written out: one network moves, the other stays.

Shapes: real samples [batch, …], noise [batch, …]; D gives logits (or scores), one number a sample. Each step returns
its loss as a number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.optim import Optimizer

from .penalties import wgan_gp

__all__ = ["critic_step_clipped", "critic_step_penalised", "discriminator_step", "generator_step"]


def discriminator_step(D: nn.Module, G: nn.Module, real: Tensor, z: Tensor, optimizer_D: Optimizer) -> float:
    """D moves down −E log D(x) − E log(1 − D(G(z))).

    Source: Goodfellow et al. 2014, algorithm 1.

    >>> D, G = nn.Linear(2, 1), nn.Linear(3, 2)
    >>> loss = discriminator_step(D, G, torch.ones(4, 2), torch.ones(4, 3), torch.optim.SGD(D.parameters(), lr=0.1))
    >>> loss > 0, G.weight.grad is None
    (True, True)
    """
    with torch.no_grad():
        fake = G(z)
    loss = softplus(-D(real)).mean() + softplus(D(fake)).mean()
    optimizer_D.zero_grad()
    loss.backward()
    optimizer_D.step()
    return loss.item()


def generator_step(G: nn.Module, D: nn.Module, z: Tensor, optimizer_G: Optimizer) -> float:
    """G moves down −E log D(G(z)), through D, which stays.

    D's parameters get a gradient by the way, too, which D's own step clears before it starts.

    Source: Goodfellow et al. 2014, section 3.

    >>> D, G = nn.Linear(2, 1), nn.Linear(3, 2)
    >>> generator_step(G, D, torch.ones(4, 3), torch.optim.SGD(G.parameters(), lr=0.1)) > 0
    True
    """
    loss = softplus(-D(G(z))).mean()
    optimizer_G.zero_grad()
    loss.backward()
    optimizer_G.step()
    return loss.item()


def critic_step_clipped(
    D: nn.Module, G: nn.Module, real: Tensor, z: Tensor, optimizer_D: Optimizer, c: float = 0.01
) -> float:
    """The critic moves up E C(x) − E C(G(z)); then every weight is clipped to [−c, c].

    Source: Arjovsky et al. 2017, algorithm 1.

    >>> D, G = nn.Linear(2, 1), nn.Linear(3, 2)
    >>> critic = torch.optim.SGD(D.parameters(), lr=0.1)
    >>> _ = critic_step_clipped(D, G, torch.ones(4, 2), torch.ones(4, 3), critic, c=0.5)
    >>> bool(D.weight.abs().max() <= 0.5)
    True
    """
    with torch.no_grad():
        fake = G(z)
    loss = D(fake).mean() - D(real).mean()
    optimizer_D.zero_grad()
    loss.backward()
    optimizer_D.step()
    with torch.no_grad():
        for weight in D.parameters():
            weight.clamp_(-c, c)
    return loss.item()


def critic_step_penalised(
    D: nn.Module, G: nn.Module, real: Tensor, z: Tensor, optimizer_D: Optimizer, lambda_gp: float = 10.0
) -> float:
    """The critic moves up E C(x) − E C(G(z)) − λ E (‖∇C(x̂)‖ − 1)².

    Source: Gulrajani et al. 2017, algorithm 1.

    >>> D, G = nn.Linear(2, 1), nn.Linear(3, 2)
    >>> critic = torch.optim.SGD(D.parameters(), lr=0.1)
    >>> critic_step_penalised(D, G, torch.ones(4, 2), torch.ones(4, 3), critic) != 0
    True
    """
    with torch.no_grad():
        fake = G(z)
    loss = D(fake).mean() - D(real).mean() + lambda_gp * wgan_gp(D, real, fake)
    optimizer_D.zero_grad()
    loss.backward()
    optimizer_D.step()
    return loss.item()
