"""What long trajectories run through: a few objectives in closed loop, and gradients that nobody would wish for."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import UsageError

__all__ = ["ENTRIES", "Landscape"]

# Curvatures of the quadratic: condition number 10⁴.
_CURVATURES = (1.0, 0.1, 1e-3, 1e-4)
# Five labelled points of the logistic regression; the labels are the signs.
_POINTS = ((1.0, 0.5, -1.0), (-0.5, 2.0, 0.25), (0.75, -1.5, 1.0), (-1.0, -0.25, -2.0), (0.1, 0.3, 0.2))
_SIGNS = (1.0, -1.0, 1.0, -1.0, 1.0)
_STREAMS = 6
# Where each part begins: quadratic 4, Rosenbrock 2, logistic 3, six streams.
ENTRIES = len(_CURVATURES) + 2 + len(_POINTS[0]) + _STREAMS
# A slope beyond this is cut off, so that an optimizer with a large rate goes round in circles and not to infinity.
_STEEPEST = 1e3


@dataclass(frozen=True)
class Landscape:
    """Gradients of fifteen numbers at once, in float64: the first nine of where they stand, the others of the step.

    Entries 0-3 are an ill-conditioned quadratic ½ Σ λ_i θ_i², 4-5 Rosenbrock's function (1 - x)² + 100 (y - x²)², 6-8 a
    logistic regression Σ log(1 + exp(-s_i x_i·θ)); the streams are sparse, huge, tiny (1e-30), sign-flipping, constant
    and zero. On a `calm` landscape all six are zero: a method that takes all entries for one vector minimises a
    function, whose curvature would be lost in rounding beside numbers of 10⁶.

    Source: Rosenbrock 1960.

    >>> Landscape(steps=1).slope(0, Landscape(steps=1).start())[:2]
    tensor([1.0000, 0.1000], dtype=torch.float64)
    """

    steps: int
    calm: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(given=f"{self.steps} steps", expected="1 or more", do="for example 1000")
        object.__setattr__(self, "_table", self._streams() * (0.0 if self.calm else 1.0))

    @staticmethod
    def start() -> Tensor:
        """Where a trajectory begins, [15]."""
        return torch.tensor([1.0, 1.0, 1.0, 1.0, -1.2, 1.0, 0.0, 0.5, -0.5, 1.0, -1.0, 1.0, 0.5, 1.0, 2.0]).double()

    def _streams(self) -> Tensor:
        k = torch.arange(self.steps, dtype=torch.float64)
        wave = torch.cos(1.7 * k) + 0.2
        flip = 1.0 - 2.0 * (k % 2)
        rows = [(k % 7 == 3) * wave, 1e6 * wave, 1e-30 * wave, flip * (1.0 + 0.5 * wave), torch.ones_like(k), 0.0 * k]
        return torch.stack(rows, dim=1)

    def slope(self, k: int, theta: Tensor) -> Tensor:
        """The gradients at step k (from 0), where the numbers are θ [15]."""
        here = [min(max(one, -_STEEPEST), _STEEPEST) for one in theta[:_STANDING].tolist()]
        x, y = here[4], here[5]
        valley = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
        steep = [min(max(one, -_STEEPEST), _STEEPEST) for one in valley]
        doubts = [_doubt(sum(a * b for a, b in zip(row, here[6:9], strict=True))) for row in _SIGNED]
        logistic = [-sum(doubt * row[i] for doubt, row in zip(doubts, _SIGNED, strict=True)) for i in range(3)]
        found = [*(c * one for c, one in zip(_CURVATURES, here, strict=False)), *steep, *logistic]
        # A subject that has gone astray is judged for that.
        table: Tensor = self._table  # type: ignore[attr-defined]
        settled = torch.tensor([one if math.isfinite(one) else 0.0 for one in found], dtype=torch.float64)
        return torch.cat([settled, table[k]])


def _doubt(margin: float) -> float:
    """1 / (1 + exp(margin)); the margin is bounded, since θ is."""
    return 1.0 / (1.0 + math.exp(min(margin, 700.0)))


_STANDING = len(_CURVATURES) + 2 + len(_POINTS[0])
_SIGNED = tuple(tuple(sign * one for one in point) for sign, point in zip(_SIGNS, _POINTS, strict=True))
