"""What is probably wrong with a formula whose values follow no dialect: one factor, one constant, a shape, a slip."""

from __future__ import annotations

import math

import torch

from genverify.checks.formula_call import Call
from genverify.checks.formula_comparison import expected
from genverify.checks.formula_oracle import fitted
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Dialect

__all__ = ["explain"]


def explain(subject: Formula, calls: list[tuple[Case, Call]], nearest: Dialect, recognised: Dialect | None) -> str:
    """A hint for the reader, not a verdict; empty when nothing simple is seen."""
    if recognised is not None:
        note = f": {recognised.note}" if recognised.note else ""
        return f"it follows a dialect that is wrong under this name ({recognised}{note})"
    pairs = []
    for case, made in calls:
        for index, got in enumerate(made.outputs):
            want = expected(subject, case, made, nearest, index)
            number = fitted(subject, case, nearest, index, got.detach(), tuple(want.shape))
            if number is None:
                shapes = f"{tuple(got.shape)} where {nearest} has {tuple(want.shape)}"
                return f"its result has a shape that no dialect has: {shapes}"
            pairs.append((number.reshape(-1).double(), want.reshape(-1)))
    if not pairs:
        return ""
    got, want = torch.cat([g for g, _ in pairs]), torch.cat([w for _, w in pairs])
    return _regular(got, want)


def _regular(got: torch.Tensor, want: torch.Tensor) -> str:
    """Whether the values differ by one factor or by one constant, whichever is the steadier of the two."""
    # A hint needs no more than half of the digits.
    coarse = math.sqrt(torch.finfo(torch.float32).eps)
    usable = torch.isfinite(got) & torch.isfinite(want) & (want != 0)
    if int(usable.sum()) < 2:
        return ""
    ratio, shift = (got / want)[usable], (got - want)[usable]
    by_factor, by_shift = _spread(ratio), _spread(shift)
    if by_shift <= coarse and by_shift <= by_factor:
        return f"its value is the formula's plus {float(shift.mean()):.6g}, whatever the input"
    if by_factor <= coarse:
        return f"its value is {float(ratio.mean()):.6g} times the formula's, whatever the input"
    return ""


def _spread(numbers: torch.Tensor) -> float:
    largest = float(numbers.abs().max())
    return float(numbers.max() - numbers.min()) / largest if largest else math.inf
