"""Whether a formula has a kink at a point, so that any subgradient will do there."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from genverify.checks.formula_call import Call
from genverify.checks.formula_oracle import oracle_of
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Dialect

__all__ = ["at_a_kink", "bent"]

# How many roundings away a kink may be that rounding in a float32 program steps over.
_BESIDE = 64.0
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def at_a_kink(subject: Formula, case: Case, made: Call, dialect: Dialect, index: int) -> bool:
    """Whether the oracle's gradients on two sides of the point differ by more than a smooth function's could.

    The sides are as far apart as half the digits of float64, and as what rounding in the subject's own dtype does to an
    argument of its kinks: in float32 a point that far from one may be on its other side.
    """
    terms, values, _ = oracle_of(subject, case, made, dialect, output=index, gradient=True)
    # A smooth gradient moves by about as much as the point, a kink's by its whole size.
    steps = {math.sqrt(torch.finfo(torch.float64).eps), _BESIDE * torch.finfo(made.dtype).eps}
    return any(bent(terms, values, small) for small in steps if small >= math.sqrt(torch.finfo(torch.float64).eps))


def bent(terms: Callable[..., tuple[torch.Tensor, ...]], values: list[torch.Tensor], small: float) -> bool:
    """Whether the gradients of a function at two sides of a point, each `small` away, are those of a kink."""
    slopes, scale = [], 0.0
    for side in (1.0, -1.0):
        at = 0.5
        leaves = []
        for value in values:
            signs = []
            for _ in range(value.numel()):
                at = (at + _GOLDEN) % 1.0
                signs.append(at - 0.5)
            moved = side * small * torch.tensor(signs, dtype=torch.float64).reshape(value.shape)
            leaves.append((value + moved * (1.0 + value.abs())).requires_grad_(True))
        result = torch.stack(torch.broadcast_tensors(*terms(*leaves)))
        # Irregular weights: outputs that sum to a constant have a plain sum whose gradient is nothing but rounding.
        weights = 0.5 + (torch.arange(1.0, result[0].numel() + 1, dtype=torch.float64) * _GOLDEN) % 1.0
        total = (result.reshape(len(result), -1) * weights).sum()
        scale = max(scale, float(result.detach().abs().sum()))
        grads = torch.autograd.grad(total, leaves, allow_unused=True)
        slopes.append(torch.cat([torch.zeros(1, dtype=torch.float64) if g is None else g.reshape(-1) for g in grads]))
    difference, size = (slopes[0] - slopes[1]).abs().max(), torch.stack(slopes).abs().max()
    # A slope that is rounding beside the values has no side.
    return bool(difference > math.sqrt(small) * max(float(size), small * scale))
