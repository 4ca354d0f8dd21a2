"""What a run concluded: verdicts, and counts that cannot hide what did not run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from genverify.verdict import Outcome, Verdict

__all__ = ["Report"]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Verdicts in the order in which they were reached, with the run's settings.

    Attributes:
        verdicts: One for each check of each subject.
        planned: How many checks the run set out to do.
        settings: Budget, alpha, seed and versions, as plain data.
        notes: What a reader should know of the run as a whole (side effects that were undone, say).
    """

    verdicts: tuple[Verdict, ...] = ()
    planned: int = 0
    settings: dict[str, str | int | float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Verdict]:
        """The verdicts."""
        return iter(self.verdicts)

    def count(self, outcome: Outcome) -> int:
        """How many verdicts have this outcome."""
        return sum(verdict.outcome is outcome for verdict in self.verdicts)

    @property
    def failures(self) -> tuple[Verdict, ...]:
        """The FAILs that nobody expected, and the PASSes of checks that were expected to fail."""
        return tuple(v for v in self.verdicts if v.outcome is Outcome.FAIL and not v.expected)
