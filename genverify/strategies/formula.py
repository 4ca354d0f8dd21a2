"""Cases of a formula: its core shapes with batch 1 and more, the dtype's extremes, equal and repeated values, views."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from hypothesis import assume
from hypothesis import strategies as st

from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import axis_sizes, build

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["extreme_cases", "formula_cases"]

# Moderate values are drawn on a grid: short numbers shrink well and read well.
_GRID = 16


def _number(domain: Domain, dtype: torch.dtype, style: str) -> SearchStrategy[float]:
    low, high = domain.bounds(dtype, extreme=style == "extreme")
    if domain.integral:
        return st.integers(int(low), int(high)).map(float)
    if style == "extreme":
        return st.floats(low, high, allow_nan=False, allow_infinity=False)
    steps = st.integers(0, _GRID)
    start, stop = min(max(domain.simple, low), high), st.booleans()
    return st.tuples(steps, stop).map(lambda p: start + ((low if p[1] else high) - start) * p[0] / _GRID)


@draws_cases("formula")
def formula_cases(subject: Formula, run: Run) -> SearchStrategy[Case]:
    """Ordinary cases, in the layout and dtypes that the subject takes."""
    return _cases(subject, ["moderate", "equal"])


@draws_cases("formula", "extremes")
def extreme_cases(subject: Formula, run: Run) -> SearchStrategy[Case]:
    """Cases up to the extremes of the domain."""
    return _cases(subject, ["extreme"])


def _cases(subject: Formula, styles: list[str]) -> SearchStrategy[Case]:
    identity = subject.memory.get("identity")
    layout = identity.layout if identity is not None else subject.layouts()[0]
    only = subject.dtype or (identity.dtype if identity is not None and identity.dtype is not torch.float64 else None)
    dtypes = [torch.float64, torch.float32] if only is None else [only]
    assert subject.specification is not None
    constraint = subject.specification.constraint
    allowed = axis_sizes(subject, layout)

    @st.composite
    def cases(draw: DrawFn) -> Case:
        dtype = draw(st.sampled_from(dtypes))
        style = draw(st.sampled_from(styles))
        sizes = {axis: draw(st.sampled_from(sorted(known))) for axis, known in allowed.items()}
        if constraint is not None:
            assume(constraint(sizes))

        def numbers(name: str, domain: Domain, count: int) -> torch.Tensor:
            each = _number(domain, dtype, style)
            if style == "equal":
                drawn = [draw(each)] * count
            else:
                drawn = draw(st.lists(each, min_size=count, max_size=count))
            return torch.tensor(drawn, dtype=torch.float64)

        return build(
            subject, layout, sizes, dtype, numbers, leave=lambda name: draw(st.booleans()),
            strided=draw(st.booleans()), seed=draw(st.integers(0, 3)),
        )  # fmt: skip

    return cases()
