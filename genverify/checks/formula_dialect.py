"""Which dialect of the formula the subject follows, found on fixed generic probes and then held against every case."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Call, Unreadable, call, oracle_of
from genverify.errors import SubjectRaised
from genverify.numerics.rounding import Allowance, allowance, conditioned_allowance
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import probes
from genverify.subjects.specification import Dialect, Layout
from genverify.verdict import Judgement, Rung, failed, passed

__all__ = ["Compared", "Identity", "compare", "identify"]


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
    """

    shape_fits: bool
    ratio: float = math.inf
    error: float = math.inf
    allowed: float = 0.0
    value: float = math.nan
    got: float = math.nan
    examined: int = 0

    @property
    def agrees(self) -> bool:
        """Within the allowance wherever it was examined."""
        return self.shape_fits and not self.ratio > 1


@dataclass(frozen=True, kw_only=True)
class Identity:
    """How the subject writes the formula.

    Attributes:
        layout: The layout that it takes.
        dtype: The dtype in which it runs.
        accuracy: A narrower dtype to which its values are accurate (a float32 constant, a guarded logarithm), or None.
        accepted: The accepted dialects that fit every probe.
        recognised: The first dialect that fits every probe but is wrong under this name.
        nearest: The dialect against which a wrong one is explained.
        explanation: What is probably wrong, in words.
        notes: Narrowness and layout, for the evidence.
    """

    layout: Layout
    dtype: torch.dtype
    accuracy: torch.dtype | None
    accepted: tuple[Dialect, ...]
    recognised: Dialect | None
    nearest: Dialect
    explanation: str = ""
    notes: tuple[str, ...] = ()


def compare(
    subject: Formula, case: Case, made: Call, dialect: Dialect, accuracy: torch.dtype | None = None
) -> Compared:
    """The results of a call against the oracle in a dialect, element by element, within the derived allowance.

    `accuracy` is a dtype whose rounding is allowed instead of that of the inputs: of a subject that computes with it.
    """
    assert subject.specification is not None
    dtype = accuracy or made.dtype
    worst = Compared(shape_fits=True, ratio=math.nan, error=0.0)
    examined = 0
    for index, got in enumerate(made.outputs):
        terms, values, names = oracle_of(subject, case, made, dialect, output=index)
        with torch.no_grad():
            shape = tuple(torch.broadcast_tensors(*terms(*values))[0].shape)
        if _squeezed(shape) != _squeezed(tuple(got.shape)):
            return Compared(shape_fits=False)
        number = got.detach().reshape(shape).to(torch.float64)
        # Fast, then slow: within the rounding of the terms alone there is no need to know the conditioning.
        found = _worst(_of_terms(subject, terms, values, dtype), number)
        if values and not found.agrees:
            found = _worst(_conditioned(subject, terms, values, names, dtype), number)
        examined += found.examined
        if found.examined and not (found.ratio <= worst.ratio):
            worst = found
    return Compared(**{**vars(worst), "examined": examined})


Function = Callable[..., tuple[torch.Tensor, ...]]


def _operations(subject: Formula, values: list[torch.Tensor]) -> int:
    assert subject.specification is not None
    return subject.specification.operations + max((value.numel() for value in values), default=1)


def _of_terms(subject: Formula, terms: Function, values: list[torch.Tensor], dtype: torch.dtype) -> Allowance:
    with torch.no_grad():
        return allowance(terms(*values), _operations(subject, values), dtype)


def _conditioned(
    subject: Formula, terms: Function, values: list[torch.Tensor], names: list[str], dtype: torch.dtype
) -> Allowance:
    assert subject.specification is not None
    normwise = [i for i, name in enumerate(names) if subject.specification.argument(name).normwise]
    return conditioned_allowance(terms, values, dtype=dtype, operations=_operations(subject, values), normwise=normwise)


def _worst(bound: Allowance, got: torch.Tensor) -> Compared:
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


def _squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)


