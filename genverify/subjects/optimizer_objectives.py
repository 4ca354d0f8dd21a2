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
    and zero.

    Source: Rosenbrock 1960.

    >>> Landscape(steps=1).slope(0, Landscape(steps=1).start())[:2]
    tensor([1.0000, 0.1000], dtype=torch.float64)
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UsageError(given=f"{self.steps} steps", expected="1 or more", do="for example 1000")
        object.__setattr__(self, "_table", self._streams())

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
        here = theta.clamp(-_STEEPEST, _STEEPEST)
        x, y = float(here[4]), float(here[5])
        valley = [-2.0 * (1.0 - x) - 400.0 * x * (y - x * x), 200.0 * (y - x * x)]
        steep = [min(max(one, -_STEEPEST), _STEEPEST) if math.isfinite(one) else 0.0 for one in valley]
        margins = _SIGNED @ here[6:9]
        logistic = -(torch.sigmoid(-margins) @ _SIGNED)
        table: Tensor = self._table  # type: ignore[attr-defined]
        found = torch.cat([_CURVED * here[:4], torch.tensor(steep, dtype=torch.float64), logistic, table[k]])
        return torch.where(torch.isfinite(found), found, 0.0)  # a subject that has gone astray is judged for that


_CURVED = torch.tensor(_CURVATURES, dtype=torch.float64)
_SIGNED = torch.tensor(_SIGNS, dtype=torch.float64)[:, None] * torch.tensor(_POINTS, dtype=torch.float64)
