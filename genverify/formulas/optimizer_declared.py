"""What a subject declares of its hyperparameters, under the names of its rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from genverify.errors import UsageError, nearest
from genverify.formulas.optimizer_rule import Rule
from genverify.subjects.optimizer import Convention, Optimizer

__all__ = ["canonical_values", "claimed_values"]


def claimed_values(subject: Optimizer, rule: Rule, convention: Convention) -> dict[str, Any]:
    """What the subject claims, checked against what it could mean."""
    known = [*convention.arguments, *(word for one in rule.hypers for word in (one.name, *one.aliases)), *rule.tuples]
    for name, value in subject.hyper.items():
        if name not in known and not convention.open_ended:
            raise UsageError(
                given=f"{name}={value!r} for {subject.label} under the rule {rule.name!r}",
                expected="a hyperparameter of the rule or an argument of the implementation",
                do=nearest(name, known),
            )
    claimed = canonical_values(rule, subject.hyper)
    carried = canonical_values(rule, convention.fixed)
    for name, value in claimed.items():
        if name in carried and not convention.arguments and carried[name] != value:
            raise UsageError(
                given=f"{name}={value!r} for {subject.label}, which carries {name}={carried[name]!r}",
                expected="one value",
                do="leave it out: an instance's hyperparameters are read from it",
            )
    return dict(subject.hyper)


def canonical_values(rule: Rule, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Values under the rule's own names; what the rule does not know is left out, and so is None."""
    found: dict[str, Any] = {}
    for name, value in raw.items():
        value = value.item() if isinstance(value, Tensor) else value
        if isinstance(value, (tuple, list)):
            pairs = zip(rule.tuples.get(name, ()), value, strict=False)
            found.update({one: number for one, number in pairs if number is not None and one not in found})
            continue
        canonical = rule.canonical(name)
        if canonical is not None and value is not None and isinstance(value, (bool, int, float)):
            found.setdefault(canonical, value)
    return found
