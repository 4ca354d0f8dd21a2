"""Cases of a density: a context for what is integrated over all of its support, and batches of points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.strategies.events import batches, points
from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.density import Density
from genverify.subjects.region import REAL

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


@draws_cases("density", "contexts")
def density_contexts(subject: Density, run: Run) -> SearchStrategy[Case]:
    """One context, or nothing: the points are those of a quadrature."""
    from hypothesis import strategies as st

    if not isinstance(subject.context_shape, tuple):
        return st.just(Case())
    return points(REAL, (1, *subject.context_shape)).map(lambda context: Case(values={"context": context}))


@draws_cases("density")
def density_cases(subject: Density, run: Run) -> SearchStrategy[Case]:
    """Batches of 2 to 4 points of the support."""
    from hypothesis import strategies as st

    def of_rows(rows: int) -> SearchStrategy[Case]:
        parts: dict[str, SearchStrategy[Any]] = {"x": points(subject.where, (rows, *subject.event))}
        if isinstance(subject.context_shape, tuple):
            parts["context"] = points(REAL, (rows, *subject.context_shape))
        return st.fixed_dictionaries(parts).map(lambda values: Case(values=values))

    made = {rows: of_rows(rows) for rows in range(2, 5)}
    return batches(subject.event, least=2).flatmap(made.__getitem__)
