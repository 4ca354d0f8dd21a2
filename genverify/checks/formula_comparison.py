"""A formula's results against one dialect of its oracle, element by element, within the derived allowance."""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass, replace

import torch

from genverify.checks.formula_call import Call
from genverify.checks.formula_oracle import Function, argument_of, fitted, oracle_of
from genverify.numerics.measured_allowance import measured_allowances
from genverify.numerics.rounding import Allowance, allowance, conditioned_allowance, gamma
from genverify.numerics.singular_point import singular_allowance
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Dialect

__all__ = ["Compared", "compare", "expected"]

# A step far above the rounding of float64, along which a function is still nearly linear.
_STEP = 2.0**-20
_DIRECTIONS = 3
_THOUSANDFOLD = 1e3
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """The subject's result against one dialect of the oracle.

    Attributes:
        shape_fits: Whether the shapes agree (sizes of one apart).
        ratio: Worst error over its allowance; NaN when nothing could be examined.
        error: Worst absolute error, at that element.
        allowed: Its allowance there.
        value: The oracle's value there.
        got: The subject's value there.
        examined: How many elements were judged.
        unweighed: Whether a result is beyond the rounding of its terms, and how much more to allow it had to be
            measured and could not be: then agreement of the others determines nothing.
        hopeless: Whether it is beyond what float32 would be allowed, too.
    """

    shape_fits: bool
    ratio: float = math.inf
    error: float = math.inf
    allowed: float = 0.0
    value: float = math.nan
    got: float = math.nan
    examined: int = 0
    unweighed: bool = False
    hopeless: bool = False

    @property
    def agrees(self) -> bool:
        """Within the allowance wherever it was examined."""
        return self.shape_fits and not self.ratio > 1


def compare(
    subject: Formula, case: Case, made: Call, dialect: Dialect, accuracy: torch.dtype | None = None, *,
    hurried: bool = False,
) -> Compared:  # fmt: skip
    """The results of a call against the oracle in a dialect.

    `accuracy` is a dtype whose rounding is allowed instead of that of the inputs: of a subject that computes with it.
    `hurried`, an error that is far beyond all conditioning gets the allowance of the terms alone.
    """
    dtype = accuracy or made.dtype
    worst = Compared(shape_fits=True, ratio=math.nan, error=0.0)
    examined, unweighed, hopeless = 0, False, False
    for index, got in enumerate(made.outputs):
        terms, values, names = oracle_of(subject, case, made, dialect, output=index)
        # Fast, then slow: within the rounding of the terms alone there is no need to know the conditioning.
        quick = _of_terms(subject, terms, values, dtype)
        number = fitted(subject, case, dialect, index, got.detach(), tuple(quick.value.shape))
        if number is None:
            return Compared(shape_fits=False)
        number = number.to(torch.float64)
        found = _worst(subject, quick, number)
        if values and not found.agrees:
            beyond = _beyond(subject, quick, terms, values, number) if hurried else ()
            hopeless |= torch.float32 in beyond
        else:
            beyond = (dtype,)
        if dtype not in beyond:
            found = _worst(subject, _slow(subject, terms, values, names, number, dtype), number)
            unweighed |= subject.specification is not None and subject.specification.measured and not found.examined
        examined += found.examined
        if found.examined and not (found.ratio <= worst.ratio):
            worst = found
    if unweighed and worst.agrees:
        return Compared(shape_fits=True, ratio=math.nan, error=0.0, unweighed=True)
    return replace(worst, examined=examined, hopeless=hopeless)


def expected(subject: Formula, case: Case, made: Call, dialect: Dialect, output: int) -> torch.Tensor:
    """The oracle's value of one result."""
    terms, values, _ = oracle_of(subject, case, made, dialect, output=output)
    with torch.no_grad():
        return torch.stack(torch.broadcast_tensors(*terms(*values))).sum(0)


def _operations(subject: Formula, values: list[torch.Tensor]) -> int:
    assert subject.specification is not None
    return subject.specification.operations + max((value.numel() for value in values), default=1)


def _of_terms(subject: Formula, terms: Function, values: list[torch.Tensor], dtype: torch.dtype) -> Allowance:
    with torch.no_grad():
        return allowance(terms(*values), _operations(subject, values), dtype)


