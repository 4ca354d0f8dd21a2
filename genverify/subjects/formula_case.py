"""A case of a formula from plain numbers: the same for Hypothesis, which searches, and for the fixed probes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch

from genverify.subjects.case import Case
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Argument, Form, Layout, Role

__all__ = ["axis_sizes", "build", "probes"]

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
# Pairwise different sizes, so that an axis taken for another shows.
_PROBE_SIZES = ((3, 2), (2, 3), (4, 3), (1, 2))

Numbers = Callable[[str, Domain, int], torch.Tensor]


def axis_sizes(subject: Formula, layout: Layout) -> dict[str, tuple[int, ...]]:
    """The named axes of the formula in this layout, each with the sizes that it may take."""
    assert subject.specification is not None
    names: dict[str, tuple[int, ...]] = {}
    for argument in subject.specification.arguments:
        for axis in layout.axes(argument):
            names[axis] = subject.specification.sizes.get(axis, (1, 2, 3))
    return names


def _forms(subject: Formula) -> list[tuple[Argument, Form, bool]]:
    """(argument, the subject's parametrisation, whether its own default may be left) for everything it is given."""
    assert subject.match is not None
    return [(one.argument, one.form, one.default is not ...) for one in subject.match.bound]


def build(
    subject: Formula,
    layout: Layout,
    sizes: Mapping[str, int],
    dtype: torch.dtype,
    numbers: Numbers,
    *,
    leave: Callable[[str], bool] = lambda name: True,
    strided: bool = False,
    seed: int = 0,
) -> Case:
    """The case with these axis sizes whose values are made from `numbers(argument, domain, how many)`.

    `leave` says of an argument for which the subject has a default whether the default is left in place.
    """
    values: dict[str, object] = {}
    for argument, form, optional in _forms(subject):
        if optional and leave(argument.name):
            continue
        shape = tuple(sizes[axis] for axis in layout.axes(argument))
        raw = numbers(argument.name, form.domain, math.prod(shape))
        value = form.domain.make(raw, shape, dtype)
        if strided and isinstance(value, torch.Tensor) and value.dim() and value.numel():
            value = torch.stack((value, value), -1)[..., 0]  # a view with gaps between its elements
        values[argument.name] = value
    values["#sizes"] = dict(sizes)
    values["#layout"] = layout.name
    return Case(values=values, seed=seed)


def probes(subject: Formula, layout: Layout, dtype: torch.dtype) -> list[Case]:
    """A few cases at generic points with generic sizes, the same every time."""
    assert subject.specification is not None
    allowed = axis_sizes(subject, layout)
    made = []
    for index, (first, rest) in enumerate(_PROBE_SIZES):
        sizes = {}
        for position, (axis, known) in enumerate(allowed.items()):
            wanted = first if axis == "batch" else rest + max(0, position - 1)
            sizes[axis] = min(known, key=lambda size: (abs(size - wanted), -size))
        constraint = subject.specification.constraint
        if constraint is not None and not constraint(sizes):
            continue
        state = {"at": 0.1 + 0.37 * index}

        def numbers(name: str, domain: Domain, count: int, state: dict[str, float] = state) -> torch.Tensor:
            points = []
            for _ in range(count):
                state["at"] = (state["at"] + _GOLDEN) % 1.0
                points.append(domain.low + (domain.high - domain.low) * state["at"])
            return torch.tensor(points, dtype=torch.float64)

        even = index % 2 == 0
        made.append(build(subject, layout, sizes, dtype, numbers, leave=lambda name, even=even: even, seed=index))
    return made


def draws_inside(subject: Formula) -> tuple[Argument, ...]:
    """The formula's draws that the subject makes itself."""
    assert subject.match is not None
    return tuple(one for one in subject.match.inside if one.role is Role.DRAW)
