"""The type of a check, and the registry to which every file of this room adds its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from genverify.errors import UsageError, nearest
from genverify.rooms import files_of
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.verdict import Judgement, Rung

__all__ = ["Check", "all_checks", "check", "checks_for", "find_check"]

Judge = Callable[[Any, Case, Run], Judgement]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One property of one kind of subject, judged one case at a time.

    Attributes:
        name: ``kind.property``.
        kind: The kind of subject that it judges.
        statement: What must hold, in one sentence.
        source: Author, year, equation.
        rung: The kind of evidence that a PASS rests on.
        judge: (subject, case, run) → judgement.
        requires: Why the check does not apply to a subject, or None when it does.
        searched: Whether Hypothesis searches and shrinks; if not, the cases are fixed before the check runs.
        statistical: Whether it spends a share of the run's alpha.
        family: Which strategy of the subject's kind draws its cases.
        derivation: Name of the claim that it rests on, which a spec proves; empty when it is a definition.
        before: Called once with the subject before any case is drawn, to learn what the cases depend on.
    """

    name: str
    kind: str
    statement: str
    source: str
    rung: Rung
    judge: Judge
    requires: Callable[[Any], str | None]
    searched: bool = True
    statistical: bool = False
    family: str = "cases"
    before: Callable[[Any], object] | None = None
    derivation: str = ""


_REGISTRY: dict[str, Check] = {}


def check(
    name: str,
    *,
    statement: str,
    source: str,
    rung: Rung = Rung.SEARCHED,
    requires: Callable[[Any], str | None] = lambda subject: None,
    searched: bool = True,
    statistical: bool = False,
    family: str = "cases",
    before: Callable[[Any], object] | None = None,
    derivation: str = "",
) -> Callable[[Judge], Judge]:
    """Registers the decorated judge under ``kind.property``; the kind is the part before the first dot."""

    def register(judge: Judge) -> Judge:
        _REGISTRY[name] = Check(
            name=name, kind=name.partition(".")[0], statement=statement, source=source, rung=rung, judge=judge,
            requires=requires, searched=searched and not statistical, statistical=statistical, family=family,
            before=before, derivation=derivation,
        )  # fmt: skip
        return judge

    return register


def all_checks() -> dict[str, Check]:
    """Every check of this room by name; importing the files registers them."""
    files_of("genverify.checks")
    return dict(sorted(_REGISTRY.items()))


def checks_for(kind: str) -> list[Check]:
    """The checks of a kind of subject, in the order of their names."""
    files_of("genverify.checks", f"{kind}_")
    return [found for _, found in sorted(_REGISTRY.items()) if found.kind == kind]


def find_check(name: str) -> Check:
    """The check of that name.

    Raises:
        UsageError: There is no such check.
    """
    for found in checks_for(name.partition(".")[0]):
        if found.name == name:
            return found
    known = all_checks()
    if name not in known:
        raise UsageError(given=f"check {name!r}", expected="the name of a check", do=nearest(name, known))
    return known[name]
