"""Dropout as its papers write it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = ["ALPHA_PRIME", "alpha_dropout", "dropout"]

# SELU(x) → −λ α as x → −∞. Source: Klambauer et al. 2017, eq. 14.
ALPHA_PRIME = -1.0507009873554805 * 1.6732632423543772


def dropout(x: Tensor, p: float = 0.5) -> Tensor:
    """Inverted dropout: x m / (1 − p), where each m is 0 with probability p and 1 otherwise, independently.

    Source: Srivastava et al. 2014, section 10 (the scaling at training time).
    """
    mask = torch.bernoulli(torch.full_like(x, 1.0 - p))
    return x * mask / (1.0 - p)


def alpha_dropout(x: Tensor, p: float = 0.5) -> Tensor:
    """Alpha dropout: a (x m + α' (1 − m)) + b with the a and b that keep mean 0 and variance 1.

    Source: Klambauer et al. 2017, section "New dropout technique".
    """
    mask = torch.bernoulli(torch.full_like(x, 1.0 - p))
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * ALPHA_PRIME**2))
    return a * (x * mask + ALPHA_PRIME * (1.0 - mask)) - a * p * ALPHA_PRIME
