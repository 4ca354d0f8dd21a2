"""How a subject writes its formula: layout, dtype and dialect, found once on fixed generic probes and remembered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch

from genverify.checks.formula_call import Call, Unreadable, call, layout_of
from genverify.checks.formula_comparison import Compared, compare, expected
from genverify.checks.formula_draws import Reading, readings
from genverify.checks.formula_explanation import explain
from genverify.checks.formula_leftover import ask_about_leftovers, silent
from genverify.checks.formula_oracle import SHARED, fitted
from genverify.checks.formula_result import ALL, pick
from genverify.errors import SubjectRaised, UsageError
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import probes
from genverify.subjects.specification import Dialect, Layout

__all__ = ["Calls", "Identity", "identify", "identity_of"]

Calls = list[tuple[Case, Call]]


@dataclass(frozen=True, kw_only=True)
class Identity:
    """How the subject writes the formula, under one combination of its options.

    Attributes:
        layout: The layout that it takes.
        dtype: The dtype in which it runs.
        accuracy: A narrower dtype to which its values are accurate (a float32 constant, a guarded logarithm), or None.
        accepted: The accepted dialects that fit every probe.
        recognised: The first dialect that fits every probe but is wrong under this name.
        nearest: The dialect against which a wrong one is explained.
        explanation: What is probably wrong, in words.
        notes: Narrowness and layout, for the evidence.
        worst: The probe that shows it best, with the comparison, when no accepted dialect fits.
        unread: A probe that was answered by what cannot be read, or by draws that are not the formula's.
    """

    layout: Layout
    dtype: torch.dtype
    accuracy: torch.dtype | None
    accepted: tuple[Dialect, ...]
    recognised: Dialect | None
    nearest: Dialect
    explanation: str = ""
    notes: tuple[str, ...] = ()
    worst: tuple[Case, Compared] | None = None
    unread: Case | None = None


def identify(subject: Formula) -> Identity:
    """How the subject writes the formula under its own defaults; found once, for every combination of its options.

    Raises:
        UsageError: A number of the subject's seems to be an argument of the formula under a name of its own.
    """
    if "identities" not in subject.memory:
        subject.memory["identities"] = _all(subject)
    return subject.memory["identities"][0]


def _all(subject: Formula) -> list[Identity]:
    """The identity under every combination of options; of several results, that of the one that is the formula."""
    found = _each(subject)
    members = subject.memory.pop("members", ())
    if not members or all(one.accepted for one in found):
        return found
    explained: tuple[int | str | None, list[Identity]] = (None, found)
    for key in members:
        pick(subject, key)
        what = "the sum of the results" if key == ALL else f"of the results, {key!r}"
        try:
            again = _each(subject, f"{what} is judged; say output=… for another")
        except UsageError:  # what was asked concerns this member alone
            continue
        if all(one.accepted for one in again):
            return again
        fits = any(one.worst is not None and one.worst[1].shape_fits for one in again)
        if explained[0] is None and key != ALL and fits:
            explained = key, again
    pick(subject, explained[0])
    return explained[1]


def _each(subject: Formula, *notes: str) -> list[Identity]:
    for name in ("compared", "readings"):
        subject.memory.pop(name, None)
    subject.memory[SHARED] = {}
    try:
        found = [_identify(subject, combination) for combination in range(len(subject.combinations()))]
    finally:
        for name in ("compared", SHARED):
            subject.memory.pop(name, None)
    return [replace(one, notes=(*one.notes, *notes)) for one in found]


def identity_of(subject: Formula, case: Case) -> Identity:
    """How the subject writes the formula under the options of a case."""
    identify(subject)
    return subject.memory["identities"][case["#options"] if "#options" in case else 0]


def _identify(subject: Formula, combination: int) -> Identity:
    layout, dtype, calls, notes, unread = _runs(subject, combination)
    assert subject.specification is not None
    dialects = [one for one in subject.specification.all_dialects() if subject.dialect in str(one)]
    accuracy, fitting = None, []
    for one, reading in _read_again(subject, calls):
        accuracy, fitting = None, _fitting(subject, one, dialects, None)
        if not fitting and dtype is torch.float64:
            accuracy, fitting = torch.float32, _fitting(subject, one, dialects, torch.float32)
        if fitting:
            calls = one
            if reading is not None:
                subject.memory.setdefault("readings", {})[combination] = reading
            break
    if fitting and accuracy is not None:
        hint = explain(subject, calls, fitting[0], None) or "a constant in float32, or a guard such as log(x + 1e-8)?"
        notes = (*notes, f"accurate to float32 only: {hint}")
    accepted = tuple(one for one in fitting if _is_accepted(subject, one))
    if accepted:
        return Identity(
            layout=layout, dtype=dtype, accuracy=accuracy, accepted=accepted, recognised=None, nearest=accepted[0],
            notes=notes, unread=unread,
        )  # fmt: skip
    ask_about_leftovers(subject, lambda one: bool(_identify(one, combination).accepted))
    recognised = next(iter(fitting), None)
    nearest = _nearest(subject, calls, dialects)
    return Identity(
        layout=layout, dtype=dtype, accuracy=accuracy if fitting else None, accepted=(), recognised=recognised,
        nearest=recognised or nearest, explanation=explain(subject, calls, nearest, recognised),
        notes=notes if recognised else (*notes, *silent(subject)),
        worst=_worst_probe(subject, calls, nearest), unread=unread,
    )  # fmt: skip


def _read_again(subject: Formula, calls: Calls) -> Iterator[tuple[Calls, Reading | None]]:
    """The calls under each way of reading their draws as the formula's; once, as they are, where there are none."""
    if not calls or calls[0][1].tape is None:
        yield calls, None
        return
    case, made = calls[0]
    for reading in readings(subject, made.tape, case, layout_of(subject, case)):
        drawn = [reading.read(subject, one.tape, at, layout_of(subject, at)) for at, one in calls]
        if all(one is not None for one in drawn):
            yield [(at, replace(one, draws=new or {})) for (at, one), new in zip(calls, drawn, strict=True)], reading