def identify(subject: Formula) -> Identity:
    """The subject's layout and dialect, found once and remembered."""
    if "identity" not in subject.memory:
        subject.memory["identity"] = _identify(subject)
    return subject.memory["identity"]


def _identify(subject: Formula) -> Identity:
    layout, dtype, calls, notes = _runs(subject)
    assert subject.specification is not None
    dialects = [one for one in subject.specification.all_dialects() if subject.dialect in str(one)]
    accuracy, fitting = None, _fitting(subject, calls, dialects, None)
    if not fitting and dtype is torch.float64:
        accuracy, fitting = torch.float32, _fitting(subject, calls, dialects, torch.float32)
        if fitting:
            notes = (*notes, "accurate to float32 only: a constant in float32, or a guard such as log(x + 1e-8)?")
    accepted = tuple(one for one in fitting if one.accepted or subject.dialect)
    recognised = next((one for one in fitting if one not in accepted), None)
    nearest = (*accepted, recognised)[0] or _nearest(subject, calls, dialects)
    explanation = "" if accepted or not calls else _explain(subject, calls, nearest, recognised)
    return Identity(
        layout=layout, dtype=dtype, accuracy=accuracy if fitting else None, accepted=accepted,
        recognised=recognised, nearest=nearest,
        explanation=explanation, notes=notes,
    )  # fmt: skip


def _fitting(
    subject: Formula, calls: list[tuple[Case, Call]], dialects: list[Dialect], accuracy: torch.dtype | None
) -> list[Dialect]:
    """The dialects that every probe agrees with."""
    fitting = []
    for dialect in dialects:
        results = [compare(subject, case, made, dialect, accuracy) for case, made in calls]
        if results and all(one.agrees for one in results) and any(one.examined for one in results):
            fitting.append(dialect)
    return fitting


Calls = list[tuple[Case, Call]]


def _runs(subject: Formula) -> tuple[Layout, torch.dtype, Calls, tuple[str, ...]]:
    """The first layout and dtype that the subject takes.

    A layout is not taken when the subject raises on every probe. One that shares arguments over the batch is also
    preferred to a full one in which the result has a shape that no dialect has: the subject broadcast what it was not
    made for. Giving up the batch altogether needs an exception, or a wrong sum over the batch would pass unbatched.
    """
    dtypes = (torch.float64, torch.float32) if subject.dtype is None else (subject.dtype,)
    misshapen: tuple[Layout, torch.dtype, Calls] | None = None
    for dtype in dtypes:
        for layout in subject.layouts():
            calls = _probed(subject, layout, dtype)
            if not calls or (misshapen is not None and not layout.shared):
                continue
            if _some_shape_fits(subject, calls):
                return layout, dtype, calls, _narrowness(subject, layout, dtype)
            misshapen = misshapen or (layout, dtype, calls)
    if misshapen is not None:
        return *misshapen, _narrowness(subject, *misshapen[:2])
    return subject.layouts()[0], dtypes[0], [], ()


def _probed(subject: Formula, layout: Layout, dtype: torch.dtype) -> Calls:
    calls = []
    for case in probes(subject, layout, dtype):
        torch.manual_seed(case.seed)
        try:
            calls.append((case, call(subject, case)))
        except (SubjectRaised, Unreadable):
            continue
    return calls


def _some_shape_fits(subject: Formula, calls: Calls) -> bool:
    assert subject.specification is not None
    return any(
        all(_shapes_fit(subject, case, made, dialect) for case, made in calls)
        for dialect in subject.specification.all_dialects()
    )


def _shapes_fit(subject: Formula, case: Case, made: Call, dialect: Dialect) -> bool:
    for index, got in enumerate(made.outputs):
        terms, values, _ = oracle_of(subject, case, made, dialect, output=index)
        with torch.no_grad():
            if _squeezed(tuple(torch.broadcast_tensors(*terms(*values))[0].shape)) != _squeezed(tuple(got.shape)):
                return False
    return True


