"""Buffers that are a multiple of themselves plus something, b ← c b + d: most of them are, and these go quickly.

Value and radius follow the same recursion as in `genverify.oracles.running_error`, arranged so that everything but
c b + d itself, and the same for the radius, is computed for all steps at once.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.oracles.recurrences_compiled import symbol
from genverify.oracles.running_error import Ball

if TYPE_CHECKING:
    import sympy

__all__ = ["linear_parts", "run_linear"]


@functools.lru_cache(maxsize=1024)
def linear_parts(skeleton: sympy.Expr, buffer: str) -> tuple[sympy.Expr | None, sympy.Expr | None] | None:
    """(c, d), None for a part that is not there; None where the expression is not of that form.

    >>> linear_parts(symbol("c") * symbol("b") + symbol("d"), "b")
    (c, d)
    >>> linear_parts(symbol("b") ** 2, "b") is None
    True
    """
    own = symbol(buffer)
    terms = skeleton.args if skeleton.is_Add else (skeleton,)
    mine = [one for one in terms if one.has(own)]
    rest = [one for one in terms if not one.has(own)]
    if len(mine) != 1 or len(rest) > 1:
        return None
    term = rest[0] if rest else None
    if mine[0] == own:
        return None, term  # type: ignore[return-value]
    others = [one for one in mine[0].args if one != own]
    if not mine[0].is_Mul or len(others) != 1 or len(mine[0].args) != 2 or others[0].has(own):
        return None
    return others[0], term  # type: ignore[return-value]


def run_linear(factor: Ball | None, term: Ball | None, start: Ball, length: int, present: Tensor | None) -> Ball:
    """The buffer after each step; where it is not `present` it stays.

    Shapes: `start` [n], `factor` and `term` [T, n] or what broadcasts to it, `present` [T, n], the result [T, n].
    """
    shape = (length, *start.value.shape)
    zero = torch.zeros(shape, dtype=torch.float64)
    c = zero + 1.0 if factor is None else factor.value.expand(shape)
    d, d_radius = (zero, zero) if term is None else (term.value.expand(shape), term.radius.expand(shape))
    if present is not None:
        c, d = torch.where(present, c, 1.0), torch.where(present, d, 0.0)
    values = _scanned(start.value, c, d)
    old = torch.cat([start.value[None], values[:-1]])
    product = c * old
    growth, change, subnormal = torch.ones(shape, dtype=torch.float64), zero, zero
    rho = start.rho
    charged = torch.ones(shape, dtype=torch.bool)
    if factor is not None:
        rho, vanishes = max(rho, factor.rho), factor.vanishes().expand(shape)
        c_radius = factor.radius.expand(shape)
        growth = torch.where(vanishes, 0.0, c.abs() + c_radius)
        change = torch.where(vanishes, 0.0, old.abs() * c_radius + rho * product.abs())
        subnormal = torch.where(vanishes, 0.0, zero + max(start.eta, factor.eta))
        charged = ~vanishes | (d != 0) | (d_radius > 0)
    if term is not None:
        rho = max(rho, term.rho)
        change = change + d_radius + rho * (product.abs() + d.abs())
    # Code that writes m + (1 - β)(g - m) rounds in proportion to the old m as well; what is chosen is exact.
    change = change + torch.where(charged, rho * old.abs(), 0.0)
    if present is not None:
        growth, change = torch.where(present, growth, 1.0), torch.where(present, change, 0.0)
        subnormal = torch.where(present, subnormal, 0.0)
    return start.like(values, _scanned(start.radius, growth, change, subnormal, old))


def _scanned(
    start: Tensor, factors: Tensor, terms: Tensor, subnormal: Tensor | None = None, old: Tensor | None = None
) -> Tensor:
    """x_k = c_k x_{k-1} + d_k, and subnormal_k where x or `old` is not exactly zero.

    By NumPy, which is quicker than torch where arrays are small.
    """
    import numpy as np

    c, d, now = factors.contiguous().numpy(), terms.contiguous().numpy(), start.numpy()
    found = np.empty(c.shape)
    with np.errstate(all="ignore"):
        if subnormal is None or old is None:
            for k in range(len(c)):
                now = found[k] = c[k] * now + d[k]
        else:
            eta, away = subnormal.contiguous().numpy(), (old != 0).numpy()
            for k in range(len(c)):
                now = found[k] = c[k] * now + d[k] + np.where((now != 0) | away[k], eta[k], 0.0)
    return torch.from_numpy(found)
