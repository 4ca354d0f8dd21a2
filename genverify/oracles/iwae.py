"""Estimates of log p(x) from weights of draws, and of its gradient, in additive terms."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["bits_per_dimension", "log_mean", "weighted_sum"]

Terms = tuple[Tensor, ...]


def log_mean(log_weights: Tensor, *, kind: str = "", sign: float = 1.0) -> Terms:
    """The logarithm of a mean: log (1/K) Σ_k w_k over the last axis, by log-weights.

    `kind` is "" for that, "sum" for log Σ w, "mean of logs" for (1/K) Σ log w, and "plain" for (1/K) Σ w itself.

    Shapes: [..., draws]; each of the terms [...].

    Source: Burda, Grosse & Salakhutdinov 2016, eq. 8.

    >>> sum(log_mean(torch.zeros(4)))
    tensor(0.)
    """
    count = log_weights.shape[-1]
    if kind == "plain":
        value = torch.exp(torch.logsumexp(log_weights, -1)) / count
        return (sign * value,)
    if kind == "mean of logs":
        return tuple(sign * part / count for part in log_weights.unbind(-1))
    total = torch.logsumexp(log_weights, -1)
    # Code takes the largest weight out, and adds numbers of the size of one before the logarithm.
    one = torch.ones_like(total)
    terms = (total, one, -one) if kind == "sum" else (total, torch.full_like(total, -math.log(count)), one, -one)
    return tuple(sign * term for term in terms)


def weighted_sum(
    log_weights: Tensor, *, frozen: bool = False, squared: bool = False, unnormalised: bool = False, sign: float = 1.0
) -> Terms:
    """Σ_k w̃_k log w_k, w̃ the weights normalised to sum to one; `frozen` takes no gradient through them.

    Its gradient with frozen weights is that of the bound: Σ w̃_k ∇ log w_k. `squared` has w̃² for w̃, which is the doubly
    reparameterised gradient for the inference network.

    Shapes: [..., draws]; each of the terms, too, to be summed over the draws.

    Source: Burda, Grosse & Salakhutdinov 2016, eq. 14; Tucker et al. 2019, eq. 8, for the squares.

    >>> sum(weighted_sum(torch.zeros(2))).sum()
    tensor(0.)
    """
    share = torch.exp(log_weights) if unnormalised else torch.softmax(log_weights, -1)
    share = share**2 if squared else share
    share = share.detach() if frozen else share
    return (sign * share * log_weights,)


def bits_per_dimension(log_density: Tensor, dimensions: float, offset: float, unit: float = math.log(2.0)) -> Terms:
    """Bits per dimension: −(log p(x) − D o)/(D log 2).

    `offset` o is the logarithm of how many of the data's units make one of the density's.

    Shapes: `log_density` [...]; each of the terms, too; bits (in nats with `unit` 1).

    Source: Theis, van den Oord & Bethge 2016, section 3.1; Papamakarios et al. 2017, appendix D.

    >>> sum(bits_per_dimension(torch.tensor(0.0), 3.0, math.log(256.0)))
    tensor(8.)
    """
    return -log_density / (dimensions * unit), torch.full_like(log_density, offset / unit)
