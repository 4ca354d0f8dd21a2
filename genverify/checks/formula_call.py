"""Calling a stranger's formula on a case, and the oracle on the same one."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case, render
from genverify.subjects.formula import Bound, Formula
from genverify.subjects.functions import Table
from genverify.subjects.specification import Argument, Dialect, Layout, Specification

__all__ = ["Call", "Unreadable", "call", "layout_of", "oracle_of", "witness"]


class Unreadable(Exception):
    """The subject returned something that is no tensor or number, or drew something that has no role."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the subject.

    Attributes:
        outputs: Its results, as tensors.
        inputs: Argument name → the tensor that was passed, a leaf when gradients were asked for.
        draws: Draw name → its standardised value, recorded inside.
        changed: Parameters whose value the call changed.
        dtype: The narrowest floating dtype among inputs and outputs.
    """

    outputs: tuple[torch.Tensor, ...]
    inputs: dict[str, torch.Tensor] = field(default_factory=dict)
    draws: dict[str, torch.Tensor] = field(default_factory=dict)
    changed: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float64
    returned_tensor: bool = True


def layout_of(subject: Formula, case: Case) -> Layout:
    """The layout in which the case was made."""
    assert subject.specification is not None
    return next(one for one in subject.specification.layouts if one.name == case["#layout"])


def call(subject: Formula, case: Case, *, gradients: bool = False) -> Call:
    """Calls the subject on copies of the case's values.

    Raises:
        SubjectRaised: The subject raised.
        Unreadable: Its result is not what the formula yields.
    """
    assert subject.match is not None
    given: dict[str, Any] = {}
    leaves: dict[str, torch.Tensor] = {}
    for bound in subject.match.bound:
        if bound.argument.name not in case:
            continue
        value = case[bound.argument.name]
        if isinstance(value, torch.Tensor):
            value = _copy(value)
            if gradients and value.is_floating_point() and bound.argument.differentiable:
                value.requires_grad_(True)
            leaves[bound.argument.name] = value
        given[bound.parameter] = value
    before = {name: leaf.detach().clone() for name, leaf in leaves.items()}
    result, draws = _invoke(subject, given, case)
    outputs, returned_tensor = _outputs(subject, result)
    changed = tuple(
        bound.parameter
        for bound in subject.match.bound
        if bound.argument.name in leaves
        and not torch.equal(leaves[bound.argument.name].detach(), before[bound.argument.name])
    )
    floats = [t.dtype for t in (*leaves.values(), *(outputs if returned_tensor else ())) if t.is_floating_point()]
    dtype = max(floats, key=lambda one: torch.finfo(one).eps, default=torch.float64)
    return Call(
        outputs=outputs, inputs=leaves, draws=draws, changed=changed, dtype=dtype, returned_tensor=returned_tensor
    )


def _copy(value: torch.Tensor) -> torch.Tensor:
    """A copy with the same strides, so that a view is judged as a view."""
    copied = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype) if value.numel() else value.clone()
    return copied.copy_(value) if value.numel() else copied


def _invoke(subject: Formula, given: dict[str, Any], case: Case) -> tuple[Any, dict[str, torch.Tensor]]:
    assert subject.match is not None
    f = subject.f
    fixed = dict(subject.fixed)
    constructor = {b.parameter for b in subject.match.bound if b.constructor}
    if inspect.isclass(f):
        built = {name: given.pop(name) for name in list(given) if name in constructor}
        names = set(inspect.signature(f).parameters)
        built.update({name: fixed.pop(name) for name in list(fixed) if name in names})
        with subject_code():
            f = f(**built)
    positional = [given.pop(b.parameter) for b in subject.match.bound if not b.keyword and b.parameter in given]
    if not subject.match.inside:
        with subject_code():
            return f(*positional, **given, **fixed), {}
    from genverify.noise import record

    with record() as recorder, subject_code():
        result = f(*positional, **given, **fixed)
    return result, _roles(subject, recorder.tape, case)


def _roles(subject: Formula, tape: Any, case: Case) -> dict[str, torch.Tensor]:  # noqa: ANN401 - a Tape
    """The draws that the subject made, matched in order to the roles of the formula by law and size."""
    assert subject.match is not None
    layout, sizes = layout_of(subject, case), case["#sizes"]
    waiting = list(tape.draws)
    found: dict[str, torch.Tensor] = {}
    for argument in subject.match.inside:
        shape = tuple(sizes[axis] for axis in layout.axes(argument))
        count = int(torch.Size(shape).numel())
        for draw in waiting:
            value = draw.value if draw.standardised is None else draw.standardised
            if draw.law == argument.law and value.numel() == count:
                found[argument.name] = value.detach().to(torch.float64).reshape(shape)
                waiting.remove(draw)
                break
        else:
            drawn = ", ".join(f"{d.law} {tuple(d.shape)}" for d in tape.draws) or "nothing"
            raise Unreadable(f"the formula draws {argument.name} ({argument.law}, {shape}); the subject drew {drawn}")
    return found


def _outputs(subject: Formula, result: Any) -> tuple[tuple[torch.Tensor, ...], bool]:  # noqa: ANN401
    if subject.output is not None:
        with subject_code():
            result = subject.output(result)
    assert subject.specification is not None
    names = subject.specification.outputs
    if names and isinstance(result, dict):
        result = tuple(result.get(name) for name in names)
    parts = list(result) if names and isinstance(result, (tuple, list)) else [result]
    wanted = max(1, len(names))
    if len(parts) != wanted:
        raise Unreadable(f"returned {len(parts)} results where the formula has {wanted} ({', '.join(names)})")
    tensors, returned_tensor = [], True
    for part in parts:
        if isinstance(part, (tuple, list)) and len(part) == 1:
            part = part[0]
        if not isinstance(part, torch.Tensor):
            returned_tensor = False
            if not isinstance(part, (int, float, np.ndarray, np.generic)):
                raise Unreadable(
                    f"returned {type(part).__name__} where the formula yields a tensor; say output=… to pick it"
                )
            part = torch.as_tensor(part, dtype=torch.float64)
        tensors.append(part)
    return tuple(tensors), returned_tensor


def witness(subject: Formula, case: Case) -> dict[str, str]:
    """The case under the subject's own parameter names."""
    assert subject.match is not None
    return {b.parameter: render(case[b.argument.name]) for b in subject.match.bound if b.argument.name in case}