def _worst_probe(subject: Formula, calls: Calls, dialect: Dialect) -> tuple[Case, Compared] | None:
    """The smallest probe that disagrees."""
    judged = [(case, compare(subject, case, made, dialect)) for case, made in calls]
    wrong = [(case, found) for case, found in judged if not found.agrees]
    return min(wrong, key=lambda pair: sum(t.numel() for _, t in pair[0].tensors()), default=None)


def _compared(
    subject: Formula, case: Case, made: Call, dialect: Dialect, accuracy: torch.dtype | None = None
) -> Compared:
    """The comparison of a probe with a dialect, made once while the subject is identified."""
    known = subject.memory.setdefault("compared", {})
    names = tuple(option.name for _, option in dialect.choices)
    if accuracy is torch.float32 and (id(made), names, None) in known and known[id(made), names, None][0].hopeless:
        return known[id(made), names, None][0]
    key = (id(made), names, accuracy)
    if key not in known:
        known[key] = (
            compare(subject, case, made, dialect, accuracy, hurried=True),
            made,
        )  # kept, so that its id stays its own
    return known[key][0]


def _fitting(subject: Formula, calls: Calls, dialects: list[Dialect], accuracy: torch.dtype | None) -> list[Dialect]:
    """The accepted dialects that every probe agrees with; the others only where there is none."""
    accepted = [one for one in dialects if _is_accepted(subject, one)]
    found = [one for one in accepted if _fits(subject, calls, one, accuracy)]
    rest = [one for one in dialects if not _is_accepted(subject, one)]
    return found or [one for one in rest if _fits(subject, calls, one, accuracy)]


def _is_accepted(subject: Formula, dialect: Dialect) -> bool:
    return bool(dialect.accepted_where(subject.undecided) or subject.dialect)


def _fits(subject: Formula, calls: Calls, dialect: Dialect, accuracy: torch.dtype | None) -> bool:
    examined = 0
    for case, made in calls:
        found = _compared(subject, case, made, dialect, accuracy)
        if not found.agrees:
            return False
        examined += found.examined
    return examined > 0


class _Runs(NamedTuple):
    """What the probes were answered with, and one of them whose answer cannot be read."""

    layout: Layout
    dtype: torch.dtype
    calls: Calls
    notes: tuple[str, ...]
    unread: Case | None


