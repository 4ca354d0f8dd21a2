r"""Quadrature rules for the standard laws, as nodes and probability weights.

    $$ E[g(X)] \approx \sum_i w_i\, g(x_i), \qquad \sum_i w_i = 1. $$

Gauss rules (Hermite, Legendre, Laguerre) converge geometrically for analytic g. Double-exponential rules (Takahasi and
Mori 1974, eqs. 3.1 and 4.3) do so even when g has a logarithm or a root at an end of the range, as -log(-log u) has.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from genverify.errors import UsageError
from genverify.noise.laws import Base

__all__ = ["LADDER", "double_exponential", "gauss"]

LADDER: tuple[int, ...] = (4, 7, 12, 21, 36, 63, 100)
"""Nodes a coordinate, level by level: about 7/4 more each, of both parities, so that no symmetry hides an error."""


@functools.lru_cache(maxsize=256)
def gauss(base: Base, count: int) -> tuple[Sequence[float], Sequence[float]]:
    r"""The Gauss rule of a standard law: exact for polynomials of degree `2 * count - 1`.

    >>> nodes, weights = gauss("normal", 4)
    >>> abs(sum(w * x**6 for x, w in zip(nodes, weights)) - 15) < 1e-12
    True

    Raises:
        UsageError: So many nodes that float64 does not hold the weights.
    """
    import numpy as np
    from numpy.polynomial import hermite_e, laguerre, legendre

    with np.errstate(all="ignore"):
        if base == "normal":
            nodes, weights = hermite_e.hermegauss(count)
        elif base == "uniform":
            nodes, weights = legendre.leggauss(count)
            nodes = (nodes + 1) / 2
        else:
            nodes, weights = laguerre.laggauss(count)
    if not (np.isfinite(weights).all() and np.isfinite(nodes).all() and weights.sum() > 0):
        raise UsageError(
            given=f"{count} nodes for a draw that is {base}", expected="weights that float64 holds",
            do="pass fewer nodes (up to 180 for any draw)",
        )  # fmt: skip
    return tuple(nodes.tolist()), _normalised(weights.tolist())


@functools.lru_cache(maxsize=256)
def double_exponential(base: Base, count: int) -> tuple[Sequence[float], Sequence[float]]:
    r"""The trapezoid rule after a substitution whose tails fall doubly exponentially; Gauss–Hermite for the normal.

    Uniform: $u = \tfrac12(1 + \tanh(\tfrac\pi2 \sinh x))$. Exponential: $e = \exp(x - \exp(-x))$.
    """
    if base == "normal":
        return gauss(base, count)
    # Where the weights reach the rounding of float64, more reach would waste nodes.
    reach = min(math.log(math.pi * count / 2), 3.4 if base == "uniform" else 3.6)
    step = 2 * reach / (count - 1)
    nodes, weights = [], []
    for index in range(count):
        x = -reach + index * step
        if base == "uniform":
            s = math.pi / 2 * math.sinh(x)
            nodes.append(1 / (1 + math.exp(-2 * s)))
            weights.append(math.cosh(x) / math.cosh(s) ** 2)
        else:
            e = math.exp(x - math.exp(-x))
            nodes.append(e)
            weights.append(math.exp(-e) * e * (1 + math.exp(-x)))
    return tuple(nodes), _normalised(weights)


def _normalised(weights: Sequence[float]) -> tuple[float, ...]:
    total = math.fsum(weights)
    return tuple(weight / total for weight in weights)