Terms = tuple[torch.Tensor, ...]


def oracle_of(
    subject: Formula, case: Case, made: Call, dialect: Dialect, *, output: int = 0, gradient: bool = False
) -> tuple[Callable[..., Terms], list[torch.Tensor], list[str]]:
    """The oracle as a function of the case's floating-point values in the subject's own parametrisation.

    Returns:
        The function, returning additive terms of the dialect's result; its arguments in float64; their names.
    """
    assert subject.specification is not None
    assert subject.match is not None
    specification = subject.specification
    constants: dict[str, Any] = {}
    floats: dict[str, torch.Tensor] = {}
    forms = {b.argument.name: b for b in subject.match.bound}
    for argument in specification.arguments:
        value = _given(argument, forms.get(argument.name), case, made)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            floats[argument.name] = value.detach().to(torch.float64)
        else:
            constants[argument.name] = Table(value.entries.double()) if isinstance(value, Table) else value
    names = list(floats)
    axes = _output_axes(specification, layout_of(subject, case), output)
    function = specification.surrogate if gradient and specification.surrogate is not None else specification.oracle

    def canonical(name: str, value: Any) -> Any:  # noqa: ANN401
        return forms[name].form.canonical(value) if name in forms else value

    def terms(*values: torch.Tensor) -> Terms:
        keywords = {n: canonical(n, v) for n, v in (*zip(names, values, strict=True), *constants.items())}
        result = function(**keywords, **dialect.keywords)
        part = result[output] if specification.outputs else result
        return _expand(part, axes, dialect)

    return terms, [floats[name] for name in names], names


def _given(argument: Argument, bound: Bound | None, case: Case, made: Call) -> Any:  # noqa: ANN401
    if argument.name in made.draws:
        return made.draws[argument.name]
    if argument.name in case:
        return case[argument.name]
    if bound is not None and bound.default is not ...:
        default = bound.default
        return torch.tensor(default, dtype=torch.float64) if isinstance(default, float) else default
    return argument.default


def _output_axes(specification: Specification, layout: Layout, output: int) -> tuple[str, ...]:
    words = specification.output.split("|")
    return tuple(axis for axis in words[min(output, len(words) - 1)].split() if axis not in layout.drop)


def _expand(part: Any, axes: tuple[str, ...], dialect: Dialect) -> Terms:  # noqa: ANN401 - a tensor or a tuple of terms
    """Additive terms after the dialect's reductions; reduced elements stay apart, as their sizes count."""
    terms = part if isinstance(part, tuple) else (part,)
    stack = torch.stack(torch.broadcast_tensors(*terms))
    lead = 1
    for position, axis in enumerate(axes):
        how = dialect.reductions.get(axis, "none")
        if how == "none":
            continue
        # Axes before this one that were reduced have moved into the leading dimension already.
        kept = sum(dialect.reductions.get(a, "none") == "none" for a in axes[:position])
        size = stack.shape[1 + kept]
        stack = stack.movedim(1 + kept, 0).reshape(lead * stack.shape[0] * size, *_without(stack.shape[1:], kept))
        stack = stack / size if how == "mean" else stack
    return tuple(stack.unbind(0))


def _without(shape: torch.Size, position: int) -> tuple[int, ...]:
    return tuple(size for index, size in enumerate(shape) if index != position)