def _runs(subject: Formula, combination: int) -> _Runs:
    """The first layout and dtype that the subject takes.

    A layout with shapes of its own is taken when every probe is answered and the values fit it and no earlier one: a
    square weight may be kept either way. Else a layout is not taken when the subject raises on every probe, or raises
    on some and answers the others in a shape that no dialect has. One that shares arguments over the batch is also
    preferred to a full one in which the result has such a shape: the subject broadcast what it was not made for.
    Giving up the batch altogether needs an exception, or a wrong sum over the batch would pass unbatched. Where the
    subject raises on most probes and answers the rest in a fitting shape, by a batch of one or as large as another
    axis, a later layout in which it raises on none is taken.
    """
    dtypes = (torch.float64, torch.float32) if subject.dtype is None else (subject.dtype,)
    misshapen: _Runs | None = None
    unlike: _Runs | None = None
    seldom: _Runs | None = None
    raised, lost = False, None
    shaped = any(one.shapes for one in subject.layouts())
    for dtype in dtypes:
        for layout in subject.layouts():
            if unlike is not None and not layout.shapes:
                continue
            if layout.last_resort and (seldom or unlike or misshapen):
                continue
            calls, refused, unread = _probed(subject, layout, dtype, combination)
            may_try = misshapen is None or bool(layout.shared) or (raised and not refused)
            may_try = not refused if layout.shapes else may_try
            raised, lost = raised or refused > 0, lost or unread
            if not calls or not may_try:
                continue
            found = _Runs(layout, dtype, calls, _narrowness(subject, layout, dtype), unread)
            if _some_shape_fits(subject, calls):
                if refused > len(calls) and seldom is None:
                    seldom = found
                    continue
                if seldom is not None and refused:
                    continue
                if not shaped or _some_dialect_fits(subject, calls):
                    return found
                unlike = unlike or found
                continue
            misshapen = misshapen or found
    return seldom or unlike or misshapen or _Runs(subject.layouts()[0], dtypes[0], [], (), lost)


def _probed(subject: Formula, layout: Layout, dtype: torch.dtype, combination: int) -> tuple[Calls, int, Case | None]:
    """The probes that the subject answered, on how many it raised, and one whose answer cannot be read."""
    calls, refused, unread = [], 0, None
    for case in probes(subject, layout, dtype, combination):
        torch.default_generator.manual_seed(case.seed)
        try:
            calls.append((case, call(subject, case)))
        except SubjectRaised:
            refused += 1
        except Unreadable as error:
            unread = unread or case
            subject.memory.setdefault("members", error.members)
    return calls, refused, unread


def _some_shape_fits(subject: Formula, calls: Calls) -> bool:
    assert subject.specification is not None
    return any(
        all(_shapes_fit(subject, case, made, dialect) for case, made in calls)
        for dialect in subject.specification.all_dialects()
    )


def _some_dialect_fits(subject: Formula, calls: Calls) -> bool:
    assert subject.specification is not None
    dialects = subject.specification.all_dialects()
    dialects = sorted(dialects, key=lambda one: not _is_accepted(subject, one))
    return any(
        _fits(subject, one, dialect, accuracy)
        for one, _ in _read_again(subject, calls)
        for accuracy in (None, torch.float32)
        for dialect in dialects
    )


def _shapes_fit(subject: Formula, case: Case, made: Call, dialect: Dialect) -> bool:
    for index, got in enumerate(made.outputs):
        shape = tuple(expected(subject, case, made, dialect, index).shape)
        if fitted(subject, case, dialect, index, got, shape) is None:
            return False
    return True


def _narrowness(subject: Formula, layout: Layout, dtype: torch.dtype) -> tuple[str, ...]:
    why = "" if layout.shapes and not layout.drop and not layout.shared else ": a full batch is not taken"
    notes = [] if layout is subject.layouts()[0] else [f"judged with {layout.name}{why}"]
    if dtype is not torch.float64:
        notes.append(f"runs in {str(dtype).removeprefix('torch.')} only, and is judged so")
    return tuple(notes)


def _nearest(subject: Formula, calls: Calls, dialects: list[Dialect]) -> Dialect:
    """The accepted dialect from which the subject differs in the simplest way: by a factor, a constant, or seldom."""
    best, score = dialects[0], (-1, False, 0)
    for dialect in dialects:
        if not _is_accepted(subject, dialect):
            continue
        results = [_compared(subject, case, made, dialect) for case, made in calls]
        fits = sum(one.shape_fits for one in results)
        regular = fits == len(calls) > 0 and bool(explain(subject, calls, dialect, None))
        rank = (fits, regular, sum(one.agrees and one.examined > 0 for one in results))
        if rank > score:
            best, score = dialect, rank
    return best
