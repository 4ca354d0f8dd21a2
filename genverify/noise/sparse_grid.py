r"""Smolyak's sparse grids: quadrature over several smooth coordinates without the full product.

The combination technique (Griebel, Schneider and Zenger 1992; Wasilkowski and Woźniakowski 1995, lemma 1),

    $$ A(q, d) = \sum_{q - d < |\ell| \le q} (-1)^{q - |\ell|} \binom{d - 1}{q - |\ell|}
       \bigotimes_{i=1}^d Q_{\ell_i}, \qquad \ell \ge 0, $$

is exact for polynomials of total degree 2q + 1 where each $Q_\ell$ is exact up to degree 2ℓ + 1. With nested rules the
points of one level are among those of the next (six normal coordinates: 13, 73, 269, 869, 2501 and 5985 points for
q = 1 to 6). Weights are signed, so a sparse grid trades rounding for reach.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator

from genverify.noise.laws import Base
from genverify.noise.nested_rules import HIGHEST, nested

__all__ = ["HIGHEST_SPARSE", "sparse_grid"]

HIGHEST_SPARSE = HIGHEST - 2  # the uniform law's nested rules end there
Point = tuple[float, ...]


def _levels(dimensions: int, total: int) -> Iterator[tuple[int, ...]]:
    """All multi-indices of that length and sum."""
    for bars in itertools.combinations(range(total + dimensions - 1), dimensions - 1):
        edges = (-1, *bars, total + dimensions - 1)
        yield tuple(edges[i + 1] - edges[i] - 1 for i in range(dimensions))


@functools.lru_cache(maxsize=32)
def sparse_grid(bases: tuple[Base, ...], q: int, limit: int) -> dict[Point, float] | None:
    """Points of level q with their weights, None when there are more than `limit`.

    >>> len(sparse_grid(("normal",) * 6, 3, 1_000))
    269
    """
    found: dict[Point, float] = {}
    dimensions = len(bases)
    combined: dict[tuple[int, ...], float] = {}
    # Neighbouring levels share a rule, so most terms of the sum cancel: gather them by the sizes of their rules.
    for total in range(max(0, q - dimensions + 1), q + 1):
        sign = (-1.0) ** (q - total) * math.comb(dimensions - 1, q - total)
        for level in _levels(dimensions, total):
            key = tuple(_representative(base, one) for base, one in zip(bases, level, strict=True))
            combined[key] = combined.get(key, 0.0) + sign
    for level, sign in combined.items():
        if sign == 0:
            continue
        rules = [nested(base, one) for base, one in zip(bases, level, strict=True)]
        if math.prod(len(nodes) for nodes, _ in rules) > limit:
            return None
        for place in itertools.product(*(range(len(nodes)) for nodes, _ in rules)):
            point = tuple(rules[i][0][k] for i, k in enumerate(place))
            found[point] = found.get(point, 0.0) + sign * math.prod(rules[i][1][k] for i, k in enumerate(place))
        if len(found) > limit:
            return None
    return found


def _representative(base: Base, level: int) -> int:
    """The lowest level with the same rule."""
    count = len(nested(base, level)[0])
    while level and len(nested(base, level - 1)[0]) == count:
        level -= 1
    return level
