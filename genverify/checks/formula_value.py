"""A formula's value against its oracle, in the subject's own dialect, over the formula's domain."""

from __future__ import annotations

import math

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Call, Unreadable, witness
from genverify.checks.formula_comparison import Compared, compare
from genverify.checks.formula_gradient import no_number
from genverify.checks.formula_identity import identify, identity_of
from genverify.checks.formula_result import unread
from genverify.checks.formula_undrawn import called
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Dialect
from genverify.verdict import Judgement, failed, inconclusive, passed, withheld

__all__ = ["extremes", "value"]


def _approximates(subject: Formula) -> str | None:
    return None if subject.order is None else "it approximates the formula: see formula.order"


@check(
    "formula.value",
    statement="the value is the formula's, to rounding, over the whole domain",
    source="the formula's own; see `genverify explain`",
    before=identify,
    requires=_approximates,
)
def value(subject: Formula, case: Case, run: Run) -> Judgement:
    """Compares every element of every result with the oracle; the allowance comes from the formula's conditioning."""
    found = identity_of(subject, case)
    try:
        made = called(subject, case)
    except Unreadable as error:
        return unread(error, witness(subject, case))
    dialect, best = _closest(subject, case, made, found.accepted or (found.nearest,), found.accuracy)
    notes = (f"dialect: {dialect}", *found.notes)
    if subject.accuracy is not None:
        notes += (f"judged by its own statement of accuracy, {subject.accuracy:g}",)
    unit = _name(found.accuracy or made.dtype)
    if not best.agrees and best.shape_fits and made.dtype is torch.float64:
        narrow = compare(subject, case, made, dialect, torch.float32)
        if narrow.agrees and narrow.examined:
            best, unit = narrow, "float32"
            notes += ("accurate to float32 only at some inputs: a guard such as log(x + 1e-8)?",)
    if not best.shape_fits:
        shapes = ", ".join(str(tuple(one.shape)) for one in made.outputs)
        return failed(
            examined=1, unit=unit, witness=witness(subject, case), quantity="shape",
            message=f"the result has shape {shapes}, which is not that of {subject.like} ({dialect})",
        )  # fmt: skip
    if best.agrees:
        if best.unweighed:
            return withheld(
                "the value differs from the formula's, and how far rounding may move it could not be measured there",
                witness=witness(subject, case),
            )  # fmt: skip
        if not best.examined:
            return inconclusive("the value overflows or is not determined there", witness=witness(subject, case))
        if made.dtype is not torch.float64 and _narrowed(case, made.dtype):
            notes += (f"computes in {unit}, narrower than its input",)
        return passed(
            examined=1, observed=best.error, allowed=best.allowed, unit=unit, notes=notes, message=f"dialect: {dialect}"
        )
    return failed(
        examined=1, observed=best.error, allowed=best.allowed, unit=unit, witness=witness(subject, case),
        message=_message(subject, str(dialect), best, found.explanation), notes=(f"matched: {subject.match}",),
    )  # fmt: skip


def _closest(
    subject: Formula, case: Case, made: Call, candidates: tuple[Dialect, ...], accuracy: torch.dtype | None
) -> tuple[Dialect, Compared]:
    """The candidate that agrees, where it says anything, or the one that comes closest."""
    results = [(one, compare(subject, case, made, one, accuracy)) for one in candidates]
    return min(
        results, key=lambda pair: (not pair[1].agrees, not pair[1].shape_fits, not pair[1].examined, pair[1].ratio)
    )


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _narrowed(case: Case, dtype: torch.dtype) -> bool:
    return any(t.is_floating_point() and torch.finfo(t.dtype).eps < torch.finfo(dtype).eps for _, t in case.tensors())


def _message(subject: Formula, dialect: str, best: Compared, explanation: str) -> str:
    assert subject.specification is not None
    text = f"claimed {best.got:.6g}; {subject.like} is {best.value:.6g} ({dialect}): {subject.specification.statement}"
    return text + (f"; {explanation}" if explanation else "")


@check(
    "formula.extremes",
    statement="the value (where the formula claims so, the gradient, too) is finite wherever the formula's is, up to "
    "the extremes of the domain",
    source="the formula's own; see `genverify explain`",
    before=identify,
    requires=_approximates,
    family="extremes",
)
def extremes(subject: Formula, case: Case, run: Run) -> Judgement:
    """A NaN or infinity where the value is an ordinary number is FAIL; a finite difference is a guard, and named."""
    found = identity_of(subject, case)
    if not found.accepted:
        return inconclusive("the value follows no accepted dialect even at ordinary inputs")
    try:
        made = called(subject, case)
    except Unreadable as error:
        return inconclusive(str(error))
    _, best = _closest(subject, case, made, found.accepted, found.accuracy)
    unit = _name(found.accuracy or made.dtype)
    if best.agrees and best.examined:
        assert subject.specification is not None
        lost = no_number(subject, case, found.accepted[0]) if subject.specification.gradient_at_extremes else None
        return lost or passed(examined=1, observed=best.error, allowed=best.allowed, unit=unit)
    if best.shape_fits and best.examined and not math.isfinite(best.got):
        return failed(
            examined=1, observed=best.error, allowed=best.allowed, unit=unit, witness=witness(subject, case),
            message=f"claimed {best.got}; {subject.like} is {best.value:.6g} there: an overflow or 0/0 on the way",
        )  # fmt: skip
    if not best.examined:
        return inconclusive("the value overflows or is not determined there")
    return inconclusive(f"finite, but guarded or saturated: {best.got:.6g} for {best.value:.6g}")
