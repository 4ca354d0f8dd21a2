"""The sentences of a report that its text, its table and its HTML share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from genverify.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from genverify.report.report import Report

__all__ = ["TROUBLE", "by_subject", "counts_line", "details", "measured", "outcome_word", "remarks", "worst_line"]

# In the order in which the exit status looks at them.
TROUBLE = (Outcome.FAIL, Outcome.ERROR, Outcome.INCONCLUSIVE)


def by_subject(report: Report) -> list[list[Verdict]]:
    """The verdicts of each subject; two subjects of one name are told apart, since no check judges a subject twice."""
    groups: list[list[Verdict]] = []
    for verdict in report:
        last = groups[-1] if groups else []
        same = last and (last[0].subject, last[0].kind) == (verdict.subject, verdict.kind)
        if same and all(one.check != verdict.check for one in last):
            last.append(verdict)
        else:
            groups.append([verdict])
    return groups


def counts_line(report: Report) -> str:
    """Planned, run, passed and the rest, in one line that says it when the count shrank."""
    n = report.counts
    parts = [f"{n['passed']} passed"]
    for name in ("failed", "error", "inconclusive", "not_applicable", "expected_failures"):
        word = {"error": "errors" if n[name] != 1 else "error"}.get(name, name.replace("_", " "))
        if n[name]:
            parts.append(f"{n[name]} {word}")
    line = f"{n['planned']} planned, {n['run']} run: {', '.join(parts)}"
    if n["not_reached"]:
        line += f"; {n['not_reached']} never reached"
    if n["run"] < n["planned"]:
        line += f" (only {n['run']} of the {n['planned']} planned checks ran)"
    return line


def outcome_word(verdict: Verdict) -> str:
    """The outcome; a failure that was expected says so."""
    return "FAIL, expected" if verdict.expected else verdict.outcome.value.replace("_", " ")


def measured(verdict: Verdict) -> str:
    """Observed against allowed, or why there is nothing to compare."""
    e = verdict.evidence
    if e.observed is not None and e.allowed is not None:
        sign = ">" if e.ratio > 1 else "≤"
        return f"{e.quantity} {e.observed:.1e} {sign} {e.allowed:.1e}" + (f" ({e.unit})" if e.unit else "")
    if verdict.outcome is Outcome.PASS:
        return ""
    return e.message


def examined(verdict: Verdict) -> str:
    """The kind of evidence, and over how many cases."""
    e = verdict.evidence
    return f"{e.rung.value}, {e.examined}" if verdict.outcome is not Outcome.NOT_APPLICABLE else ""


def details(verdict: Verdict, settings: Mapping[str, object]) -> str:
    """A failure as a person reads it: observed, allowed, where, replay, source, and a snippet to paste."""
    text = f"{verdict.subject}\n{verdict}"
    command = settings.get("command")
    if verdict.replay and command:
        token = f"replay: {verdict.replay}"
        text = text.replace(token, f"replay: {command} --check {verdict.check} --replay {verdict.replay}")
    # The snippet stands at the margin: what is copied from a terminal must run as it is.
    return f"{text}\n     in Python:\n{verdict.snippet}" if verdict.snippet else text


def remarks(report: Report) -> list[str]:
    """The report's own notes, and those of verdicts that are not told in full; each once for a subject."""
    checks: dict[tuple[str, str], list[str]] = {}
    for verdict in report:
        for note in verdict.evidence.notes if verdict.outcome not in TROUBLE else ():
            checks.setdefault((verdict.subject, note), []).append(verdict.check)
    told = [f"{subject}: {note} ({_these(names)})" for (subject, note), names in checks.items()]
    return [*report.notes, *told]


def _these(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"in {len(names)} checks"


def worst_line(report: Report) -> str:
    """The verdict that came closest to its allowance, or went furthest past it; empty when nothing was measured."""
    found = [v for v in report if v.evidence.observed is not None and v.evidence.allowed is not None]
    if not found:
        return ""
    worst = max(found, key=lambda v: v.evidence.ratio)
    return f"worst: {worst.subject} {worst.check}: {measured(worst)}"
