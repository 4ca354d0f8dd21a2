"""What is examined of every formula beside what is drawn: one argument at a border of what it may be, the rest generic.

A zero that is taken for "not given", a last step to the data, the first index of a table: a draw seldom meets one of
them where the other arguments show it.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from genverify.strategies.registry import examines
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula, Place
from genverify.subjects.formula_case import at_border
from genverify.subjects.specification import Argument, Role

__all__ = ["border_cases"]

# Of all cases one in so many is at a border: the search for anything else keeps its share.
_SHARE = 6


@examines("formula", last=True)
def border_cases(subject: Formula, run: Run) -> list[Case]:
    """Values apart first, then both ends of what is a number, or one for each sample: a level, a rate, an index."""
    identities = subject.memory.get("identities") or [None]
    identity = identities[0]
    layout = subject.layouts()[0] if identity is None else identity.layout
    dtype = subject.dtype or (torch.float64 if identity is None else identity.dtype)
    found: list[Case] = []
    for argument, raw in _borders(subject):
        if len(found) >= max(2, run.budget.cases // _SHARE):
            break
        case = at_border(subject, layout, dtype, argument.name, raw)
        if case is not None:
            found.append(case)
    return found


def _borders(subject: Formula) -> Iterator[tuple[Argument, float]]:
    """(argument, the raw number at its border), the rarest first."""
    assert subject.match is not None
    given = [one for one in subject.match.bound if one.place is not Place.KEPT and one.argument.role is Role.VALUE]
    yield from ((one.argument, raw) for one in given for raw in one.form.domain.apart)
    controls = [one for one in given if one.argument.axes in ("", "batch")]
    for one in controls:
        low, high = one.form.domain.low, one.form.domain.high
        yield from ((one.argument, float(raw)) for raw in dict.fromkeys((low, high)))
