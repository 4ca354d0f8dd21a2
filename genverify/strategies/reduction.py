"""Making a fixed failing case smaller: the next smaller ones are tried until none of them fails in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from genverify.subjects.case import Case
from genverify.verdict import Judgement

__all__ = ["Smaller", "nothing_smaller", "reduced"]

Smaller = Callable[[Case], Iterable[Case]]


def nothing_smaller(case: Case) -> Iterator[Case]:
    """No case is smaller."""
    return iter(())


def reduced(
    failing: tuple[Case, Judgement], judge: Callable[[Case], Judgement], smaller: Smaller, *, limit: int
) -> tuple[Case, Judgement]:
    """The failing case, or a smaller one of which the judge says the same; `limit` cases are judged at most.

    What a message says up to its first semicolon is what is wrong; what follows are the numbers of the case.
    """
    found, spent = failing, 0
    progress = True
    while progress:
        progress = False
        for case in smaller(found[0]):
            if spent >= limit:
                return found
            spent += 1
            judgement = judge(case)
            if judgement.outcome is found[1].outcome and _says(judgement) == _says(found[1]):
                found, progress = (case, judgement), True
                break
    return found


def _says(judgement: Judgement) -> str:
    return judgement.evidence.message.partition(";")[0]
