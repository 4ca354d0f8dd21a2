"""Losses of VAEs beside the bound: with a weight on the divergence, with a condition; and the product of experts."""

from __future__ import annotations

import torch
from torch.nn import functional

__all__ = ["beta_loss", "conditional_loss", "product_of_experts"]


def _reconstruction(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


def beta_loss(
    x: torch.Tensor, logits: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor, beta: float = 1.0
) -> torch.Tensor:
    """``−log p(x | z) + β KL``, the mean over the batch; the sign is +, and β = 1 gives the negative bound.

    Shapes: ``x``, ``logits`` [batch, pixels]; ``mu``, ``logvar`` [batch, latents]; a scalar, in nats.

    Source: Higgins et al. 2017, eq. 4.

    >>> zero = torch.zeros(1, 1)
    >>> beta_loss(zero, zero, zero + 1, zero, beta=4.0)
    tensor(2.6931)
    """
    divergence = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(-1)
    return (_reconstruction(logits, x) + beta * divergence).mean()


def conditional_loss(
    x: torch.Tensor, logits: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor, prior_mu: torch.Tensor,
    prior_logvar: torch.Tensor,
) -> torch.Tensor:  # fmt: skip
    """``−log p(x | z, c) + KL(q(z | x, c) ‖ p(z | c))``, the mean over the batch: the prior sees the condition, too.

    Shapes: ``x``, ``logits`` [batch, pixels]; the others [batch, latents]; a scalar, in nats.

    Source: Sohn, Lee & Yan 2015, eq. 4.

    >>> zero = torch.zeros(1, 1)
    >>> conditional_loss(zero, zero, zero, zero, zero, zero)
    tensor(0.6931)
    """
    square = (mu - prior_mu) ** 2 / prior_logvar.exp()
    divergence = 0.5 * (square + (logvar - prior_logvar).exp() - 1 - logvar + prior_logvar).sum(-1)
    return (_reconstruction(logits, x) + divergence).mean()


def product_of_experts(mu: torch.Tensor, logvar: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The normal density that is proportional to the product of those of the experts: precisions add up.

    Shapes: both [experts, batch, latents]; mean and log-variance [batch, latents].

    Source: Cao & Fleet 2014, eq. 6; Wu & Goodman 2018, section 2.1.

    >>> product_of_experts(torch.tensor([[[0.0]], [[2.0]]]), torch.zeros(2, 1, 1))
    (tensor([[1.]]), tensor([[-0.6931]]))
    """
    share = torch.softmax(-logvar, 0)
    return (share * mu).sum(0), -torch.logsumexp(-logvar, 0)
