"""Sums over whole parameters, rows and columns, for recurrences in which the entries of a parameter meet.

A layout says which of the n flat entries are which parameter's. Every reduction gives back one number for each entry,
that of the parameter, row or column it stands in, so that the lines of a recurrence stay elementwise beside it:

    total(x)  Σ x over the parameter             mean(x)  the same, divided by the number of entries
    row_mean(x)  mean along the last dimension   column_mean(x)  mean along the last but one
    if_matrix(x, y)  x in parameters of two dimensions or more, y in the others

A vector, or a single number, is its own row mean and column mean. A sum of n terms is charged for n roundings of the
sum of their magnitudes, in whatever order it is taken (Higham 2002, section 4.2).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.oracles.running_error import Ball

if TYPE_CHECKING:
    import sympy

__all__ = [
    "Layout",
    "column_mean",
    "if_matrix",
    "mean",
    "norm",
    "reductions",
    "reductions_in_mpmath",
    "rms",
    "row_mean",
]

_NAMES = ("total", "mean", "row_mean", "column_mean", "if_matrix")


@dataclass(frozen=True)
class Layout:
    """The shapes of the parameters whose entries stand one after the other in [..., n].

    >>> Layout(((2, 3), ())).sizes
    (6, 1)
    """

    shapes: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many entries each parameter has."""
        return tuple(math.prod(shape) for shape in self.shapes)

    def reduced(self, x: Tensor, over: str) -> tuple[Tensor, Tensor]:
        """Sums over (``all``, ``row`` or ``column``), spread over the entries they sum; and the number of terms."""
        sums, counts = [], []
        for part, shape in zip(x.split(list(self.sizes), dim=-1), self.shapes, strict=True):
            axis = {"all": None, "row": -1, "column": -2}[over]
            if axis is None:
                sums.append(part.sum(-1, keepdim=True).expand_as(part))
                counts.append(part.shape[-1])
            elif len(shape) < 2:
                sums.append(part)
                counts.append(1)
            else:
                whole = part.reshape(*part.shape[:-1], *shape)
                sums.append(whole.sum(axis, keepdim=True).expand_as(whole).reshape(part.shape))
                counts.append(shape[axis])
        return torch.cat(sums, dim=-1), self._spread(counts)

    def matrices(self) -> Tensor:
        """[n], true in parameters of two dimensions or more."""
        return self._spread([float(len(shape) > 1) for shape in self.shapes]) > 0

    def _spread(self, values: Sequence[float]) -> Tensor:
        parts = [torch.full((size,), float(v), dtype=torch.float64) for v, size in zip(values, self.sizes, strict=True)]
        return torch.cat(parts)


def _symbolic(name: str, *arguments: sympy.Expr | int) -> Any:  # noqa: ANN401 - SymPy's functions have no type
    import sympy

    return sympy.Function(name, real=True)(*arguments, sympy.Symbol("layout", real=True))


def mean(x: sympy.Expr) -> sympy.Expr:
    """The mean over the whole parameter."""
    return _symbolic("mean", x)


def row_mean(x: sympy.Expr) -> sympy.Expr:
    """The mean along the last dimension."""
    return _symbolic("row_mean", x)


def column_mean(x: sympy.Expr) -> sympy.Expr:
    """The mean along the last dimension but one."""
    return _symbolic("column_mean", x)


def if_matrix(x: sympy.Expr, otherwise: sympy.Expr | int) -> sympy.Expr:
    """`x` in parameters of two dimensions or more."""
    return _symbolic("if_matrix", x, otherwise)


def norm(x: sympy.Expr) -> sympy.Expr:
    """The Euclidean norm of the whole parameter."""
    import sympy

    return sympy.sqrt(_symbolic("total", x**2))


def rms(x: sympy.Expr) -> sympy.Expr:
    """The root of the mean square of the whole parameter."""
    import sympy

    return sympy.sqrt(mean(x**2))


def _on_balls(over: str, *, divided: bool) -> Callable[[Ball, Layout], Ball]:
    def reduce(x: Ball, layout: Layout) -> Ball:
        size = sum(layout.sizes)
        value = x.value if x.value.dim() and x.value.shape[-1] == size else x.value.expand(*x.value.shape[:-1], size)
        total, counts = layout.reduced(value, over)
        errors, _ = layout.reduced(x.radius.expand_as(value), over)
        magnitudes, _ = layout.reduced(value.abs(), over)
        ball = x.like(total, errors + x.rho * counts * magnitudes)
        return ball / counts if divided else ball

    return reduce


def _matrix_or_not(x: Ball | float, otherwise: Ball | float, layout: Layout) -> Ball:
    model = x if isinstance(x, Ball) else otherwise
    assert isinstance(model, Ball)
    one, other = (
        b if isinstance(b, Ball) else Ball(torch.tensor(float(b)), torch.zeros(()), model.rho, model.eta)
        for b in (x, otherwise)
    )
    choice = layout.matrices()
    value = torch.where(choice, one.value, other.value)
    return one.like(value, torch.where(choice, one.radius, other.radius), other)


def reductions() -> Mapping[str, Callable[..., Any]]:
    """The reductions on balls [..., n]."""
    return {
        "total": _on_balls("all", divided=False),
        "mean": _on_balls("all", divided=True),
        "row_mean": _on_balls("row", divided=True),
        "column_mean": _on_balls("column", divided=True),
        "if_matrix": _matrix_or_not,
    }


def reductions_in_mpmath() -> Mapping[str, Callable[..., Any]]:
    """The same on NumPy arrays [n] of mpmath's numbers."""
    import numpy as np

    def parts(x: Any, layout: Layout) -> list[Any]:  # noqa: ANN401
        flat = np.broadcast_to(np.asarray(x, dtype=object), (sum(layout.sizes),))
        cuts = np.cumsum(layout.sizes)[:-1]
        return [one.reshape(shape) for one, shape in zip(np.split(flat, cuts), layout.shapes, strict=True)]

    def joined(found: list[Any]) -> Any:  # noqa: ANN401
        return np.concatenate([one.reshape(-1) for one in found])

    def along(axis: int) -> Callable[[Any, Layout], Any]:
        def reduce(x: Any, layout: Layout) -> Any:  # noqa: ANN401
            def one(part: Any) -> Any:  # noqa: ANN401
                if part.ndim < 2:
                    return part
                return np.broadcast_to(part.sum(axis=axis, keepdims=True) / part.shape[axis], part.shape)

            return joined([one(part) for part in parts(x, layout)])

        return reduce

    def total(x: Any, layout: Layout) -> Any:  # noqa: ANN401
        return joined([np.full(part.shape, part.sum(), dtype=object) for part in parts(x, layout)])

    def average(x: Any, layout: Layout) -> Any:  # noqa: ANN401
        return joined([np.full(part.shape, part.sum() / part.size, dtype=object) for part in parts(x, layout)])

    def matrix(x: Any, otherwise: Any, layout: Layout) -> Any:  # noqa: ANN401
        pairs = zip(parts(x, layout), parts(otherwise, layout), strict=True)
        return joined([one if one.ndim > 1 else other for one, other in pairs])

    return dict(zip(_NAMES, (total, average, along(-1), along(-2), matrix), strict=True))
