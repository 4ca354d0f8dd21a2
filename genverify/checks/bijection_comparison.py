"""Two ways to the same numbers, compared row by row within what rounding can do to either."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genverify.numerics.rounding import subnormal_spacing, unit_roundoff
from genverify.numerics.stochastic_arithmetic import rounding_spread

__all__ = ["Comparison", "compare"]

# A difference of so many half units of |a| + |b| is excused without measuring: twice the 4 half units that the spread
# allows each number for its last operation alone. So a relative error below 16 half units, 2e-15 in float64 and 1e-6 in
# float32, is missed where nothing cancels.
_EVIDENT = 8.0
# Three perturbed runs are all small by chance once in 4e4 comparisons, or, if the difference is so many times their
# allowance, less than once in 1e10. Below that six more are asked before the subject is accused.
_MORE_RUNS, _BEYOND_DOUBT = 6, 100.0
# Half units that perturb where the spread is too large for its rate to be that of rounding: as few as are not lost in
# the rounding of the run itself.
_NEAR = 16.0


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The row in which two computations differ most, in units of what is allowed.

    Attributes:
        observed: |a − b| there.
        allowed: What rounding may do to a and b there; infinite where that could not be found out.
        row: Which row it is.
        examined: How many rows had finite numbers and a finite allowance.
        dtype: The narrowest type in which the subject computes.
        operations: How many operations the two computations took, where they were counted.
        problem: Why there is no allowance.
    """

    observed: float
    allowed: float
    row: int
    examined: int
    dtype: torch.dtype
    operations: int = 0
    problem: str = ""

    @property
    def agrees(self) -> bool:
        """Whether the difference is within the allowance."""
        return self.observed <= self.allowed

    @property
    def unit(self) -> str:
        """The dtype, for a verdict."""
        return str(self.dtype).removeprefix("torch.")


def compare(
    compute: Callable[[], tuple[Tensor, Tensor]],
    *,
    first: tuple[Tensor, Tensor] | None = None,
    extra: Tensor | float = 0.0,
    scale: Tensor | float = 0.0,
) -> Comparison:
    """Compares the two tensors that `compute` makes; it is run again under perturbed arithmetic if they differ visibly.

    The allowance of a row is that of its least certain element. Rows with a number that is not finite are not
    examined, in particular saturated ones; nor those that agree only because rounding could move them by more than √u
    of their size, which is no agreement to speak of. `extra` is a further allowance per row, for what is stated to be
    approximate; `scale` the size, per row, to which rounding is relative where the numbers compared are smaller.

    Shapes: both [rows, …]; `first` is what `compute` returned, where it was called before.
    """
    a, b = _without_equal_infinities(*(one.detach() for one in (compute() if first is None else first)))
    dtype = a.dtype if unit_roundoff(a.dtype) >= unit_roundoff(b.dtype) else b.dtype
    error, size = _rows((a.double() - b.double()).abs()), _rows(a.double().abs() + b.double().abs())
    fine = torch.isfinite(error) & torch.isfinite(size)
    evident = _EVIDENT * unit_roundoff(dtype) * (size + scale) + subnormal_spacing(dtype)
    if not bool((fine & (error > evident + extra)).any()):
        # What is excused without a bound has not been examined.
        return _worst(error, evident + extra, fine & torch.isfinite(evident + extra), dtype, "")
    spread = rounding_spread(compute)
    rounding = torch.maximum(_rows(spread.allowed[0]) + _rows(spread.allowed[1]), evident)
    if bool((fine & (error > rounding + extra) & (error < _BEYOND_DOUBT * (rounding + extra))).any()):
        again = rounding_spread(compute, repeats=_MORE_RUNS, first=3)
        rounding = torch.maximum(rounding, _rows(again.allowed[0]) + _rows(again.allowed[1]))
    known = rounding <= unit_roundoff(spread.dtype) ** 0.5 * (1.0 + size + scale)
    if bool((fine & ~known & (error > rounding + extra)).any()):
        # Next to saturation a logarithm moves as much at ε as at u, and no rate can be read from it: ask near u, too.
        near = rounding_spread(compute, amplitude=_NEAR * unit_roundoff(spread.dtype))
        rounding = torch.maximum(rounding, _rows(near.allowed[0]) + _rows(near.allowed[1]))
    allowed = rounding + extra
    telling = known | (error > allowed)
    fine = fine & torch.isfinite(allowed) & telling
    problem = spread.problem or ("" if bool(telling.any()) else "too ill-conditioned here to be judged")
    found = _worst(error, allowed, fine, spread.dtype, problem)
    return replace(found, operations=spread.operations)


def _without_equal_infinities(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Two infinities of one sign agree."""
    if a.shape != b.shape:
        return a, b
    both = torch.isinf(a) & (a == b)
    return torch.where(both, torch.zeros_like(a), a), torch.where(both, torch.zeros_like(b), b)


def _rows(values: Tensor) -> Tensor:
    return values.detach().reshape(values.shape[0], -1).amax(1) if values[0].numel() else values.new_zeros(len(values))


def _worst(error: Tensor, allowed: Tensor, fine: Tensor, dtype: torch.dtype, problem: str) -> Comparison:
    examined = int(fine.sum())
    if not examined:
        return Comparison(observed=0.0, allowed=math.inf, row=0, examined=0, dtype=dtype, problem=problem)
    ratio = torch.where(fine, error / allowed, torch.full_like(error, -1.0))
    row = int(ratio.argmax())
    return Comparison(
        observed=float(error[row]), allowed=float(allowed[row]), row=row, examined=examined, dtype=dtype,
        problem=problem,
    )  # fmt: skip