def _narrowness(subject: Formula, layout: Layout, dtype: torch.dtype) -> tuple[str, ...]:
    notes = [] if layout is subject.layouts()[0] else [f"judged with {layout.name}: a full batch is not taken"]
    if dtype is not torch.float64:
        notes.append(f"runs in {str(dtype).removeprefix('torch.')} only, and is judged so")
    return tuple(notes)


def _nearest(subject: Formula, calls: list[tuple[Case, Call]], dialects: list[Dialect]) -> Dialect:
    """The accepted dialect from which the subject differs in the simplest way: by a factor, a constant, or seldom."""
    best, score = dialects[0], (-1, False, 0)
    for dialect in dialects:
        if not (dialect.accepted or subject.dialect):
            continue
        results = [compare(subject, case, made, dialect) for case, made in calls]
        fits = sum(one.shape_fits for one in results)
        regular = fits == len(calls) > 0 and bool(_explain(subject, calls, dialect, None))
        rank = (fits, regular, sum(one.agrees for one in results))
        if rank > score:
            best, score = dialect, rank
    return best


def _explain(subject: Formula, calls: list[tuple[Case, Call]], nearest: Dialect, recognised: Dialect | None) -> str:
    if recognised is not None:
        note = f": {recognised.note}" if recognised.note else ""
        return f"it follows a dialect that is wrong under this name ({recognised}{note})"
    pairs = []
    for case, made in calls:
        for index, got in enumerate(made.outputs):
            terms, values, _ = oracle_of(subject, case, made, nearest, output=index)
            with torch.no_grad():
                want = torch.stack(torch.broadcast_tensors(*terms(*values))).sum(0)
            if _squeezed(tuple(want.shape)) != _squeezed(tuple(got.shape)):
                shapes = f"{tuple(got.shape)} where {nearest} has {tuple(want.shape)}"
                return f"its result has a shape that no dialect has: {shapes}"
            pairs.append((got.detach().reshape(-1).double(), want.reshape(-1)))
    got, want = torch.cat([g for g, _ in pairs]), torch.cat([w for _, w in pairs])
    return _regular(got, want)


def _regular(got: torch.Tensor, want: torch.Tensor) -> str:
    """Whether the values differ by one factor or by one constant: a hint for the reader, not a verdict."""
    # A hint needs no more than half of the digits.
    coarse = math.sqrt(torch.finfo(torch.float32).eps)
    usable = torch.isfinite(got) & torch.isfinite(want) & (want != 0)
    if int(usable.sum()) < 2:
        return ""
    ratio, shift = (got / want)[usable], (got - want)[usable]
    if float(ratio.max() - ratio.min()) <= coarse * float(ratio.abs().max()):
        return f"its value is {float(ratio.mean()):.6g} times the formula's, whatever the input"
    if float(shift.max() - shift.min()) <= coarse * float(shift.abs().max()):
        return f"its value is the formula's plus {float(shift.mean()):.6g}, whatever the input"
    return ""


@check(
    "formula.dialect",
    statement="the values follow one accepted dialect of the formula",
    source="the formula's own; see `genverify explain`",
    rung=Rung.EXACT,
    searched=False,
    before=identify,
)
def dialect(subject: Formula, case: Case, run: Run) -> Judgement:
    """Names the dialect, or says that none fits; value and gradient are judged in it."""
    found = identify(subject)
    if not found.accepted:
        try:
            call(subject, case)
        except Unreadable as error:
            return failed(rung=Rung.EXACT, examined=1, message=str(error))
        why = found.explanation or "on generic inputs its values follow no dialect of the formula"
        assert subject.specification is not None
        message = f"not {subject.like} ({subject.specification.statement}): {why}"
        return failed(rung=Rung.EXACT, examined=1, message=message, notes=(f"matched: {subject.match}",))
    notes = (f"dialect: {found.accepted[0]}", f"matched: {subject.match}", *found.notes)
    return passed(
        rung=Rung.EXACT, examined=1, message=f"dialect: {found.accepted[0]}", notes=notes,
        guarantee="the dialect fits fixed generic probes within the rounding allowance",
    )  # fmt: skip
