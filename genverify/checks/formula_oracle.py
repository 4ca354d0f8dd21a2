"""The oracle on a case of a formula: the terms of the dialect's result as a function of what the subject was given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from genverify.checks.formula_call import Call, layout_of
from genverify.subjects.case import Case
from genverify.subjects.formula import Bound, Formula
from genverify.subjects.formula_shapes import arrangement, splits
from genverify.subjects.functions import numbers_of, widened, with_numbers
from genverify.subjects.specification import Argument, Dialect, Layout, Role, Specification

__all__ = ["SHARED", "Function", "argument_of", "fitted", "oracle_of", "output_axes"]

Terms = tuple[torch.Tensor, ...]
Function = Callable[..., Terms]
# The name under which a subject remembers what its oracle returned, while its dialect is sought.
SHARED = "oracle results"
_SMALL = 256


def argument_of(subject: Formula, name: str) -> Argument:
    """The argument to which a value belongs: an entry ``name[i]`` of a list to the list's."""
    assert subject.specification is not None
    return subject.specification.argument(name.partition("[")[0])


def oracle_of(
    subject: Formula, case: Case, made: Call, dialect: Dialect, *, output: int = 0, gradient: bool = False
) -> tuple[Function, list[torch.Tensor], list[str]]:
    """The oracle as a function of the case's floating-point values in the subject's own parametrisation.

    Returns:
        The function, returning additive terms of the dialect's result; its arguments in float64; their names.
    """
    assert subject.specification is not None
    assert subject.match is not None
    specification = subject.specification
    floats, rest, forms = _values(subject, case, made.draws)
    names = list(floats)
    axes = output_axes(specification, layout_of(subject, case), output)
    function = specification.surrogate if gradient and specification.surrogate is not None else specification.oracle

    def computed(*values: torch.Tensor) -> Any:  # noqa: ANN401 - what the oracle returns
        keywords = _canonical({**dict(zip(names, values, strict=True)), **rest}, forms)
        return function(**keywords, **dialect.keywords)

    def terms(*values: torch.Tensor) -> Terms:
        result = _remembered(subject, (case, made, gradient), dialect, values, computed)
        return _expand(result[output] if specification.outputs else result, axes, dialect)

    return terms, [floats[name] for name in names], names


def _remembered(
    subject: Formula,
    at: tuple[Case, Call, bool],
    dialect: Dialect,
    values: tuple[torch.Tensor, ...],
    computed: Callable[..., Any],
) -> Any:  # noqa: ANN401 - what the oracle returns
    """What the oracle returns; while dialects are told apart, computed once for all that only reduce it differently."""
    memory = subject.memory.get(SHARED)
    if memory is None or torch.is_grad_enabled() or any(value.numel() > _SMALL for value in values):
        return computed(*values)
    try:
        exactly = tuple(value.numpy().tobytes() for value in values)
    except RuntimeError:  # a tensor that stands for many
        return computed(*values)
    case, made, gradient = at
    key = (id(case), id(made), gradient, repr(dialect.keywords), exactly)
    if key not in memory:
        memory[key] = (computed(*values), at)  # kept, so that their ids stay their own
    return memory[key][0]


def _values(
    subject: Formula, case: Case, draws: Mapping[str, torch.Tensor]
) -> tuple[dict[str, torch.Tensor], dict[str, Any], dict[str, Bound]]:
    """The case's floating-point values in float64, entries of lists apart; all other values; what each is bound to."""
    assert subject.specification is not None
    assert subject.match is not None
    floats: dict[str, torch.Tensor] = {}
    rest: dict[str, Any] = {}
    forms = {b.argument.name: b for b in subject.match.bound}
    for argument in subject.specification.arguments:
        if argument.role in (Role.SIZE, Role.STEP):
            continue
        bound = forms.get(argument.name)
        value = _given(argument, bound, case, draws)
        if bound is not None and value is bound.default and isinstance(value, torch.Tensor) and value.dim():
            value = _kept(subject, bound, value, case)
        if isinstance(value, list):
            for index, one in enumerate(value):
                floats[f"{argument.name}[{index}]"] = one.detach().to(torch.float64)
        elif isinstance(value, torch.Tensor) and value.is_floating_point():
            floats[argument.name] = value.detach().to(torch.float64)
        elif argument.differentiable and numbers_of(value):
            rest[argument.name] = value
            floats |= {f"{argument.name}[{k}]": v.detach().to(torch.float64) for k, v in numbers_of(value).items()}
        else:
            rest[argument.name] = widened(value)
    return floats, rest, forms


