"""Dropout as its papers write it."""

from __future__ import annotations

import math

import torch
from torch import Tensor

__all__ = [
    "ALPHA_PRIME", "alpha_dropout", "channel_alpha_dropout", "channel_dropout", "classical_dropout", "dropout",
    "gaussian_dropout", "path_dropout",
]  # fmt: skip

# SELU(x) → −λ α as x → −∞. Source: Klambauer et al. 2017, eq. 14.
ALPHA_PRIME = -1.0507009873554805 * 1.6732632423543772


def dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Inverted dropout: x m / (1 − p), where each m is 0 with probability p and 1 otherwise, independently.

    At p = 1 nothing is kept; in evaluation mode the input is returned.

    Source: Srivastava et al. 2014, section 10 (the scaling at training time).
    """
    return _inverted(x, _mask(x, p, x.dim()), p) if training else x


def classical_dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout as it was: x m in training, and (1 − p) x, the mean of that, in evaluation mode.

    Source: Srivastava et al. 2014, section 4 and figure 2.
    """
    return x * _mask(x, p, x.dim()) if training else (1.0 - p) * x


def channel_dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Dropout of whole channels: one m for all positions of a channel. Shapes: x [batch, channel, *position].

    Source: Tompson et al. 2015, section 3.2 (SpatialDropout).
    """
    return _inverted(x, _mask(x, p, 2), p) if training else x


def path_dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Stochastic depth, in its inverted form: one m for all of a row. Shapes: x [batch, *event].

    Source: Huang, Sun, Liu, Sedra & Weinberger 2016, eq. 2 (there scaled in evaluation mode).
    """
    return _inverted(x, _mask(x, p, 1), p) if training else x


def gaussian_dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Gaussian dropout: x ε with ε ~ N(1, p / (1 − p)), which has the mean and the variance of the Bernoulli one.

    Source: Srivastava et al. 2014, section 10.
    """
    return x * (1.0 + math.sqrt(p / (1.0 - p)) * torch.randn_like(x)) if training else x


def alpha_dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Alpha dropout: a (x m + α' (1 − m)) + b with the a and b that keep mean 0 and variance 1.

    Source: Klambauer et al. 2017, section "New dropout technique".
    """
    return _affine(x, _mask(x, p, x.dim()), p) if training else x


def channel_alpha_dropout(x: Tensor, p: float = 0.5, training: bool = True) -> Tensor:
    """Alpha dropout of whole channels. Shapes: x [batch, channel, *position].

    Source: Klambauer et al. 2017; Tompson et al. 2015.
    """
    return _affine(x, _mask(x, p, 2), p) if training else x


def _mask(x: Tensor, p: float, own: int) -> Tensor:
    """0 with probability p, else 1: one for each index of the first `own` axes, the same along the others."""
    shape = (*x.shape[:own], *(1 for _ in x.shape[own:]))
    return torch.bernoulli(torch.full(shape, 1.0 - p, dtype=x.dtype, device=x.device))


def _inverted(x: Tensor, mask: Tensor, p: float) -> Tensor:
    return x * mask / (1.0 - p) if p < 1.0 else x * mask


def _affine(x: Tensor, mask: Tensor, p: float) -> Tensor:
    if p == 1.0:  # a grows as (1 − p)^(−½) and a α' + b goes to zero
        return x * mask
    a = 1.0 / math.sqrt((1.0 - p) * (1.0 + p * ALPHA_PRIME**2))
    return a * (x * mask + ALPHA_PRIME * (1.0 - mask)) - a * p * ALPHA_PRIME
