"""How much the catalogue holds of each topic, counted from what is registered."""

from __future__ import annotations

from collections import Counter

from genverify.checks.check import all_checks
from genverify.claims import Status
from genverify.formulas.catalogue import all_claims, all_formulas
from genverify.formulas.references import reference_subjects

__all__ = ["counts"]

_COLUMNS = ("formulas", "references", "derived", "supported", "refuted")


def counts() -> str:
    """One line a topic: its formulas (rules, laws and targets are named formulas, too), references and claims."""
    from genverify.formulas.law import all_laws
    from genverify.formulas.optimizer_rules import RULES
    from genverify.formulas.target import all_targets

    table: dict[str, Counter[str]] = {}

    def add(topic: str, column: str) -> None:
        table.setdefault(topic, Counter())[column] += 1

    for name in [*all_formulas(), *RULES, *all_laws(), *all_targets()]:
        add(name.partition(".")[0], "formulas")
    for subject in reference_subjects():
        said = getattr(subject, "like", "") or getattr(subject, "rule", "")
        add(said.partition(".")[0] if "." in said else "optimizer" if said else subject.kind, "references")
    for claim in all_claims().values():
        add(claim.name.partition(".")[0], claim.status.value.lower())
    kinds = Counter(one.kind for one in all_checks().values())
    total = sum(table.values(), Counter())
    lines = [f"  {'topic':24s}" + "".join(f"{column:>12s}" for column in _COLUMNS)]
    for topic, found in [*sorted(table.items()), ("in all", total)]:
        lines.append(f"  {topic:24s}" + "".join(f"{found[column] or '-':>12}" for column in _COLUMNS))
    lines.append("  checks: " + ", ".join(f"{kind} {number}" for kind, number in sorted(kinds.items())))
    assert {status.value.lower() for status in Status} <= set(_COLUMNS), "a status of a claim is not counted"
    return "\n".join(lines)