def _canonical(values: Mapping[str, Any], forms: Mapping[str, Bound]) -> dict[str, Any]:
    """The oracle's arguments from the subject's."""
    keywords: dict[str, Any] = {}
    entries: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        whole, _, entry = name.partition("[")
        value = forms[whole].form.canonical(value) if whole in forms and value is not None else value
        if entry and whole in values:  # the weights of a function
            entries.setdefault(whole, {})[entry.removesuffix("]")] = value
        elif entry:
            keywords.setdefault(whole, []).append(value)
        else:
            keywords[whole] = value
    return keywords | {whole: with_numbers(keywords[whole], numbers) for whole, numbers in entries.items()}


def _given(argument: Argument, bound: Bound | None, case: Case, draws: Mapping[str, torch.Tensor]) -> Any:  # noqa: ANN401
    if argument.name in draws:
        return draws[argument.name]
    if argument.name in case:
        return case[argument.name]
    if bound is not None and bound.default is not ... and not (bound.default is None and argument.default is not ...):
        default = bound.default
        whole = isinstance(default, int) and bound.form.domain.integral
        number = isinstance(default, (int, float)) and not isinstance(default, bool) and not whole
        return torch.tensor(default, dtype=torch.float64) if number and argument.role is Role.VALUE else default
    return None if argument.role is Role.DRAW and argument.default is ... else argument.default


def _kept(subject: Formula, bound: Bound, value: torch.Tensor, case: Case) -> torch.Tensor:
    """A tensor that the subject has for good, with the formula's axes."""
    layout = layout_of(subject, case)
    arranged = arrangement(subject, bound.parameter, layout.axes(bound.argument), layout)
    fits = arranged is not None and len(arranged.subject) == value.dim()
    return arranged.to_formula(value, case["#sizes"]) if arranged is not None and fits else value


def output_axes(specification: Specification, layout: Layout, output: int) -> tuple[str, ...]:
    """The axes of a result before the dialect's reductions."""
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


def fitted(
    subject: Formula, case: Case, dialect: Dialect, output: int, got: torch.Tensor, shape: tuple[int, ...]
) -> torch.Tensor | None:
    """A result in the oracle's shape, or None when it does not fit: sizes of one apart, or as `shapes` declares it.

    Of a result that is not determined, what all right ones have in common.
    """
    assert subject.specification is not None
    if subject.specification.invariant is not None:
        floats, rest, forms = _values(subject, case, {})
        found = subject.specification.invariant(got.detach(), **_canonical({**floats, **rest}, forms))
        return None if found is None or _squeezed(found.shape) != _squeezed(shape) else found.reshape(shape)
    layout, sizes = layout_of(subject, case), case["#sizes"]
    reduced = tuple(axis for axis, how in dialect.reductions.items() if how != "none")
    axes = tuple(axis for axis in output_axes(subject.specification, layout, output) if axis not in reduced)
    split = splits(subject, layout)
    gone = (*reduced, *(part for axis in reduced for part in split.get(axis, ())))
    declared = arrangement(subject, "return", axes, replace(layout, drop=(*layout.drop, *gone)))
    if declared is not None:
        return declared.to_formula(got, sizes) if tuple(got.shape) == declared.shape(sizes) else None
    if _squeezed(tuple(got.shape)) == _squeezed(shape):
        return got.reshape(shape)
    if split and all(axis in sizes for axis in axes):
        wide = tuple(sizes[part] for axis in axes for part in split.get(axis, (axis,)))
        if _squeezed(tuple(got.shape)) == _squeezed(wide):
            return got.reshape(shape)
    return None


def _squeezed(shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(size for size in shape if size != 1)
