"""A case of a formula from plain numbers: the same for Hypothesis, which searches, and for the fixed probes."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FunctionType
from typing import Any

import torch
from torch import nn

from genverify.subjects.case import Case
from genverify.subjects.domains import Domain
from genverify.subjects.formula import Bound, Formula, Place
from genverify.subjects.formula_shapes import ONE, arrangement, splits, whole
from genverify.subjects.specification import Argument, Form, Layout, Role
from genverify.subjects.stated_sizes import stated_sizes

__all__ = [
    "Numbers",
    "alike",
    "at_border",
    "axis_sizes",
    "build",
    "domains_of",
    "held_tensor",
    "legal",
    "legal_sizes",
    "probes",
    "reached",
]

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
# Pairwise different sizes, so that an axis taken for another shows.
_PROBE_SIZES = ((3, 2), (2, 3), (4, 3), (1, 2))
# Probes must satisfy the formula's constraints; a generic point does so after a few turns of the sequence.
_ATTEMPTS = 50

Numbers = Callable[[str, Domain, int], torch.Tensor]


def axis_sizes(subject: Formula, layout: Layout) -> dict[str, tuple[int, ...]]:
    """The named axes of the formula in this layout, each with the sizes that it may take.

    The sizes of a tensor that a module holds, and those that an object tells, are its own; an axis that the subject has
    as several is these.
    """
    assert subject.specification is not None
    names: dict[str, tuple[int, ...]] = {}
    split = splits(subject, layout)
    for argument in subject.specification.arguments:
        for axis in layout.axes(argument):
            for part in split.get(axis, (axis,)):
                names[part] = subject.specification.sizes.get(part, (1, 2, 3))
    names.update({axis: (size,) for axis, size in stated_sizes(subject.f).items() if axis in names})
    for bound in subject.match.bound if subject.match is not None else ():
        tensor = bound.default if bound.place is Place.KEPT else None
        if bound.place is Place.HELD and isinstance(subject.f, nn.Module):
            tensor = held_tensor(subject.f, bound.parameter)
        if isinstance(tensor, torch.Tensor):
            names.update(_sizes_of(subject, bound, tensor, layout))
    return names


def _sizes_of(subject: Formula, bound: Bound, tensor: torch.Tensor, layout: Layout) -> dict[str, tuple[int, ...]]:
    """The axes of a tensor that the subject has for good; it may have them in an order of its own."""
    axes = layout.axes(bound.argument)
    arranged = arrangement(subject, bound.parameter, axes, layout)
    own = axes if arranged is None or len(arranged.subject) != tensor.dim() else arranged.subject
    if len(own) != tensor.dim():
        return {}
    return {axis: (size,) for axis, size in zip(own, tensor.shape, strict=True) if axis != ONE}


def held_tensor(module: nn.Module, path: str) -> torch.Tensor:
    """The parameter or buffer of that dotted path."""
    return dict([*module.named_parameters(), *module.named_buffers()])[path]


def _forms(subject: Any) -> list[tuple[Argument, Form, bool]]:  # noqa: ANN401
    """(argument, the subject's parametrisation, whether its own default may be left) for everything it is given.

    Options come first, since sizes may follow from them.
    """
    given = [one for one in subject.match.bound if one.place is not Place.KEPT and not _own_step(subject, one)]
    given.sort(key=lambda one: one.argument.role is not Role.OPTION)
    farther = reached(subject)
    forms = [
        (one.argument, replace(one.form, domain=farther.get(one.argument.name, one.form.domain)), _may_be_left(one))
        for one in given
    ]  # fmt: skip
    if isinstance(subject, Formula) and subject.specification is not None:  # a mode is given by putting a module in it
        told = [one for one in subject.specification.arguments if one.role is Role.MODE]
        forms += [(one, one.forms[0], False) for one in told if one.default is ... or _has_mode(subject.f)]
    return forms


def reached(subject: Any) -> Mapping[str, Domain]:  # noqa: ANN401
    """The domains that follow from what a function has for good, and of an object from its tables: it may count calls.

    Raises:
        UsageError: With what it has for good it is no such formula.
    """
    reach = getattr(subject.specification, "reach", None) if isinstance(subject, Formula) else None
    if reach is None or subject.match is None:
        return {}
    kept = {one.argument.name: one.default for one in subject.match.bound if one.place is Place.KEPT}
    found = reach(kept)
    if isinstance(subject.f, (FunctionType, functools.partial)):
        return found
    tables = {name: value for name, value in kept.items() if isinstance(value, torch.Tensor) and value.dim()}
    return reach(tables) if tables else {}


def _has_mode(f: Any) -> bool:  # noqa: ANN401 - a function, a class, an object
    """Whether it can be put in a mode: a module, its method, its class, or an object that says whether it trains."""
    owner = getattr(f, "__self__", f)
    if inspect.isclass(f):
        return issubclass(f, nn.Module)
    return isinstance(owner, nn.Module) or isinstance(getattr(owner, "training", None), bool)


def _own_step(subject: Any, bound: Bound) -> bool:  # noqa: ANN401
    """Whether it is a step that stays at the subject's default: a stated accuracy is that of the default."""
    return bound.argument.role is Role.STEP and bound.default is not ... and getattr(subject, "order", None) is None


def _may_be_left(bound: Bound) -> bool:
    """Whether the subject has a default that means something: None, where the formula needs a value, does not.

    Where an order in the step is stated the step has to vary.
    """
    if bound.argument.role is Role.STEP:
        return False
    return bound.default is not ... and not (bound.default is None and bound.argument.default is ...)


def build(
    subject: Any,  # noqa: ANN401 - whatever has a match: a formula, a sampler
    layout: Layout,
    sizes: Mapping[str, int],
    dtype: torch.dtype,
    numbers: Numbers,
    *,
    leave: Callable[[str], bool] = lambda name: True,
    strided: bool = False,
    seed: int = 0,
    combination: int = 0,
) -> Case:
    """The case with these axis sizes whose values are made from `numbers(argument, domain, how many)`.

    `leave` says of an argument for which the subject has a default whether the default is left in place;
    `combination` is the place among the combinations of the subject's declared options.
    """
    values: dict[str, object] = {}
    apart: list[str] = []
    sizes = whole(sizes, splits(subject, layout)) if isinstance(subject, Formula) else dict(sizes)
    settled = False
    # A module keeps its parameters whole; torch's own batch normalisation has wrong gradients where its weight is not.
    held = {
        one.argument.name
        for one in (subject.match.bound if subject.match is not None else ())
        if one.place is Place.HELD
    }
    for argument, form, optional in _forms(subject):
        if argument.role is not Role.OPTION and not settled:
            sizes, settled = _settled(subject, sizes, values), True
        if optional and argument.role is not Role.SIZE and leave(argument.name):
            continue
        if argument.role is Role.SIZE:
            values[argument.name] = sizes[argument.axes]
            continue
        shape = tuple(sizes[axis] for axis in layout.axes(argument))
        raw = numbers(argument.name, form.domain, math.prod(shape))
        value = form.domain.make(raw, shape, dtype)
        if form.domain.apart and float(raw.reshape(-1)[0]) in form.domain.apart:
            shown = value.reshape(-1)[0] if isinstance(value, torch.Tensor) else value
            apart.append(f"{argument.name} = {shown:g}")
        views = strided and argument.name not in held
        if views and isinstance(value, torch.Tensor) and value.dim() and value.numel():
            value = torch.stack((value, value), -1)[..., 0]  # a view with gaps between its elements
        values[argument.name] = value
    values |= _belonging(subject, layout, values)
    values["#sizes"] = dict(sizes)
    values["#layout"] = layout.name
    if apart:
        values["#apart"] = ", ".join(apart)
    if combination:
        values["#options"] = combination
    return Case(values=values, seed=seed)


def _belonging(subject: Any, layout: Layout, values: Mapping[str, Any]) -> dict[str, torch.Tensor]:  # noqa: ANN401
    """Tables that follow from others that are given, too: drawn apart they would be of no schedule at all."""
    given = {one.argument.name: one for one in (subject.match.bound if subject.match is not None else ())}
    found = {}
    for name, bound in given.items():
        source, follow = bound.argument.follows or ("", None)
        if follow is None or source not in values or name not in values:
            continue
        axes = {layout.axes(given[one].argument) for one in (name, source)}
        if axes == {tuple(bound.argument.axes.split())}:
            known = given[source].form.canonical(values[source].to(torch.float64))
            found[name] = follow(known).to(values[name].dtype)
    return found


def _settled(subject: Any, sizes: dict[str, int], values: Mapping[str, Any]) -> dict[str, int]:  # noqa: ANN401
    """The sizes that are legal with the options drawn so far."""
    specification = getattr(subject, "specification", None)
    if getattr(specification, "settle", None) is None:
        return sizes
    assert specification is not None
    known: dict[str, Any] = {one.name: one.default for one in specification.arguments if one.role is Role.OPTION}
    known["given"] = frozenset(bound.argument.name for bound in subject.match.bound)
    own = (Place.HELD, Place.KEPT)
    known["held"] = frozenset(bound.argument.name for bound in subject.match.bound if bound.place in own)
    for bound in subject.match.bound:
        if bound.argument.role is Role.SIZE:
            known[bound.argument.name] = sizes[bound.argument.axes]
        elif bound.argument.role is Role.OPTION and bound.default is not ...:
            known[bound.argument.name] = bound.default
    return {**sizes, **specification.settle(sizes, {**known, **values})}


def legal_sizes(subject: Formula, sizes: Mapping[str, int]) -> bool:
    """Whether these axis sizes may stand together."""
    assert subject.specification is not None
    constraint = subject.specification.constraint
    return constraint is None or constraint(sizes)


def legal(subject: Formula, case: Case) -> bool:
    """Whether the values satisfy what the formula requires between its arguments."""
    assert subject.specification is not None
    if not subject.specification.constraints:
        return True
    values: dict[str, Any] = {one.name: one.default for one in subject.specification.arguments}
    assert subject.match is not None
    values.update({one.argument.name: one.default for one in subject.match.bound if one.default is not ...})
    values.update({name: value for name, value in case.values.items() if not name.startswith("#")})
    values.update({axis: size for axis, size in case["#sizes"].items() if axis not in values})
    return all(one.holds(values) for one in subject.specification.constraints)


def probes(subject: Formula, layout: Layout, dtype: torch.dtype, combination: int = 0) -> list[Case]:
    """A few cases at generic points with generic sizes, the same every time."""
    allowed = axis_sizes(subject, layout)
    made = []
    for index, (first, rest) in enumerate(_PROBE_SIZES):
        sizes = {}
        others = [axis for axis in allowed if axis != "batch"]
        for axis, known in allowed.items():
            wanted = first if axis == "batch" else rest + others.index(axis)
            sizes[axis] = min(known, key=lambda size: (abs(size - wanted), -size))
        if not legal_sizes(subject, whole(sizes, splits(subject, layout))):
            continue
        case = _probe(subject, layout, dtype, sizes, index, combination)
        if case is not None:
            made.append(case)
    return made


def domains_of(subject: Formula, role: Role) -> dict[str, tuple[str, Domain]]:
    """Of every argument of this role that the subject is given, its axes and where it lives."""
    return {
        argument.name: (argument.axes, form.domain) for argument, form, _ in _forms(subject) if argument.role is role
    }


def at_border(
    subject: Formula, layout: Layout, dtype: torch.dtype, borders: Mapping[str, float], *, left: bool = True
) -> Case | None:
    """A case at a generic point but for some arguments, all of whose raw numbers are these; None where none is legal.

    `left` says whether the subject's defaults of the others are left in place.
    """
    index, (first, rest) = 0 if left else 1, _PROBE_SIZES[0]
    allowed = axis_sizes(subject, layout)
    sizes = {
        axis: min(known, key=lambda size: (abs(size - (first if axis == "batch" else rest)), -size))
        for axis, known in allowed.items()
    }
    if not legal_sizes(subject, whole(sizes, splits(subject, layout))):
        return None
    return _probe(subject, layout, dtype, sizes, index, 0, borders)


def _probe(
    subject: Formula, layout: Layout, dtype: torch.dtype, sizes: dict[str, int], index: int, combination: int,
    fixed: Mapping[str, float] | None = None,
) -> Case | None:  # fmt: skip
    """The first point of an irregular sequence that is legal; some arguments may be fixed, by their raw number."""
    at, fixed = 0.1 + 0.37 * index, fixed or {}

    def numbers(name: str, domain: Domain, count: int) -> torch.Tensor:
        nonlocal at
        if name in fixed:
            return torch.full((count,), fixed[name], dtype=torch.float64)
        points = []
        for _ in range(count):
            at = (at + _GOLDEN) % 1.0
            width = domain.high - domain.low
            points.append(math.floor(domain.low + (width + 1) * at) if domain.integral else domain.low + width * at)
        return torch.tensor(points, dtype=torch.float64)

    for _ in range(_ATTEMPTS):
        case = build(
            subject, layout, sizes, dtype, numbers, leave=lambda name: index % 2 == 0 and name not in fixed, seed=index,
            combination=combination,
        )  # fmt: skip
        if legal(subject, case):
            return case
    return None


def alike(
    subject: Formula, layout: Layout, sizes: Mapping[str, int], dtype: torch.dtype, combination: int
) -> Case | None:
    """A case of the given sizes at a generic point, the same every time; None where no legal one is found."""
    return _probe(subject, layout, dtype, dict(sizes), 0, combination)
