"""Dequantisation: real numbers from integers, so that a density of the former bounds the probability of the latter."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["uniform_dequantization", "variational_bound"]


def uniform_dequantization(x: Tensor, levels: int = 256) -> tuple[Tensor, Tensor]:
    """Y = (x + u)/levels with u uniform on [0, 1),   logabsdet = −D log levels.

    If y has the density p, then E_u log p(y) + logabsdet ≤ log P(x), where P(x) is the mass of the cell of x.

    Shapes: ``x`` [batch, features], integers from 0 to levels − 1 as floats; y in [0, 1), logabsdet [batch].

    Source: Theis, van den Oord & Bethge 2016, section 3.1.
    """
    y = (x + torch.rand_like(x)) / levels
    return y, x.new_full((len(x),), -x.shape[-1] * math.log(levels))


def variational_bound(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Log p(x + u) − log q(u | x) for u drawn from q: on average at most log P(x), for every density q on [0, 1)^D.

    Shapes: [batch] each → [batch], in nats.

    Source: Ho et al. 2019, eq. 10.

    >>> variational_bound(torch.tensor([-3.0]), torch.tensor([0.5]))
    tensor([-3.5000])
    """
    return log_p - log_q
