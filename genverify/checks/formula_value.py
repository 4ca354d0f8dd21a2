"""A formula's value against its oracle, in the subject's own dialect, over the formula's domain."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Unreadable, call, witness
from genverify.checks.formula_dialect import Compared, compare, identify
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["value"]


@check(
    "formula.value",
    statement="the value is the formula's, to rounding, over the whole domain",
    source="the formula's own; see `genverify explain`",
    before=identify,
)
def value(subject: Formula, case: Case, run: Run) -> Judgement:
    """Compares every element of every result with the oracle; the allowance comes from the formula's conditioning."""
    found = identify(subject)
    try:
        made = call(subject, case)
    except Unreadable as error:
        return failed(examined=1, message=str(error), witness=witness(subject, case))
    candidates = found.accepted or (found.nearest,)
    results = [(one, compare(subject, case, made, one)) for one in candidates]
    dialect, best = min(results, key=lambda pair: (not pair[1].agrees, not pair[1].shape_fits, pair[1].ratio))
    unit = str(made.dtype).removeprefix("torch.")
    if not best.shape_fits:
        shapes = ", ".join(str(tuple(one.shape)) for one in made.outputs)
        return failed(
            examined=1, unit=unit, witness=witness(subject, case), quantity="shape",
            message=f"the result has shape {shapes}, which is not that of {subject.like} ({dialect})",
        )  # fmt: skip
    if best.agrees:
        if not best.examined:
            return inconclusive("the value overflows or is not determined there", witness=witness(subject, case))
        notes = (f"dialect: {dialect}", *found.notes)
        if made.dtype is not torch.float64 and _narrowed(case, made.dtype):
            notes += (f"computes in {unit}, narrower than its input",)
        return passed(
            examined=1, observed=best.error, allowed=best.allowed, unit=unit, notes=notes, message=f"dialect: {dialect}"
        )
    return failed(
        examined=1, observed=best.error, allowed=best.allowed, unit=unit, witness=witness(subject, case),
        message=_message(subject, str(dialect), best, found.explanation), notes=(f"matched: {subject.match}",),
    )  # fmt: skip


def _narrowed(case: Case, dtype: torch.dtype) -> bool:
    return any(t.is_floating_point() and torch.finfo(t.dtype).eps < torch.finfo(dtype).eps for _, t in case.tensors())


def _message(subject: Formula, dialect: str, best: Compared, explanation: str) -> str:
    assert subject.specification is not None
    text = f"claimed {best.got:.6g}; {subject.like} is {best.value:.6g} ({dialect}): {subject.specification.statement}"
    return text + (f"; {explanation}" if explanation else "")
