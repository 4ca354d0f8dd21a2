r"""Nested quadrature rules: each keeps the nodes of the one before, so that nothing is evaluated twice.

Given n nodes, the m nodes added are the zeros of the monic polynomial E of degree m for which

    $$ \int \prod_{i \le n} (x - x_i)\, E(x)\, x^k\, w(x)\, dx = 0, \qquad k < m, $$

and the rule on all n + m nodes is exact up to degree n + 2m - 1 at least, one more where all is symmetric. From one
node, 2, 6, 10 and 16 more are real for the normal law (Genz & Keister 1996, section 3), and 2, 4, 8 and 16 for the
uniform one (Patterson 1968). The exponential law has no such extension: its rules are Gauss's own.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, TypeAlias

from genverify.noise.laws import Base
from genverify.noise.quadrature import gauss

__all__ = ["HIGHEST", "nested"]

Number: TypeAlias = Any  # of mpmath, which is imported where it is used
_ADDED: dict[Base, tuple[int, ...]] = {"normal": (2, 6, 10, 16), "uniform": (2, 4, 8, 16)}
_DIGITS = 60
HIGHEST = 25
"""The largest level of a nested rule."""


def _degree(nodes: int, added: int) -> int:
    found = nodes + 2 * added - 1
    return found + 1 - found % 2


@functools.lru_cache(maxsize=256)
def nested(base: Base, level: int) -> tuple[Sequence[float], Sequence[float]]:
    """The smallest nested rule of a law that is exact up to degree 2 level + 1: nodes, and weights that sum to one.

    >>> [len(nested("normal", level)[0]) for level in range(5)]
    [1, 3, 3, 9, 9]
    """
    if base == "exponential":
        return gauss(base, level + 1)
    count, degree = 1, 1
    for stage, added in enumerate((0, *_ADDED[base])):
        degree, count = (1, 1) if not added else (_degree(count, added), count + added)
        if degree >= 2 * level + 1:
            found = _stage(base, stage)
            return _as_floats(*found) if base == "uniform" else _floats(*found)
    return gauss(base, level + 1)


@functools.lru_cache(maxsize=32)
def _stage(base: Base, stage: int) -> tuple[list[Number], list[Number]]:
    import mpmath as mp

    if stage == 0:
        return [mp.mpf(0)], [mp.mpf(1)]
    return _extended(base, _stage(base, stage - 1)[0], _ADDED[base][stage - 1])


def _floats(nodes: Sequence[Number], weights: Sequence[Number]) -> tuple[Sequence[float], Sequence[float]]:
    return tuple(float(x) for x in nodes), tuple(float(w) for w in weights)


def _as_floats(nodes: Sequence[Number], weights: Sequence[Number]) -> tuple[Sequence[float], Sequence[float]]:
    """From (-1, 1) to (0, 1)."""
    return _floats([(x + 1) / 2 for x in nodes], weights)


def _moment(base: Base, power: int) -> Number:
    import mpmath as mp

    if power % 2:
        return mp.mpf(0)
    return mp.fac2(power - 1) if base == "normal" else mp.mpf(1) / (power + 1)


def _zeros(coefficients: Sequence[Number]) -> list[Number]:
    """Real zeros of a polynomial, highest power first; symmetric ones exactly so."""
    import mpmath as mp

    found = mp.polyroots(list(coefficients), maxsteps=500, extraprec=4 * _DIGITS)
    real = sorted(mp.re(z) for z in found)
    return [(x - y) / 2 for x, y in zip(real, reversed(real), strict=True)]


def _extended(base: Base, nodes: Sequence[Number], added: int) -> tuple[list[Number], list[Number]]:
    """All nodes, sorted, and their weights, after that many were added."""
    import mpmath as mp

    with mp.workdps(_DIGITS):
        if added:
            product = [mp.mpf(1)]  # of (x - x_i), lowest power first
            for x in nodes:
                product = [
                    (product[i - 1] if i else 0) - x * (product[i] if i < len(product) else 0)
                    for i in range(len(product) + 1)
                ]

            def against(power: int) -> Number:
                return mp.fsum(c * _moment(base, power + i) for i, c in enumerate(product))

            matrix = mp.matrix(added, added)
            right = mp.matrix(added, 1)
            for k in range(added):
                right[k] = -against(added + k)
                for j in range(added):
                    matrix[k, j] = against(j + k)
            solved = mp.lu_solve(matrix, right)
            coefficients = [
                mp.mpf(1),
                *(solved[j] if (added - j) % 2 == 0 else mp.mpf(0) for j in reversed(range(added))),
            ]
            nodes = sorted([*nodes, *_zeros(coefficients)])
        return _weighed(base, nodes)


def _weighed(base: Base, nodes: Sequence[Number]) -> tuple[list[Number], list[Number]]:
    """The interpolatory weights: integrals of Lagrange's polynomials, by the even moments."""
    import mpmath as mp

    with mp.workdps(_DIGITS):
        vandermonde = mp.matrix(len(nodes), len(nodes))
        for k in range(len(nodes)):
            for i, x in enumerate(nodes):
                vandermonde[k, i] = x**k
        moments = mp.matrix([_moment(base, k) for k in range(len(nodes))])
        return list(nodes), list(mp.lu_solve(vandermonde, moments))
