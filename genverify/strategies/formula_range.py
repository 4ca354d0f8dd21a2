"""The one case of a formula's accuracy: the whole range, of which the run's seed says what is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["whole_range"]


@draws_cases("formula", "range")
def whole_range(subject: Formula, run: Run) -> SearchStrategy[Case]:
    """One case without values; the check derives them from the run's seed."""
    return st.just(Case())
