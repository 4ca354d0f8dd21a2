"""Formulas that only these tests know, and the verdicts on a function that is held against one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import genverify as gv
from genverify.formulas import catalogue
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Specification


@contextmanager
def known(**fields: object) -> Iterator[str]:
    """A formula that the catalogue knows inside the block."""
    fields = {"name": "toy.formula", "statement": "a toy", "source": "this test", "layouts": None, **fields}
    if fields["layouts"] is None:
        del fields["layouts"]
    made = Specification(**fields)  # type: ignore[arg-type]
    catalogue.formula(made)
    try:
        yield made.name
    finally:
        del catalogue._REGISTRY[made.name]


def outcome(f: object, like: str, by: str, **fields: object) -> str:
    """What one check says."""
    report = gv.verify(Formula(f, like=like, **fields), budget="quick", checks=[f"formula.{by}"])
    return str(report.verdicts[0].outcome)


_JUDGES = ("formula.dialect", "formula.value", "formula.gradient", "formula.inputs_untouched")


def right(f: object, like: str, *, checks: tuple[str, ...] = _JUDGES, **fields: object) -> None:
    """No check objects, and some check passes."""
    report = gv.verify(Formula(f, like=like, **fields), budget="quick", checks=checks)
    bad = [str(one) for one in report if one.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS)


def wrong(f: object, like: str, by: str, **fields: object) -> str:
    """The named check says FAIL; its message."""
    report = gv.verify(Formula(f, like=like, **fields), budget="quick", checks=[f"formula.{by}"])
    (found,) = report.verdicts
    assert found.outcome is gv.Outcome.FAIL, str(report)
    return found.evidence.message
