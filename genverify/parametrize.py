"""Checks as parameters of somebody's own test: one test for each check of each subject, in scikit-learn's form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from genverify import pytest_plugin
from genverify.checks.check import Check, checks_for, find_check
from genverify.errors import UsageError
from genverify.report import Report
from genverify.report.words import details
from genverify.subjects.subject import Subject
from genverify.verdict import Outcome, Verdict
from genverify.verify import verify

if TYPE_CHECKING:
    from _pytest.mark.structures import MarkDecorator

__all__ = ["CheckOfSubject", "parametrize_with_checks"]

Expectations = Mapping[str, str] | Callable[[Any], Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class CheckOfSubject:
    """A check that a test calls with its subject; it raises, skips, or does nothing.

    Attributes:
        name: ``kind.property``.
        statistical: Whether it spends a share of the session's alpha.
        expected: Check name → the reason for which it is expected to fail.
        siblings: How many statistical checks its own decorator holds; the share when no plugin counts the session's.
    """

    name: str
    statistical: bool = False
    expected: Mapping[str, str] = field(default_factory=dict)
    siblings: int = 1

    def __call__(self, subject: Subject) -> None:
        """Runs the check.

        Raises:
            AssertionError: It says FAIL, ERROR or INCONCLUSIVE, or passes although it was expected to fail.
        """
        __tracebackhide__ = True
        settings = pytest_plugin.settings()
        share = settings.alpha / max(1, settings.statistical or self.siblings) if self.statistical else settings.alpha
        report = verify(
            subject, checks=[self.name], budget=settings.budget, alpha=share, seed=settings.seed,
            expected_failures=self.expected,
        )  # fmt: skip
        for verdict in report:
            pytest_plugin.record(verdict)
            _say(verdict, report)

    def __repr__(self) -> str:
        return self.name


def parametrize_with_checks(
    subjects: Subject | Iterable[Subject],
    *,
    checks: Sequence[str] | None = None,
    expected_failures: Expectations | None = None,
) -> MarkDecorator:
    """``pytest.mark.parametrize("subject, check", …)`` over every check of every subject.

    Args:
        subjects: One subject, or several.
        checks: Names of the checks to run; all of each subject's kind by default.
        expected_failures: Check name → reason, or a function that makes this of a subject. Such a FAIL is reported as
            an expected failure (xfail), such a PASS as a failure: the expectation is stale.

    Raises:
        UsageError: There is no such check, or there is nothing to check.

    >>> mark = parametrize_with_checks([Subject(len, name="length")], checks=[])
    Traceback (most recent call last):
        ...
    genverify.errors.UsageError: got subjects for which no check was chosen; expected at least one check; leave out ...
    """
    for name in checks or ():
        find_check(name)
    chosen: list[tuple[Subject, Check, Mapping[str, str]]] = []
    for subject in [subjects] if isinstance(subjects, Subject) else list(subjects):
        expected = _expected(expected_failures, subject)
        chosen += [(subject, one, expected) for one in checks_for(subject.kind) if checks is None or one.name in checks]
    if not chosen:
        raise UsageError(
            given="subjects for which no check was chosen", expected="at least one check",
            do="leave out checks=, or see genverify list checks",
        )  # fmt: skip
    siblings = max(1, sum(one.statistical for _, one, _ in chosen))
    return pytest.mark.parametrize(
        ("subject", "check"),
        [
            pytest.param(
                subject,
                CheckOfSubject(name=one.name, statistical=one.statistical, expected=expected, siblings=siblings),
                id=f"{subject.label}-{one.name}",
            )
            for subject, one, expected in chosen
        ],
    )


def _expected(expected_failures: Expectations | None, subject: Subject) -> Mapping[str, str]:
    found = expected_failures(subject) if callable(expected_failures) else (expected_failures or {})
    for name in found:
        find_check(name)
    return dict(found)


def _say(verdict: Verdict, report: Report) -> None:
    __tracebackhide__ = True
    if verdict.outcome is Outcome.NOT_APPLICABLE:
        pytest.skip(verdict.evidence.message)
    if verdict.outcome is Outcome.FAIL and verdict.expected:
        pytest.xfail(verdict.expected)
    if verdict.outcome is not Outcome.PASS:
        raise AssertionError(details(verdict, report.settings))
