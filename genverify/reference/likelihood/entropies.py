"""Entropies of the Bernoulli and the Laplace distribution, and the distribution function of the latter."""

from __future__ import annotations

import math

import torch
from torch.nn import functional

__all__ = ["bernoulli", "laplace", "laplace_cdf"]


def bernoulli(logit: torch.Tensor) -> torch.Tensor:
    """``−σ(l) log σ(l) − σ(−l) log σ(−l)``, in nats, summed over the last axis.

    Source: Cover & Thomas 2006, eq. 2.5.

    >>> bernoulli(torch.tensor([0.0]))
    tensor(0.6931)
    """
    on, off = functional.logsigmoid(logit), functional.logsigmoid(-logit)
    return -(torch.sigmoid(logit) * on + torch.sigmoid(-logit) * off).sum(-1)


def laplace(scale: torch.Tensor) -> torch.Tensor:
    """``1 + log 2b``, in nats, summed over the last axis.

    Source: Cover & Thomas 2006, table 17.1.

    >>> laplace(torch.tensor([0.5]))
    tensor(1.)
    """
    return (1 + math.log(2) + torch.log(scale)).sum(-1)


def laplace_cdf(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """``½ e^(−|z|)`` below the mean and ``1 − ½ e^(−|z|)`` above it, ``z = (x − μ)/b``.

    Shapes: broadcast.

    Source: Johnson, Kotz & Balakrishnan 1995, chapter 24.

    >>> laplace_cdf(torch.tensor(0.0), torch.tensor(0.0), torch.tensor(1.0))
    tensor(0.5000)
    """
    z = (x - mean) / scale
    tail = 0.5 * torch.exp(-z.abs())
    return torch.where(z < 0, tail, 1 - tail)
