"""The exact Lipschitz constant of a network with one hidden ReLU layer, over the activation patterns that occur.

Where pattern s of active units is taken the network is affine with the matrix W₂ diag(s) W₁, so that its constant is
the largest norm over the patterns whose cell has an interior. Cells are found unit by unit: a linear programme asks for
the point deepest inside all half-spaces so far. There are at most Σ_{i≤d} C(n, i) of them for n units on d inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .operator_norm import dense_norm

__all__ = ["SteepestCell", "one_hidden_relu_constant"]

_MOST_PROGRAMMES = 6000
# A cell counts if a ball of this radius, in units of the normals, fits into it: far above the solver's tolerance.
_DEPTH = 1e-7


@dataclass(frozen=True, kw_only=True)
class SteepestCell:
    """Where a network with one hidden ReLU layer is steepest.

    Attributes:
        constant: The Lipschitz constant, rounded outward.
        point: A point deep inside the cell [inputs].
    """

    constant: float
    point: Tensor


def one_hidden_relu_constant(inner: Tensor, bias: Tensor, outer: Tensor) -> SteepestCell | None:
    """The largest of ‖W₂ diag(s) W₁‖ over the patterns, for x ↦ W₂ relu(W₁ x + b) + c; None where there are too many.

    Shapes: inner [units, inputs], bias [units], outer [outputs, units].

    Source: Montúfar, Pascanu, Cho & Bengio 2014 (linear regions); Zaslavsky 1975 (their number).

    >>> found = one_hidden_relu_constant(torch.tensor([[1.0], [-1.0]]), torch.zeros(2), torch.tensor([[1.0, 1.0]]))
    >>> round(found.constant, 9)  # |x|: the product bound is 2
    1.0
    """
    inner, bias, outer = (one.detach().double().cpu() for one in (inner, bias, outer))
    lengths = inner.norm(dim=1)
    still = lengths == 0
    normals = (inner[~still] / lengths[~still, None]).tolist()
    offsets = (bias[~still] / lengths[~still]).tolist()
    if not normals:
        return SteepestCell(constant=0.0, point=torch.zeros(inner.shape[1], dtype=torch.float64))
    cells = _Cells(normals, offsets).found
    if cells is None:
        return None
    best = SteepestCell(constant=0.0, point=torch.zeros(inner.shape[1], dtype=torch.float64))
    for signs, point in cells.items():
        active = (bias > 0).double() * still
        active[~still] = torch.tensor([float(sign > 0) for sign in signs], dtype=torch.float64)
        constant = dense_norm(outer @ (active[:, None] * inner))
        if constant > best.constant:
            best = SteepestCell(constant=constant, point=torch.tensor(point, dtype=torch.float64))
    return best


class _Cells:
    """The cells of an arrangement of hyperplanes n·x + o = 0: signs to a point; None when they are too many."""

    def __init__(self, normals: list[list[float]], offsets: list[float]) -> None:
        self.normals, self.offsets, self.programmes = normals, offsets, 0
        self.found: dict[tuple[int, ...], list[float]] | None = {(): []}
        for _ in normals:
            longer = {}
            for cell in self.found or {}:
                for sign in (1, -1):
                    point = self._inside((*cell, sign))
                    if point is not None:
                        longer[(*cell, sign)] = point
            if self.programmes > _MOST_PROGRAMMES:
                self.found = None
                return
            self.found = longer

    def _inside(self, signs: tuple[int, ...]) -> list[float] | None:
        """The centre of a ball that fits: maximise r with s_i (n_i·x + o_i) ≥ r for all hyperplanes so far, r ≤ 1."""
        from scipy.optimize import linprog

        self.programmes += 1
        if self.programmes > _MOST_PROGRAMMES:
            return None
        inputs = len(self.normals[0])
        rows = [[*(-s * n for n in normal), 1.0] for s, normal in zip(signs, self.normals, strict=False)]
        right = [s * offset for s, offset in zip(signs, self.offsets, strict=False)]
        found = linprog([0.0] * inputs + [-1.0], A_ub=rows, b_ub=right, bounds=[(None, None)] * inputs + [(None, 1.0)])
        return list(found.x[:inputs]) if found.status == 0 and -found.fun > _DEPTH else None
