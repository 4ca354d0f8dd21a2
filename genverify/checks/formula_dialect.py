"""Which dialect of the formula the subject follows, found on fixed generic probes and then held against every case."""

from __future__ import annotations

import torch

from genverify.checks.check import check
from genverify.checks.formula_call import Unreadable, call, witness
from genverify.checks.formula_identity import Identity, identify
from genverify.checks.formula_result import unread
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.verdict import Judgement, Rung, failed, passed

__all__ = ["dialect"]


@check(
    "formula.dialect",
    statement="the values follow one accepted dialect of the formula",
    source="the formula's own; see `genverify explain`",
    rung=Rung.EXACT,
    searched=False,
    before=identify,
    requires=lambda subject: None if subject.order is None else "it approximates the formula: see formula.order",
)
def dialect(subject: Formula, case: Case, run: Run) -> Judgement:
    """Names the dialect under every combination of options, or says that none fits."""
    identify(subject)
    found: list[Identity] = subject.memory["identities"]
    for chosen, one in zip(subject.combinations(), found, strict=True):
        if not one.accepted or one.unread is not None:
            return _refuted(subject, case, one, chosen)
    named = [
        f"dialect: {one.accepted[0]}" + (f" with {_words(chosen)}" if chosen else "")
        for chosen, one in zip(subject.combinations(), found, strict=True)
    ]
    notes = (*named, f"matched: {subject.match}", *dict.fromkeys(note for one in found for note in one.notes))
    return passed(
        rung=Rung.EXACT, examined=1, message="; ".join(named), notes=notes,
        guarantee="the dialect fits fixed generic probes within the rounding allowance",
    )  # fmt: skip


def _seeded(case: Case) -> None:
    torch.default_generator.manual_seed(case.seed)


def _words(chosen: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in chosen.items())


def _refuted(subject: Formula, case: Case, found: Identity, chosen: dict[str, object]) -> Judgement:
    assert subject.specification is not None
    if found.unread is not None or found.worst is None:
        at = found.unread or case
        _seeded(at)
        try:
            call(subject, at)  # a subject that raises is FAIL with this input as its witness
        except Unreadable as error:
            return unread(error, witness(subject, at))
    why = found.explanation or "on generic inputs its values follow no dialect of the formula"
    message = f"not {subject.like} ({subject.specification.statement}): {why}"
    if chosen:
        message += f"; with {_words(chosen)}"
    notes = (f"matched: {subject.match}", *found.notes)
    if found.worst is None:
        return failed(rung=Rung.EXACT, examined=1, message=message, notes=notes, witness=witness(subject, case))
    where, compared = found.worst
    seen = {"observed": compared.error, "allowed": compared.allowed} if compared.shape_fits else {}
    return failed(
        rung=Rung.EXACT, examined=1, message=message, notes=notes, witness=witness(subject, where),
        unit=str(found.dtype).removeprefix("torch."), **seen,
    )  # fmt: skip