def _slow(
    subject: Formula, terms: Function, values: list[torch.Tensor], names: list[str], got: torch.Tensor,
    dtype: torch.dtype,
) -> Allowance:  # fmt: skip
    assert subject.specification is not None
    if subject.specification.measured:

        def oracle() -> tuple[torch.Tensor, ...]:
            with torch.no_grad():
                return (torch.stack(torch.broadcast_tensors(*terms(*values))).sum(0),)

        return measured_allowances(oracle, (got,), dtype=dtype)[0]
    normwise = [i for i, name in enumerate(names) if argument_of(subject, name).normwise]
    found = conditioned_allowance(
        terms, values, dtype=dtype, operations=_operations(subject, values), normwise=normwise
    )
    return singular_allowance(terms, values, found)


def _beyond(
    subject: Formula, quick: Allowance, terms: Function, values: list[torch.Tensor], got: torch.Tensor
) -> tuple[torch.dtype, ...]:
    """For which precisions the error is far beyond the conditioning along a few directions, which need not be known.

    A step of each entry by about h of its size moves the terms by h Σ ± |x_i ∂t_j/∂x_i| with weights in [½, 1]; the
    conditioned allowance has that sum without the signs, times γ_k/h. Over the directions the largest is taken, and
    a thousandfold of it: all of them would have to be orthogonal to the gradient to three digits.
    """
    assert subject.specification is not None
    if subject.specification.measured:
        return ()
    with torch.no_grad(), contextlib.suppress(Exception):  # a step may lead out of the oracle's domain
        base = torch.stack(torch.broadcast_tensors(*terms(*values)))
        moved = [torch.zeros_like(base[0])]
        for turn in range(_DIRECTIONS):
            beside = terms(*(_beside(value, turn) for value in values))
            moved.append((torch.stack(torch.broadcast_tensors(*beside)) - base).abs().sum(0))
        spread = _THOUSANDFOLD / _STEP * torch.stack(moved).amax(0)
        error = (got - quick.value).abs()
        known = quick.examined & torch.isfinite(spread) & torch.isfinite(error)
        found = []
        for dtype in {quick.dtype, torch.float32}:
            rate = gamma(quick.operations, dtype)
            allowed = quick.allowed + (0.0 if dtype is quick.dtype else 2 * rate * quick.magnitude)
            if bool((known & (error > allowed + rate * spread)).any()):
                found.append(dtype)
        return tuple(found)
    return ()


def _beside(value: torch.Tensor, turn: int) -> torch.Tensor:
    """The value with every entry moved by between h/2 and h of its size, up or down in an order without a period."""
    return value + _STEP * _ways(value.shape, turn) * torch.where(value == 0, 1.0, value.abs())


@functools.lru_cache(maxsize=1024)
def _ways(shape: torch.Size, turn: int) -> torch.Tensor:
    """In [½, 1], with signs; the same for every value of that shape, since nobody writes to it."""
    index = torch.arange(1, shape.numel() + 1, dtype=torch.float64).reshape(shape) + turn * shape.numel()
    phase = 2 * torch.frac(index * _GOLDEN) - 1
    return torch.sign(phase) * (1 + phase.abs()) / 2


def _worst(subject: Formula, bound: Allowance, got: torch.Tensor) -> Compared:
    if subject.accuracy is not None:  # the subject's own statement, relative where the value exceeds one
        stated = subject.accuracy * bound.value.abs().clamp(min=1.0)
        bound = replace(bound, allowed=bound.allowed + stated)
    ratios = bound.excess(got).reshape(-1)
    seen = ~torch.isnan(ratios)
    if not bool(seen.any()):
        return Compared(shape_fits=True, ratio=math.nan, error=0.0)
    at = int(torch.where(seen, ratios, torch.full_like(ratios, -1.0)).argmax())
    value, allowed = bound.value.reshape(-1)[at], bound.allowed.reshape(-1)[at]
    number = got.reshape(-1)[at]
    return Compared(
        shape_fits=True, ratio=float(ratios[at]), error=float((number - value).abs()), allowed=float(allowed),
        value=float(value), got=float(number), examined=int(seen.sum()),
    )  # fmt: skip
