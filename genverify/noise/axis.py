"""One coordinate of a program: which law it has, or which outcomes; and many of them, as tables of evaluations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from genverify.noise.laws import Base

__all__ = ["Axis", "Table", "products", "standard"]


@dataclass(frozen=True)
class Axis:
    """One coordinate of a program: a base law, or the outcomes that a choice may have."""

    base: Base | None = None
    outcomes: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Coordinates of many evaluations: `columns` [rows, axes] in float64.

    A continuous column holds standard values of its law. A discrete one holds outcomes, whose probabilities then weigh
    the row; or, with `choices="uniform"`, a uniform number by which an outcome is drawn.
    """

    axes: Sequence[Axis]
    columns: Tensor
    choices: Literal["outcome", "uniform"] = "outcome"


def standard(base: Base, u: Tensor) -> Tensor:
    """Standard values of a law from uniform numbers inside (0, 1)."""
    if base == "normal":
        return torch.special.ndtri(u)
    return u if base == "uniform" else -torch.log1p(-u)


def products(
    axes: Sequence[Axis], rules: Sequence[tuple[Sequence[float], Sequence[float]] | None], rows: int
) -> Iterator[tuple[Tensor, Table]]:
    """The product of a rule for each continuous axis and of all outcomes of each discrete one, in tables of that size.

    Yields:
        (weights [rows] of the continuous coordinates, table).
    """
    points = [
        torch.tensor(rule[0] if rule is not None else [float(k) for k in axis.outcomes], dtype=torch.float64)
        for axis, rule in zip(axes, rules, strict=True)
    ]
    weights = [None if rule is None else torch.tensor(rule[1], dtype=torch.float64) for rule in rules]
    sizes = [len(one) for one in points]
    strides = [math.prod(sizes[place + 1 :]) for place in range(len(sizes))]
    total = math.prod(sizes)
    for begin in range(0, total, rows):
        index = torch.arange(begin, min(begin + rows, total))
        columns = torch.empty(len(index), len(axes), dtype=torch.float64)
        weight = torch.ones(len(index), dtype=torch.float64)
        for place, (one, stride) in enumerate(zip(points, strides, strict=True)):
            digit = (index // stride) % len(one)
            columns[:, place] = one[digit]
            mass = weights[place]
            if mass is not None:
                weight = weight * mass[digit]
        yield weight, Table(axes=axes, columns=columns)
