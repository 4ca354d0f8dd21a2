"""Cases of a bijection: a batch of points of its domain, a context, and a variation of its parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.strategies.events import batches, points
from genverify.strategies.registry import draws_cases
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.region import REAL

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_VARIATIONS = 5


@draws_cases("bijection")
def bijection_cases(subject: Bijection, run: Run) -> SearchStrategy[Case]:
    """Batches of 1 to 4 rows."""
    return _cases(subject, least=1)


@draws_cases("bijection", "several rows")
def bijection_cases_of_several_rows(subject: Bijection, run: Run) -> SearchStrategy[Case]:
    """Batches of 2 to 4 rows, for what can go wrong between rows."""
    return _cases(subject, least=2)


def _cases(subject: Bijection, least: int) -> SearchStrategy[Case]:
    from hypothesis import strategies as st

    with_y = subject.image is not None and subject.calls.inverse is not None and not subject.onto.simplex
    context = subject.context_shape

    def of_rows(rows: int) -> SearchStrategy[Case]:
        parts: dict[str, SearchStrategy[Any]] = {"x": points(subject.where, (rows, *subject.event))}
        if with_y:
            parts["y"] = points(subject.onto, (rows, *subject.event))
        if isinstance(context, tuple):
            parts["context"] = points(REAL, (rows, *context))
        if subject.calls.parameters:
            parts["variation"] = st.integers(0, _VARIATIONS)
        return st.fixed_dictionaries(parts).map(lambda values: Case(values=values))

    made = {rows: of_rows(rows) for rows in range(1, 5)}
    return batches(subject.event, least=least).flatmap(made.__getitem__)
