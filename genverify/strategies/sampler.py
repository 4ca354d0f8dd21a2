"""Cases of a sampler: small joint laws at generic parameters, so that no two entries are equal by accident."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from hypothesis import strategies as st

from genverify.strategies.registry import draws_cases
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.domains import Domain
from genverify.subjects.formula_case import build
from genverify.subjects.sampler import Sampler

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["sampler_cases", "spread_numbers"]

# Numbers are drawn without repetition from a grid in this order: coprime steps, so that small indices lie far apart.
_GRID, _STEP = 31, 12


def spread_numbers(draw: DrawFn, domain: Domain, count: int, place: int = 0) -> torch.Tensor:
    """Distinct numbers of a domain's moderate range, repeated where it has too few; `place` shifts the simplest."""
    if domain.integral:
        low, high = int(domain.low), int(domain.high)
        return torch.tensor([draw(st.integers(low, high)) for _ in range(count)], dtype=torch.float64)
    unique = count <= _GRID
    drawn = draw(st.lists(st.integers(0, _GRID - 1), min_size=count, max_size=count, unique=unique))
    share = [((index * _STEP + 7 * place + 7) % _GRID + 0.5) / _GRID for index in drawn]
    return torch.tensor([domain.low + (domain.high - domain.low) * x for x in share], dtype=torch.float64)


@draws_cases("sampler")
def sampler_cases(subject: Sampler, run: Run) -> SearchStrategy[Case]:
    """Cases in the layout and the dtype that the subject takes."""
    assert subject.named is not None
    layout, dtype = subject.memory["layout"], subject.memory["dtype"]
    known = subject.named.specification
    axes = {axis for argument in known.arguments for axis in layout.axes(argument)}
    places = {argument.name: place for place, argument in enumerate(known.arguments)}

    @st.composite
    def cases(draw: DrawFn) -> Case:
        sizes = {axis: draw(st.sampled_from(known.sizes.get(axis, (2, 1)))) for axis in sorted(axes)}
        # Only the match of the subject is read, which a Sampler has as a Formula has.
        return build(
            cast(Any, subject),
            layout,
            sizes,
            dtype,
            lambda name, domain, count: spread_numbers(draw, domain, count, places[name]),
            leave=lambda name: False,
            seed=draw(st.integers(0, 3)),
        )

    return cases()
