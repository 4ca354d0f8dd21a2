r"""Smolyak's sparse grids: Gauss rules for several smooth coordinates without the full product.

The combination technique (Griebel, Schneider and Zenger 1992; Wasilkowski and Woźniakowski 1995, lemma 1),

    $$ A(q, d) = \sum_{q - d < |\ell| \le q} (-1)^{q - |\ell|} \binom{d - 1}{q - |\ell|}
       \bigotimes_{i=1}^d G_{2 \ell_i + 1}, \qquad \ell \ge 0, $$

is exact for polynomials of total degree 2q + 1. Weights are signed, so a sparse grid trades rounding for reach.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from torch import Tensor

from genverify.noise.enumeration import BudgetSpent, Rule, Tree
from genverify.noise.integrand import Integrand
from genverify.noise.laws import Base
from genverify.noise.moments import Moments
from genverify.noise.quadrature import gauss

__all__ = ["SparseGrid"]


def _levels(dimensions: int, total: int) -> Iterator[tuple[int, ...]]:
    """All multi-indices of that length and sum."""
    for bars in itertools.combinations(range(total + dimensions - 1), dimensions - 1):
        edges = (-1, *bars, total + dimensions - 1)
        yield tuple(edges[i + 1] - edges[i] - 1 for i in range(dimensions))


def _nodes(level: Sequence[int]) -> int:
    return math.prod(2 * one + 1 for one in level)


class SparseGrid:
    """Sparse grids of rising level over one program; every tensor grid is evaluated once."""

    def __init__(self, integrand: Integrand, dimensions: int, discrete_paths: int, shift: Tensor) -> None:
        self.integrand, self.dimensions, self.discrete_paths = integrand, dimensions, discrete_paths
        self.shift = shift
        self.decided_by_nodes: dict[str, str] = {}
        self._grids: dict[tuple[int, ...], Moments] = {}
        self._outputs: dict[tuple[float, ...], Tensor] = {}

    def _needed(self, q: int) -> list[tuple[tuple[int, ...], float]]:
        lowest = max(0, q - self.dimensions + 1)
        return [
            (level, (-1.0) ** (q - total) * math.comb(self.dimensions - 1, q - total))
            for total in range(lowest, q + 1)
            for level in _levels(self.dimensions, total)
        ]

    def cost(self, q: int) -> int:
        """An upper bound on the new evaluations of level q."""
        return self.discrete_paths * sum(_nodes(level) for level, _ in self._needed(q) if level not in self._grids)

    def run(self, q: int, budget: int) -> Moments:
        """The moments of level q.

        Raises:
            BudgetSpent: it took more evaluations than that, or the number of coordinates varies.
        """
        combined = Moments(self.shift)
        for level, coefficient in self._needed(q):
            if level not in self._grids:
                self._grids[level] = self._tensor(level, budget)
            combined.merge(self._grids[level], coefficient)
        return combined

    def _tensor(self, level: tuple[int, ...], budget: int) -> Moments:
        rule: Rule = lambda position, base: _rule(level, position, base)  # noqa: E731 - a named type for one line
        tree, moments = Tree(self.integrand, rule, budget), Moments(self.shift)
        for weight, output, branch in tree.walk():
            if len(branch.bases) != self.dimensions:
                raise BudgetSpent
            moments.add(weight, output)
        self.decided_by_nodes.update(tree.decided_by_nodes)
        return moments


def _rule(level: Sequence[int], position: int, base: Base) -> tuple[Sequence[float], Sequence[float]]:
    return gauss(base, 2 * level[position] + 1 if position < len(level) else 1)
