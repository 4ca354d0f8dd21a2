"""Steps of adversarial training, written out: one network moves, the other stays.

Shapes: real samples [batch, …], noise [batch, …]; D gives logits (or scores), one number a sample. Each step returns
its loss as a number.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import softplus
from torch.optim import Optimizer

from .penalties import wgan_gp

__all__ = ["critic_step_clipped", "critic_step_penalised", "discriminator_step", "generator_step", "unrolled_step"]


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


def unrolled_step(
    G: nn.Module, D: nn.Module, real: Tensor, z: Tensor, optimizer_G: Optimizer, unroll_steps: int = 5, lr: float = 0.1
) -> float:
    """G moves down −E log D_K(G(z)), where D_K is D after K steps down its own loss; D stays.

        θ_0 = θ,   θ_(k+1) = θ_k − η ∇_θ L_D(θ_k, φ),   φ ← φ − η_G d/dφ L_G(θ_K(φ), φ)

    The derivative goes through the steps: G knows how D will answer it. Without that it is `generator_step` at another
    discriminator. D's own step is made apart, as ever.

    Source: Metz, Poole, Pfau & Sohl-Dickstein 2017, eq. 3 to 7; with the loss of Goodfellow et al. 2014, section 3.

    >>> D, G = nn.Linear(2, 1), nn.Linear(3, 2)
    >>> unrolled_step(G, D, torch.ones(4, 2), torch.ones(4, 3), torch.optim.SGD(G.parameters(), lr=0.1)) > 0
    True
    """
    fake = G(z)
    theta: dict[str, Tensor] = dict(D.named_parameters())
    for _ in range(unroll_steps):
        loss_D = (
            softplus(-functional_call(D, theta, (real,))).mean() + softplus(functional_call(D, theta, (fake,))).mean()
        )
        slopes = torch.autograd.grad(loss_D, list(theta.values()), create_graph=True)
        theta = {name: p - lr * slope for (name, p), slope in zip(theta.items(), slopes, strict=True)}
    loss = softplus(-functional_call(D, theta, (fake,))).mean()
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
