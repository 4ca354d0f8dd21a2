"""An approximation's error against its step: it must vanish as fast as the subject says."""

from __future__ import annotations

import math
from itertools import pairwise

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Unreadable, call, witness
from genverify.checks.formula_comparison import expected
from genverify.checks.formula_identity import identify, identity_of
from genverify.checks.formula_oracle import fitted
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Dialect, Role
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["order"]

_HALVINGS = 6


def _claimed(subject: Formula) -> str | None:
    return None if subject.order is not None else "no order of approximation is stated"


@check(
    "formula.order",
    statement="the error vanishes as the stated power of the step",
    source="Richardson 1911; Dahlquist & Björck 2008, section 3.4.6: log₂ e(h)/e(h/2) → p",
    before=identify,
    requires=_claimed,
)
def order(subject: Formula, case: Case, run: Run) -> Judgement:
    """Halves the step from the case's own, as long as the error stands above rounding, and compares the last slopes."""
    assert subject.specification is not None
    assert subject.order is not None
    name = next(one.name for one in subject.specification.arguments if one.role is Role.STEP)
    if name not in case:
        return inconclusive(
            "the subject takes no step, so its order in the step cannot be seen: state accuracy= instead"
        )
    if not isinstance(case[name], torch.Tensor) or case[name].dtype is not torch.float64:
        return inconclusive("rounding hides the order in a narrow dtype")
    dialect = identity_of(subject, case).nearest  # of those whose shape fits
    errors: list[float] = []
    for halving in range(_HALVINGS + 1):
        step = case[name] / 2**halving
        try:
            found = _error(subject, Case(values={**case.values, name: step}, seed=case.seed), dialect, step)
        except Unreadable as error:
            return failed(examined=1, message=str(error), witness=witness(subject, case))
        if found is None:
            return failed(examined=1, message="the result has not the formula's shape", witness=witness(subject, case))
        error, floor = found
        if error <= floor:
            break
        errors.append(error)
    if not errors:
        return passed(examined=1, quantity="error", observed=0.0, allowed=0.0)
    slopes = [math.log2(a / b) for a, b in pairwise(errors)]
    if len(slopes) < 2 or abs(slopes[-1] - slopes[-2]) > 0.25:
        return inconclusive("the error has not settled on a power of the step")
    quantity, observed = "missing order", subject.order - slopes[-1]
    # Orders are integers: halfway between two of them decides.
    if observed <= 0.5:
        return passed(examined=1, quantity=quantity, observed=max(observed, 0.0), allowed=0.5)
    return failed(
        examined=1, quantity=quantity, observed=observed, allowed=0.5, witness=witness(subject, case),
        message=f"stated of order {subject.order}; halving the step divides the error by {2 ** slopes[-1]:.3g}, "
        f"which is order {slopes[-1]:.2f}",
    )  # fmt: skip


def _error(subject: Formula, case: Case, dialect: Dialect, step: torch.Tensor) -> tuple[float, float] | None:
    """Σ |error|, and what rounding alone may make of it when differences are divided by the step (twice at most)."""
    assert subject.specification is not None
    made = call(subject, case)
    error = floor = 0.0
    for index, got in enumerate(made.outputs):
        want = expected(subject, case, made, dialect, index)
        number = fitted(subject, case, dialect, index, got.detach(), tuple(want.shape))
        if number is None:
            return None
        error += float((number.double() - want).abs().sum())
        rate = subject.specification.operations * unit_roundoff(torch.float64) / float(step.abs().min()) ** 2
        floor += rate * (float(want.abs().sum()) + want.numel())
    return error, floor
