"""Cases of a map: a batch of points, and what a claim needs beside it: a second batch, a cotangent, a group element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.strategies.events import batches, points
from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.region import REAL

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

# Factors of a linear combination: exact in every dtype, and no two combinations alike.
_FACTORS = (1.0, -1.0, 0.5, -2.0, 3.0, 0.0)
_DIRECTIONS = 7


@draws_cases("map")
def map_cases(subject: Map, run: Run) -> SearchStrategy[Case]:
    """Batches of 1 to 4 rows."""
    return _cases(subject, lambda rows: {})


@draws_cases("map", "several rows")
def several_rows(subject: Map, run: Run) -> SearchStrategy[Case]:
    """Batches of 2 to 4 rows, for what can go wrong between rows."""
    return _cases(subject, lambda rows: {}, least=2)


@draws_cases("map", "directions")
def directions(subject: Map, run: Run) -> SearchStrategy[Case]:
    """Batches with the number of a direction along which derivatives are taken."""
    from hypothesis import strategies as st

    return _cases(subject, lambda rows: {"direction": st.integers(0, _DIRECTIONS)})


@draws_cases("map", "combinations")
def combinations(subject: Map, run: Run) -> SearchStrategy[Case]:
    """Two batches and two factors."""
    from hypothesis import strategies as st

    return _cases(
        subject,
        lambda rows: {
            "z": points(subject.where, (rows, *subject.event)),
            "a": st.sampled_from(_FACTORS),
            "b": st.sampled_from(_FACTORS),
        },
    )


@draws_cases("map", "cotangents")
def cotangents(subject: Map, run: Run) -> SearchStrategy[Case]:
    """A batch of points and one of images."""
    event = subject.calls.output_event or ()
    # Two batches of numbers to shrink: few rows are enough, since each is an equation of its own.
    return _cases(subject, lambda rows: {"y": points(REAL, (rows, *event))}, most=2)


@draws_cases("map", "equivariance")
def equivariance(subject: Map, run: Run) -> SearchStrategy[Case]:
    """A batch, and an element of the group that the map is claimed to be equivariant under."""
    return _group(subject, subject.equivariant)


@draws_cases("map", "invariance")
def invariance(subject: Map, run: Run) -> SearchStrategy[Case]:
    """A batch, and an element of the group that the map is claimed to be invariant under."""
    return _group(subject, subject.invariant)


def _group(subject: Map, word: Any) -> SearchStrategy[Case]:  # noqa: ANN401 - a word or functions
    """Steps of a cyclic shift along each axis, the order of a permutation, or nothing beside the points."""
    from hypothesis import strategies as st

    if not isinstance(word, str):
        return _cases(subject, lambda rows: {})
    sizes = [subject.event[axis] for axis in subject.acting(word)]
    if word == "permutation":
        return _cases(subject, lambda rows: {"order": st.permutations(range(sizes[0])).map(list)})
    longest = [max(0, size // subject.shift[0] - 1) for size in sizes]
    return _cases(subject, lambda rows: {"steps": st.tuples(*(st.integers(0, n) for n in longest)).map(list)})


def _cases(subject: Map, beside: Any, least: int = 1, most: int = 4) -> SearchStrategy[Case]:  # noqa: ANN401 - rows → more parts
    from hypothesis import strategies as st

    context = subject.context_shape

    def of_rows(rows: int) -> SearchStrategy[Case]:
        parts: dict[str, SearchStrategy[Any]] = {"x": points(subject.where, (rows, *subject.event)), **beside(rows)}
        if isinstance(context, tuple):
            parts["context"] = points(REAL, (rows, *context))
        return st.fixed_dictionaries(parts).map(lambda values: Case(values=values))

    made = {rows: of_rows(rows) for rows in range(1, 5)}
    # What sees its whole batch (batch norm in training mode) may need more than one row.
    least = least if subject.batch_independent else 2
    return batches(subject.event, least=least).flatmap(lambda rows: made[min(rows, most)])
