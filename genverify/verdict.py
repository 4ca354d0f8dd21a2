"""What a check concluded, and how it knows.

A verdict is plain data: it holds numbers, words and rendered witnesses, never tensors or callables, so it can be
written to JSON, read back and compared between runs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

__all__ = [
    "Evidence", "Judgement", "Outcome", "Rung", "Verdict", "failed", "inconclusive", "not_applicable", "passed",
    "withheld",
]  # fmt: skip


class Outcome(StrEnum):
    """The five outcomes of a check (the verdict states of TTCN-3, ETSI ES 201 873-1, section 24)."""

    PASS = "PASS"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    ERROR = "ERROR"
    NOT_APPLICABLE = "NOT_APPLICABLE"


class Rung(StrEnum):
    """How we know, from the strongest kind of evidence to the weakest."""

    DERIVED = "derived"
    EXACT = "exact"
    CERTIFIED = "certified"
    SEARCHED = "searched"
    STATISTICAL = "statistical"


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers behind a verdict.

    Attributes:
        rung: The kind of evidence.
        examined: How many cases or points were really judged; 0 can never support a PASS.
        quantity: What `observed` measures, for example ``"|error|"``.
        observed: The worst value that was met.
        allowed: The derived allowance at that point, in the units of `observed`.
        unit: The dtype or unit in which the two are stated.
        message: What was found, in one or two plain sentences.
        witness: The input that shows it: argument name to rendered value.
        guarantee: What the evidence guarantees, and what it does not.
        assumption: What a statistical statement rests on.
        figures: Further named numbers (n, alpha, interval, resolution, ulps, evaluations, ...).
        notes: Things a reader should know: a dialect that was recognised, a narrowness, a side effect.
    """

    rung: Rung = Rung.SEARCHED
    examined: int = 0
    quantity: str = "|error|"
    observed: float | None = None
    allowed: float | None = None
    unit: str = ""
    message: str = ""
    witness: Mapping[str, str] = field(default_factory=dict)
    guarantee: str = ""
    assumption: str = ""
    figures: Mapping[str, float | int | str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        """Observed over allowed: at most 1 within the allowance; 0 when nothing was measured."""
        if self.observed is None or self.allowed is None:
            return 0.0
        if math.isnan(self.observed):
            return math.inf
        if self.allowed == 0:
            return 0.0 if self.observed == 0 else math.inf
        return self.observed / self.allowed


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One check's word on one case.

    Attributes:
        outcome: What was concluded.
        evidence: How we know.
        withholds: Whether an INCONCLUSIVE here withholds a PASS, whatever the other cases say: a difference was seen
            that could not be weighed.
    """

    outcome: Outcome
    evidence: Evidence
    withholds: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One check's word on one subject, over all the cases that were examined.

    Attributes:
        check: Name of the check, for example ``"bijection.logabsdet"``.
        subject: How the subject is called in reports.
        kind: The kind of subject, for example ``"bijection"``.
        outcome: What was concluded.
        evidence: How we know.
        statement: What was checked, in one sentence.
        source: Where the statement comes from.
        replay: A token that runs the decisive case again.
        snippet: Python text that shows a failure when pasted into a session.
        expected: The reason for which this failure was expected; empty when it was not.
    """

    check: str
    subject: str
    kind: str
    outcome: Outcome
    evidence: Evidence
    statement: str = ""
    source: str = ""
    replay: str = ""
    snippet: str = ""
    expected: str = ""

    def __str__(self) -> str:
        """The verdict as a person reads it: observed, allowed, where, replay, source."""
        e = self.evidence
        head = f"{self.outcome} {self.check}"
        if self.outcome is Outcome.FAIL and e.observed is not None and e.allowed is not None:
            head += f": {e.quantity} {e.observed:.1e} > {e.allowed:.1e} allowed" + (f" ({e.unit})" if e.unit else "")
            if e.witness:
                head += " at " + ", ".join(f"{name}={value}" for name, value in e.witness.items())
        elif e.message:
            head += f": {e.message}"
        lines = [head]
        if self.outcome in (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE):
            if e.message and e.message not in head:
                lines.append(e.message)
            if e.witness and e.observed is None:
                lines.append("at " + ", ".join(f"{name}={value}" for name, value in e.witness.items()))
            lines.extend(f"note: {note}" for note in e.notes)
            if self.expected:
                lines.append(f"expected: {self.expected}")
            if self.replay:
                lines.append(f"replay: {self.replay}")
            if self.source:
                lines.append(f"source: {self.source}")
        return "\n     ".join(lines)


def passed(**evidence: object) -> Judgement:
    """A PASS with this evidence."""
    return Judgement(outcome=Outcome.PASS, evidence=Evidence(**evidence))  # type: ignore[arg-type]


def failed(**evidence: object) -> Judgement:
    """A FAIL with this evidence."""
    return Judgement(outcome=Outcome.FAIL, evidence=Evidence(**evidence))  # type: ignore[arg-type]


def inconclusive(message: str, **evidence: object) -> Judgement:
    """An INCONCLUSIVE that says why."""
    return Judgement(outcome=Outcome.INCONCLUSIVE, evidence=Evidence(message=message, **evidence))  # type: ignore[arg-type]


def withheld(message: str, **evidence: object) -> Judgement:
    """An INCONCLUSIVE that no other case's PASS outweighs: a difference was seen that could not be weighed."""
    return replace(inconclusive(message, **evidence), withholds=True)


def not_applicable(message: str, **evidence: object) -> Judgement:
    """A NOT_APPLICABLE that names the missing capability or the unexamined region."""
    return Judgement(outcome=Outcome.NOT_APPLICABLE, evidence=Evidence(message=message, **evidence))  # type: ignore[arg-type]
