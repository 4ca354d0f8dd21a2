"""Grids of rising level over a program whose draws are always the same in number and kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from genverify.noise.axis import Table, products
from genverify.noise.evaluator import Evaluator
from genverify.noise.laws import Base
from genverify.noise.moments import Moments
from genverify.noise.sparse_grid import HIGHEST_SPARSE, Point, sparse_grid

__all__ = ["Family", "product_moments", "sparse_levels"]

Family = Callable[[Base, int], tuple[Sequence[float], Sequence[float]]]
_POINTS = 60_000  # of a sparse grid, whose weights are summed one by one
_KEPT = 1 << 24  # numbers of outputs that are kept from level to level


def product_moments(evaluator: Evaluator, shift: Tensor | None, family: Family | None, nodes: int) -> Moments:
    """The product of one rule for each continuous coordinate and of all outcomes of the others."""
    rules = [None if axis.base is None or family is None else family(axis.base, nodes) for axis in evaluator.axes]
    moments = Moments(shift)
    for weights, table in products(evaluator.axes, rules, evaluator.size):
        evaluator.add(moments, weights, table)
    return moments


def sparse_levels(evaluator: Evaluator, shift: Tensor | None, paths: int, share: float) -> Iterator[Moments]:
    """Sparse grids of rising level, within that share of the evaluations; what a level evaluated is kept.

    Raises:
        Varies: What is drawn depends on earlier draws.
    """
    bases = tuple(axis.base for axis in evaluator.axes if axis.base is not None)
    known: dict[Point, int] = {}
    masses, outputs = torch.empty(0, dtype=torch.float64), torch.empty(0, 0, dtype=torch.float64)
    evaluator.worth(_POINTS)
    for level in range(1, HIGHEST_SPARSE + 1):
        grid = sparse_grid(bases, level, _POINTS)
        if grid is None:
            return
        new = [point for point in grid if point not in known]
        numbers = (len(known) + len(new)) * paths * max(1, evaluator.integrand.eps.numel())
        if len(new) * paths > evaluator.left(share) or numbers > _KEPT:
            return
        if new:
            mass, found = _at(evaluator, torch.tensor(new, dtype=torch.float64))
            masses, outputs = (mass, found) if not known else (torch.cat([masses, mass]), torch.cat([outputs, found]))
            known.update({point: len(known) + place for place, point in enumerate(new)})
        weights = torch.zeros(len(known), dtype=torch.float64)
        weights[[known[point] for point in grid]] = torch.tensor(list(grid.values()), dtype=torch.float64)
        moments = Moments(shift)
        moments.add_rows(weights.repeat_interleave(len(masses) // len(known)) * masses, outputs)
        yield moments


def _at(evaluator: Evaluator, points: Tensor) -> tuple[Tensor, Tensor]:
    """Weights and outputs at each point of the continuous coordinates, for all outcomes of the others."""
    discrete = [place for place, axis in enumerate(evaluator.axes) if axis.base is None]
    continuous = [place for place, axis in enumerate(evaluator.axes) if axis.base is not None]
    tables = list(products([evaluator.axes[place] for place in discrete], [None] * len(discrete), _POINTS))
    outcomes = torch.cat([table.columns for _, table in tables])
    columns = torch.empty(len(points), len(outcomes), len(evaluator.axes), dtype=torch.float64)
    columns[..., discrete] = outcomes
    columns[..., continuous] = points.unsqueeze(1)
    masses, outputs = [], []
    for part in columns.reshape(-1, len(evaluator.axes)).split(evaluator.size):
        mass, found = evaluator(Table(axes=evaluator.axes, columns=part))
        masses.append(mass)
        outputs.append(found)
    return torch.cat(masses), torch.cat(outputs)
