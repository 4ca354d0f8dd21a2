"""Log-densities of flows as sums of their terms: of the noise, of each flow, of each scale."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["after_flows", "composition", "log_prob", "multiscale", "standard_normal"]

Terms = tuple[Tensor, ...]


def standard_normal(z: Tensor, *, constant: bool = True, half: bool = True) -> Terms:
    """The terms of log N(z | 0, I): −½ z_i² and −½ log 2π for each number.

    Shapes: [..., event] → 2 · event terms [...].

    >>> float(sum(standard_normal(torch.zeros(1))))
    -0.918938...
    """
    squares = ((-0.5 if half else -1.0) * z**2).unbind(-1)
    level = -0.5 * math.log(2.0 * math.pi) if constant else 0.0
    return (*squares, torch.full_like(squares[0], level * z.shape[-1]))


def log_prob(
    z: Tensor, logabsdet: Tensor, *, constant: bool = True, half: bool = True, sign: float = 1.0, bits: bool = False,
    loss: bool = False,
) -> Terms:  # fmt: skip
    """Log N(z | 0, I) + log|det ∂z/∂x|, a term each; `loss` its negative, `bits` that per dimension in bits.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, eq. 3.
    """
    scale = (-1.0 if loss else 1.0) / (z.shape[-1] * math.log(2.0) if bits else 1.0)
    return tuple(scale * one for one in (*standard_normal(z, constant=constant, half=half), sign * logabsdet))


def composition(logabsdets: Sequence[Tensor], *, only: str = "") -> Terms:
    """The logabsdets of all flows, at the inputs of each; `only` the last or the first."""
    return {"last": tuple(logabsdets[-1:]), "first": tuple(logabsdets[:1])}.get(only, tuple(logabsdets))


def after_flows(
    start: Terms, logabsdets: Sequence[Tensor], *, sign: float = -1.0, only: str = "", coupled: bool = False
) -> Terms:
    """Log q₀(z₀) − Σ_k log|det ∂f_k/∂z_(k−1)|; `coupled` sums the logabsdets over the batch, too.

    Source: Rezende & Mohamed 2015, eq. 7.
    """
    parts = composition(logabsdets, only=only)
    if coupled:
        parts = tuple(row for part in parts for row in part.reshape(-1).unbind(0))
    return (*start, *(sign * part for part in parts))


def multiscale(parts: Sequence[Tensor], logabsdet: Tensor, *, only: str = "", sign: float = 1.0) -> Terms:
    """The density of every part that is factored out, and the logabsdet.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, eqs. 14–16.
    """
    chosen = {"last": parts[-1:], "first": parts[:1]}.get(only, parts)
    return (*(term for part in chosen for term in standard_normal(part)), sign * logabsdet)
