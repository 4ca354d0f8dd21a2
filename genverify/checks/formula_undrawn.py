"""A subject that draws nothing where nothing depends on it: the last step of a sampler, which ends at the data."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.checks.formula_call import Call, Undrawn, call, layout_of
from genverify.checks.formula_comparison import expected
from genverify.checks.formula_identity import identity_of
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula

__all__ = ["called"]

# Two values of a standardised draw, inside the support of each of these laws.
_VALUES = (0.25, 0.75)
_LAWS = ("normal", "uniform", "exponential")


def called(subject: Formula, case: Case, *, gradients: bool = False) -> Call:
    """The call of an identified subject.

    Where it draws nothing, and the formula's value is the same for every draw, it gets some draws, and is `undrawn`.

    Raises:
        SubjectRaised: The subject raised.
        Unreadable: Its result is not what the formula yields, or it draws otherwise where that matters.
    """
    try:
        return call(subject, case, gradients=gradients)
    except Undrawn as error:
        made = _with_any(subject, case, error.made)
        if made is None:
            raise
        return made


def _with_any(subject: Formula, case: Case, made: Call) -> Call | None:
    """The call with draws that change nothing; None where they may."""
    assert subject.match is not None
    if any(one.law not in _LAWS for one in subject.match.inside):
        return None
    found = identity_of(subject, case)
    layout, sizes = layout_of(subject, case), case["#sizes"]
    shapes = {one.name: [sizes[axis] for axis in layout.axes(one)] for one in subject.match.inside}
    with_draws = [
        replace(made, draws={name: torch.full(shape, value) for name, shape in shapes.items()}, undrawn=True)
        for value in _VALUES
    ]
    for dialect in found.accepted or (found.nearest,):
        for output in range(len(made.outputs)):
            a, b = (expected(subject, case, one, dialect, output) for one in with_draws)
            if not torch.equal(a, b):
                return None
    return with_draws[0]
