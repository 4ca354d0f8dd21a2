"""Log-densities that flows make, from what flows return: the noise and the log-determinants."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

__all__ = ["log_prob", "log_prob_after_flows", "multiscale_log_prob", "standard_normal", "total_logabsdet"]


def standard_normal(z: Tensor) -> Tensor:
    """Log N(z | 0, I) = −½ ‖z‖² − ½ D log 2π.

    Shapes: ``z`` [batch, features] → [batch], in nats.

    Source: Bishop 2006, eq. 2.43.
    """
    return -0.5 * (z**2 + math.log(2.0 * math.pi)).sum(-1)


def log_prob(z: Tensor, logabsdet: Tensor) -> Tensor:
    """Log p(x) = log N(z | 0, I) + log|det ∂z/∂x|, where z is the noise to which the flow maps x.

    Shapes: ``z`` [batch, features], ``logabsdet`` [batch] → [batch], in nats.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, eqs. 2 and 3.

    >>> import torch
    >>> log_prob(torch.zeros(1, 2), torch.ones(1))
    tensor([-0.8379])
    """
    return standard_normal(z) + logabsdet


def total_logabsdet(logabsdets: Sequence[Tensor]) -> Tensor:
    """log|det ∂f/∂x| of f = f_K ∘ … ∘ f_1: the sum over all K, each at its own input.

    Shapes: K tensors [batch] → [batch].

    Source: Rezende & Mohamed 2015, eq. 7.
    """
    total = logabsdets[0]
    for one in logabsdets[1:]:
        total = total + one
    return total


def log_prob_after_flows(log_q0: Tensor, logabsdets: Sequence[Tensor]) -> Tensor:
    """Log q_K(z_K) = log q_0(z_0) − Σ_k log|det ∂f_k/∂z_(k−1)|, where z_K = f_K(… f_1(z_0)).

    Shapes: ``log_q0`` [batch]; K tensors [batch] → [batch], in nats.

    Source: Rezende & Mohamed 2015, eq. 7.
    """
    return log_q0 - total_logabsdet(logabsdets)


def multiscale_log_prob(parts: Sequence[Tensor], logabsdet: Tensor) -> Tensor:
    """Log p(x) = Σ_l log N(z_l | 0, I) + logabsdet: every part that is factored out counts.

    Shapes: tensors [batch, features_l]; ``logabsdet`` [batch] → [batch], in nats.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.6.
    """
    total = logabsdet
    for part in parts:
        total = total + standard_normal(part)
    return total
