"""A formula's accuracy in units of the last place, over the whole range of each dtype, with its worst input."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Unreadable
from genverify.checks.formula_identity import identify, identity_of
from genverify.checks.formula_range import Rows, Span, rows_over, shared, span_of, ulps_of
from genverify.errors import SubjectRaised, UsageError
from genverify.numerics.ulp import ulp_error
from genverify.numerics.worst_input import refine
from genverify.subjects.budget import Run
from genverify.subjects.case import Case, render
from genverify.subjects.formula import Formula, Place
from genverify.subjects.specification import Dialect
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = ["Worst", "accuracy", "measure"]

_DTYPES = (torch.float64, torch.float32, torch.bfloat16)
# Rows for each case of the budget: where mpmath looks at every row, and where others sort first.
_EACH, _SIEVED = 6, 64
# Where each row needs a call of its own.
_SINGLY = 2
# The rows that mpmath looks at when others have sorted: those with the largest errors by each, and a few unsorted.
_KEPT = 12
_ROUNDS, _ROUNDS_SINGLY = 14, 6


@dataclass(frozen=True, kw_only=True)
class Worst:
    """The least accurate input in one dtype.

    Attributes:
        dtype: The dtype.
        ulps: The largest finite error met, in units of the last place of the true value.
        at: The input, argument by argument.
        examined: How many inputs were looked at.
        broken: An input at which the answer is no number although the true value is one of the dtype; None if none.
        claimed: Whether `broken` lies where the formula claims to be finite.
    """

    dtype: torch.dtype
    ulps: float
    at: dict[str, str]
    examined: int
    broken: dict[str, str] | None = None
    claimed: bool = False


def _measurable(subject: Formula) -> str | None:
    assert subject.specification is not None
    assert subject.match is not None
    if subject.ulps is not None and not subject.ulps > 0:
        raise UsageError(given=f"ulps={subject.ulps}", expected="a positive number", do="½ is correct rounding")
    if subject.specification.exact is None:
        return f"{subject.like} has no value in mpmath to measure against"
    if any(b.form is not b.argument.forms[0] or b.place is Place.HELD for b in subject.match.bound):
        return "measured where all is given, in the formula's own parametrisation"
    return None


@check(
    "formula.accuracy",
    statement="over the dtype's whole range the value is a number where the formula's is, and as accurate as stated",
    source="Muller et al. 2018, section 2.3.2 (ULPs); the value in mpmath is the formula's own",
    before=identify,
    requires=_measurable,
    searched=False,
    family="range",
)
def accuracy(subject: Formula, case: Case, run: Run) -> Judgement:
    """Looks for the least accurate input in float64, float32 and bfloat16, and reports it: a measurement.

    An error of many ULPs is no fault by itself: code that computes ½ (1 + erf) has no digit of the lower tail, and
    meets the allowance of `formula.value`, which decides. So FAIL means one of two things only: the answer is NaN or
    infinite at an input at which the formula claims to be finite (up to the extremes of its domain, as in
    `formula.extremes`, but on a net over all numbers), in the dtypes that the subject is claimed for; or an accuracy
    that the subject itself states, `ulps=`, does not hold somewhere in the whole range. Numbers in bfloat16, and
    overflow beyond the claimed extremes, are reported and not judged.
    """
    found = identity_of(subject, case)
    if not found.accepted:
        return inconclusive("the value follows no accepted dialect, so there is nothing to measure against")
    if not _understood(subject, found.accepted[0]):
        return not_applicable(f"measured in the formula's own form, and not in this dialect: {found.accepted[0]}")
    span = span_of(subject, found)
    judged = [subject.dtype] if subject.dtype else [d for d in _DTYPES[:2] if d.itemsize <= found.dtype.itemsize]
    measured = [one for one in (measure(span, dtype, run) for dtype in _DTYPES) if one is not None]
    if not any(one.dtype in judged for one in measured):
        return inconclusive("no input of the dtype's range could be measured")
    figures: dict[str, float | int | str] = {}
    for one in measured:
        figures[f"ulps {_name(one.dtype)}"] = one.ulps
        figures[f"worst input {_name(one.dtype)}"] = _words(one.at)
    notes = tuple(
        f"no number in {_name(one.dtype)} at {_words(one.broken)}, beyond what the formula claims"
        for one in measured
        if one.broken is not None and not (one.claimed and one.dtype in judged)
    )
    text = "; ".join(f"{one.ulps:.3g} ULPs in {_name(one.dtype)} at {_words(one.at)}" for one in measured)
    examined = sum(one.examined for one in measured)
    for one in measured:
        if one.dtype not in judged:
            continue
        broken = one.broken is not None and (one.claimed or subject.ulps is not None)
        if broken or (subject.ulps is not None and one.ulps > subject.ulps):
            worst = math.inf if broken else one.ulps
            what = "no number where the formula has one" if broken else f"{worst:.3g} ULPs"
            return failed(
                examined=examined, quantity="error in ULPs", observed=worst, allowed=subject.ulps, figures=figures,
                unit=_name(one.dtype), witness=(one.broken if broken else one.at) or {}, notes=notes,
                message=f"{what} in {_name(one.dtype)}" + (f", stated {subject.ulps:g}" if subject.ulps else ""),
            )  # fmt: skip
    return passed(
        examined=examined, message=f"worst: {text}", figures=figures, notes=(f"worst: {text}", *notes),
        guarantee="the worst of a net over the dtype's whole range and of a search around it; all numbers of bfloat16 "
        "where the formula has one argument",
    )  # fmt: skip


def _understood(subject: Formula, dialect: Dialect) -> bool:
    """Whether the formula's value in mpmath can be told the dialect."""
    assert subject.specification is not None
    assert subject.specification.exact is not None
    try:
        inspect.signature(subject.specification.exact).bind_partial(**dialect.keywords)
    except TypeError:
        return False
    return True


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _words(at: dict[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in at.items())


def measure(span: Span, dtype: torch.dtype, run: Run) -> Worst | None:
    """The least accurate input of a dtype; None where the subject does not take the dtype."""
    generator = torch.Generator().manual_seed(run.seed)
    sieve = dtype is not torch.float64 and bool(span.bulk)
    each = _SIEVED if sieve else _EACH if span.bulk else _SINGLY
    rows = rows_over(span, dtype, each * run.budget.cases, generator)
    rows, got = _answered(span, rows)
    if got is None or (got.dtype is not dtype and got.dtype.is_floating_point and got.dtype is not torch.float64):
        return None
    order: list[int] = list(range(len(got)))
    if sieve:
        order = _suspects(span, rows, got, dtype, generator)
    errors = {index: ulps_of(span, rows, index, got[index], dtype) for index in order}
    finite = {index: error for index, error in errors.items() if math.isfinite(error)}
    infinite = [index for index, error in errors.items() if math.isinf(error)]
    if not finite and not infinite:
        return None
    claimed = [index for index in infinite if _claimed(span, rows, index, dtype)]
    broken = next(iter([*claimed, *infinite]), None)
    best = max(finite, key=lambda index: finite[index], default=None)
    at, worst = ({}, math.nan) if best is None else (_row(span, rows, best), finite[best])
    if best is not None:
        at, worst = _refined(span, rows, best, worst, dtype, generator)
    return Worst(
        dtype=dtype, ulps=worst, at=at, examined=len(got), claimed=bool(claimed),
        broken=None if broken is None else _row(span, rows, broken),
    )  # fmt: skip


def _answered(span: Span, rows: Rows) -> tuple[Rows, torch.Tensor | None]:
    """The answers; where the subject raises beyond what the formula claims, those to what it does claim."""
    try:
        return rows, span.answers(rows)
    except (SubjectRaised, Unreadable):
        pass
    count = len(_first(rows)[1])
    kept = [i for i in range(count) if _claimed(span, rows, i, _first(rows)[1].dtype)]
    rows = {n: c[kept] if isinstance(c, torch.Tensor) and len(c) == count else c for n, c in rows.items()}
    try:
        return rows, span.answers(rows) if kept else None
    except (SubjectRaised, Unreadable):
        return rows, None


def _suspects(span: Span, rows: Rows, got: torch.Tensor, dtype: torch.dtype, generator: torch.Generator) -> list[int]:
    """The rows whose answers are farthest from the float64 oracle's, or from the subject's own in float64.

    Neither is a judge: the oracle's terms may cancel in a tail, the subject may be as wrong in float64. Some rows are
    looked at whatever they say, and the answers that are no numbers.
    """
    wide: Rows = {
        n: c.double() if isinstance(c, torch.Tensor) and c.is_floating_point() else c for n, c in rows.items()
    }
    kept = torch.randint(len(got), (_KEPT,), generator=generator).tolist()
    for true in (True, False):
        try:
            error = ulp_error(got, span.answers(wide, true=true), dtype).amax(-1)
        except (SubjectRaised, Unreadable):
            continue
        numbers = torch.where(torch.isfinite(error), error, torch.full_like(error, -1.0))
        kept += numbers.topk(min(_KEPT, len(numbers))).indices.tolist()
    bad = (~torch.isfinite(got).all(-1)).nonzero().reshape(-1).tolist()
    near = sorted(bad, key=lambda index: not _claimed(span, rows, index, dtype))
    return list(dict.fromkeys([*kept, *near[: 2 * _KEPT]]))


def _first(rows: Rows) -> tuple[str, torch.Tensor]:
    """The first argument that differs from row to row."""
    return next((n, c) for n, c in rows.items() if isinstance(c, torch.Tensor) and c.dim() and c.is_floating_point())


def _claimed(span: Span, rows: Rows, index: int, dtype: torch.dtype) -> bool:
    """Whether the row lies within the extremes up to which the formula is claimed to be finite."""
    assert span.subject.specification is not None
    for argument in span.subject.specification.arguments:
        column, domain = rows[argument.name], argument.forms[0].domain
        if domain.interval is None or not isinstance(column, torch.Tensor) or not column.dim():
            continue
        raw = torch.tensor(domain.bounds(dtype, extreme=True), dtype=torch.float64)
        low, high = domain.make(raw, (2,), torch.float64).tolist()
        value = column if shared(argument) else column[index]
        if not bool(((value.double() >= low) & (value.double() <= high)).all()):
            return False
    return True


def _row(span: Span, rows: Rows, index: int) -> dict[str, str]:
    """A row under the subject's own names."""
    assert span.subject.match is not None
    found = {}
    for bound in span.subject.match.bound:
        column = rows[bound.argument.name]
        if isinstance(column, torch.Tensor) and column.dim():
            found[bound.parameter] = render(column if shared(bound.argument) else column[index])
    return found


def _refined(
    span: Span, rows: Rows, index: int, worst: float, dtype: torch.dtype, generator: torch.Generator
) -> tuple[dict[str, str], float]:
    """The worst input after a search around it in the first argument (its first entry, of a row)."""
    name, column = _first(rows)
    start = column[index].reshape(-1)

    def moved(numbers: torch.Tensor) -> Rows:
        count = len(column)
        others: Rows = {
            n: c[index : index + 1].repeat(len(numbers), *[1] * (c.dim() - 1))
            if isinstance(c, torch.Tensor) and c.dim() and len(c) == count
            else c
            for n, c in rows.items()
        }
        changed = others[name]
        assert isinstance(changed, torch.Tensor)
        changed = changed.clone()
        changed.reshape(len(numbers), -1)[:, 0] = numbers
        return {**others, name: changed}

    assert span.subject.specification is not None
    interval = span.subject.specification.argument(name).forms[0].domain.interval
    if interval is None:
        return _row(span, rows, index), worst

    def error(numbers: torch.Tensor) -> torch.Tensor:
        inside = (numbers.double() > interval[0]) & (numbers.double() < interval[1]) & torch.isfinite(numbers)
        near = moved(torch.where(inside, numbers, start[0]))
        try:
            got = span.answers(near)
        except (SubjectRaised, Unreadable):
            return torch.full((len(numbers),), math.nan)
        found = [ulps_of(span, near, i, got[i], dtype) for i in range(len(numbers))]
        return torch.tensor([one if math.isfinite(one) else math.nan for one in found], dtype=torch.float64)

    rounds = _ROUNDS if span.bulk else _ROUNDS_SINGLY
    best, worst = refine(error, start[0], worst, rounds=rounds, generator=generator)
    return _row(span, moved(best.reshape(1)), 0), worst
