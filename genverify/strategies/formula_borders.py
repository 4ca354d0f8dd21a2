"""What is examined of every formula beside what is drawn: one argument at a border of what it may be, the rest generic.

A zero that is taken for "not given", a last step to the data, the first index of a table: a draw seldom meets one of
them where the other arguments show it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from genverify.strategies.pairwise import every_pair
from genverify.strategies.registry import examines
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.formula_case import at_border, domains_of
from genverify.subjects.specification import Role

__all__ = ["border_cases"]

# Of all cases one in so many is at a border: the search for anything else keeps its share.
_SHARE = 6
# Options of so many values and more are numbers: a size, a count.
_FEW = 4


@examines("formula", last=True)
def border_cases(subject: Formula, run: Run) -> list[Case]:
    """Values apart first, then every two values of options together, then both ends of what is one number."""
    identities = subject.memory.get("identities") or [None]
    identity = identities[0]
    layout = subject.layouts()[0] if identity is None else identity.layout
    dtype = subject.dtype or (torch.float64 if identity is None else identity.dtype)
    found: list[Case] = []
    for borders, left in _rarest_first(subject):
        if len(found) >= max(2, run.budget.cases // _SHARE):
            break
        case = at_border(subject, layout, dtype, borders, left=left)
        if case is not None:
            found.append(case)
    return found


def _rarest_first(subject: Formula) -> Iterator[tuple[Mapping[str, float], bool]]:
    """(argument → the raw number at its border, whether the defaults of the others are left)."""
    values = domains_of(subject, Role.VALUE)
    yield from (({name: raw}, True) for name, (_, domain) in values.items() for raw in domain.apart)
    # An option shows beside another: padding that is not counted, only where there is some.
    few = {
        name: [float(raw) for raw in range(int(domain.low), int(domain.high) + 1)]
        for name, (_, domain) in domains_of(subject, Role.OPTION).items()
        if domain.integral and 0 < domain.high - domain.low < _FEW
    }
    if len(few) > 1:
        yield from ((row, False) for row in every_pair(few, lambda row: True))
    for name, (axes, domain) in values.items():
        if axes in ("", "batch"):
            yield from (({name: float(raw)}, True) for raw in dict.fromkeys((domain.low, domain.high)))
