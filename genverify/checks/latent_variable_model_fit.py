r"""Least squares of a loss on its terms, judged by what rounding may leave.

If L = a R + b K + c exactly and each equation is off by at most e_i, the residual of the least-squares fit is at most
‖e‖₂, since it is the orthogonal projection of the errors. So no conditioning enters the verdict. A weight is off by at
most ‖e‖₂ over the length of the part of its column that the others do not explain: infinitely, where they explain it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.numerics.rounding import gamma

__all__ = ["Fit", "fit"]

# A fit whose terms cancel to a millionth of their size explains nothing.
_CANCELLATION = 1e6
# Roundings of a projection, for each of its rows.
_OPERATIONS = 64


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A linear fit.

    Attributes:
        weights: One for each column.
        error: How far rounding may have moved each weight.
        residual: The Euclidean norm of what is left.
        allowed: What rounding may leave.
        size: The Euclidean norm of the sizes of the terms.
    """

    weights: tuple[float, ...]
    error: tuple[float, ...]
    residual: float
    allowed: float
    size: float

    @property
    def ratio(self) -> float:
        """Residual over allowance."""
        return self.residual / self.allowed if self.allowed > 0 else float(self.residual > 0)

    @property
    def holds(self) -> bool:
        """Whether the residual is rounding."""
        return self.residual <= self.allowed


def fit(
    values: Sequence[float], columns: Sequence[Sequence[float]], sizes: Sequence[Sequence[float]], *, operations: int,
    dtype: torch.dtype,
) -> Fit:  # fmt: skip
    """The weights of the columns, whose entries are sums of parts of these sizes, and how well they fit."""
    y = torch.tensor(values, dtype=torch.float64)
    a = torch.tensor(columns, dtype=torch.float64).mT
    scale = a.abs().amax(0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    inverse = torch.linalg.pinv(a / scale, rtol=torch.finfo(torch.float64).eps * max(a.shape))
    weights = _refined(a / scale, y, inverse) / scale
    residual = float((y - a @ weights).norm())
    size = (torch.tensor(sizes, dtype=torch.float64).mT * weights.abs()).sum(1) + y.abs()
    capped = size.clamp_max(_CANCELLATION * float(y.abs().max()))
    each = gamma(operations, dtype) * capped
    spread = each.norm() / torch.stack([_apart(a, k) for k in range(a.shape[1])])
    return Fit(
        weights=tuple(weights.tolist()), error=tuple(spread.tolist()), residual=residual, allowed=float(each.norm()),
        size=float(capped.norm()),
    )  # fmt: skip


def _apart(a: Tensor, k: int) -> Tensor:
    """The length of the part of a column that the others do not explain, which is 1/‖row of the pseudo-inverse‖."""
    column, others = a[:, k], torch.cat([a[:, :k], a[:, k + 1 :]], 1)
    scaled = others / others.norm(dim=0).clamp_min(torch.finfo(torch.float64).tiny)
    left = column - scaled @ (torch.linalg.pinv(scaled) @ column)
    length = left.norm()
    floor = gamma(_OPERATIONS * len(a), torch.float64) * column.norm()
    return length if bool(length > floor) else torch.zeros(())


def _refined(a: Tensor, y: Tensor, inverse: Tensor) -> Tensor:
    """Least squares with two steps of refinement, so that its own rounding is none of the residual."""
    weights = inverse @ y
    for _ in range(2):
        weights = weights + inverse @ (y - a @ weights)
    return weights
