"""Dequantisation: integers with noise as real numbers, and the bound that the noise gives."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["uniform", "variational"]

Terms = tuple[Tensor, ...]


def uniform(
    x: Tensor, u: Tensor, levels: float, *, scaled: bool = True, unit: bool = False, slip: str = ""
) -> tuple[Terms, Terms]:
    """(x + u)/levels, and −log levels for each number; `unit`, x is in [0, 1] and first multiplied by levels − 1.

    Shapes: [..., event] twice → terms of both, elementwise.

    Source: Theis, van den Oord & Bethge 2016, section 3.1; Uria, Murray & Larochelle 2013, section 6.
    """
    whole = (levels - 1) * x if unit else x
    by = 1.0 if not scaled else levels - 1 if slip == "levels less one" else levels
    noise = {"centred": u - 0.5, "twice": levels * u, "none": 0.0 * u, "both signs": 2 * u - 1}.get(slip, u)
    log = torch.full_like(x, -torch.log(torch.tensor(by, dtype=torch.float64)).item())
    return (whole / by, noise / by), (log,)


def variational(log_p: Tensor, log_q: Tensor, *, sign: float = -1.0, loss: bool = False) -> Terms:
    """Log p(x + u) − log q(u | x), u ~ q: on average a lower bound of log P(x).

    Source: Ho et al. 2019, eq. 10.
    """
    factor = -1.0 if loss else 1.0
    return factor * log_p, factor * sign * log_q
