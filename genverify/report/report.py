"""What a run concluded: verdicts, and counts that cannot hide what did not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genverify.report import data as json_data
from genverify.report.words import TROUBLE, counts_line, details
from genverify.verdict import Outcome, Verdict

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Verdicts in the order in which they were reached, with the run's settings.

    Attributes:
        verdicts: One for each check of each subject.
        planned: How many checks the run set out to do.
        settings: Budget, alpha, seed and versions, as plain data.
        notes: What a reader should know of the run as a whole (side effects that were undone, say).

    >>> Report().exit_status()
    4
    >>> Report.from_json(Report(planned=3).to_json()).planned
    3
    """

    verdicts: tuple[Verdict, ...] = ()
    planned: int = 0
    settings: dict[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Verdict]:
        """The verdicts."""
        return iter(self.verdicts)

    def __len__(self) -> int:
        """How many verdicts there are."""
        return len(self.verdicts)

    def __bool__(self) -> bool:
        """A report is a report, also when it is empty; whether all is well is `exit_status`'s to say."""
        return True

    def count(self, outcome: Outcome) -> int:
        """How many verdicts have this outcome."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def counts(self) -> dict[str, int]:
        """Planned and run checks and their outcomes; an expected failure is counted apart from the failures."""
        expected = len(self.expected_failures)
        absent = self.count(Outcome.NOT_APPLICABLE)
        return {
            "planned": self.planned, "run": len(self) - absent, "passed": self.count(Outcome.PASS),
            "failed": self.count(Outcome.FAIL) - expected, "error": self.count(Outcome.ERROR),
            "inconclusive": self.count(Outcome.INCONCLUSIVE), "not_applicable": absent,
            "expected_failures": expected, "not_reached": max(0, self.planned - len(self)),
        }  # fmt: skip

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The FAILs that nobody expected, and the PASSes of checks that were expected to fail."""
        return tuple(v for v in self.verdicts if v.outcome is Outcome.FAIL and not v.expected)

    @property
    def expected_failures(self) -> tuple[Verdict, ...]:
        """The FAILs that were expected, each with its reason."""
        return tuple(v for v in self.verdicts if v.outcome is Outcome.FAIL and v.expected)

    def exit_status(self, allow_inconclusive: bool = False) -> int:
        """The exit status of the command line.

        0 all PASS or NOT_APPLICABLE, or failed as expected; 1 some FAIL; 3 some ERROR; 4 some INCONCLUSIVE, or nothing
        was settled at all. Where several hold, 1 before 3 before 4. A run that settled nothing is 4 in any case.
        """
        if self.failures:
            return 1
        if self.count(Outcome.ERROR):
            return 3
        if not self.count(Outcome.PASS) and not self.expected_failures:
            return 4
        return 4 if self.count(Outcome.INCONCLUSIVE) and not allow_inconclusive else 0

    def raise_for_failures(self, allow_inconclusive: bool = False) -> None:
        """Does nothing when the exit status is 0.

        Raises:
            AssertionError: Some check says FAIL, ERROR or INCONCLUSIVE (unless allowed), or none passed.
        """
        if not self.exit_status(allow_inconclusive):
            return
        told = [outcome for outcome in TROUBLE if outcome is not Outcome.INCONCLUSIVE or not allow_inconclusive]
        found = [v for outcome in told for v in self.verdicts if v.outcome is outcome and not v.expected]
        texts = [details(verdict, self.settings) for verdict in found] or ["nothing passed, so nothing was verified"]
        raise AssertionError("\n\n".join([counts_line(self), *texts]))

    def to_data(self) -> dict[str, Any]:
        """The report as JSON data."""
        return {
            "planned": self.planned, "counts": self.counts,
            "settings": {name: json_data.number(value) for name, value in self.settings.items()},
            "notes": list(self.notes), "verdicts": [json_data.verdict_to_data(verdict) for verdict in self.verdicts],
        }  # fmt: skip

    def to_json(self) -> str:
        """The report as strict JSON, with its schema's name and version; `from_json` reads it back exactly."""
        return json_data.to_json(self.to_data())

    @classmethod
    def from_json(cls, text: str) -> Report:
        """The report that `to_json` wrote. The text is data only; nothing in it is run.

        Raises:
            UsageError: The text is not a report of this version.
        """
        data = json_data.from_json(text)
        planned, settings, notes = json_data.counts(data)
        return cls(verdicts=json_data.verdicts(data), planned=planned, settings=settings, notes=notes)

    def to_html(self) -> str:
        """A page that needs nothing beside itself: no script, no style sheet, no picture from elsewhere."""
        from genverify.report.html import page

        return page(self)

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from genverify.report.html import fragment

        return fragment(self)

    def __rich__(self) -> RenderableType:
        """What a rich console shows: a table by subject, what went wrong, the counts."""
        from genverify.report.table import renderable

        return renderable(self)

    def __str__(self) -> str:
        """The same as plain text, without colours."""
        from genverify.report.table import text

        return text(self)
