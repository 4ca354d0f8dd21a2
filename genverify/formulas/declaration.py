"""What a user declares of a formula's subject, examined before anything is called."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from genverify.errors import UsageError, nearest
from genverify.formulas.parameters import taken_by
from genverify.subjects.formula import Formula, Place
from genverify.subjects.formula_shapes import arrangement
from genverify.subjects.specification import Role, Specification

__all__ = ["examine", "examine_match", "with_defaults"]


def examine(subject: Formula, specification: Specification) -> None:
    """Refuses words that the formula does not know, and a module that cannot compute.

    Raises:
        UsageError: What is wrong, and what there is instead.
    """
    _word("layout", subject.layout, [one.name for one in specification.layouts], subject.like)
    dialects = [str(one) for one in specification.all_dialects()]
    if subject.dialect and not any(subject.dialect in one for one in dialects):
        raise UsageError(
            given=f"dialect {subject.dialect!r}", expected=f"words of a dialect of {subject.like}",
            do=nearest(subject.dialect, dialects),
        )  # fmt: skip
    _word("mode", subject.mode, ["train", "eval"], "a module")
    for name in ("dtype", "default_dtype"):
        dtype = getattr(subject, name)
        if dtype is not None and not dtype.is_floating_point:
            raise UsageError(given=f"{name}={dtype}", expected="a floating-point dtype", do="for example torch.float32")
    if subject.accuracy is not None and not subject.accuracy > 0:
        raise UsageError(
            given=f"accuracy={subject.accuracy}", expected="a positive bound of the error",
            do="leave it out for rounding error",
        )  # fmt: skip
    if subject.order is not None and not any(one.role is Role.STEP for one in specification.arguments):
        raise UsageError(
            given=f"order={subject.order} for {subject.like}", expected="a formula that has a step",
            do="state accuracy= instead, or leave it out",
        )  # fmt: skip
    if (
        subject.order is None
        and subject.accuracy is None
        and any(one.role is Role.STEP for one in specification.arguments)
    ):
        raise UsageError(
            given=f"a subject for {subject.like}, which approximates, without order= or accuracy=",
            expected="how good the approximation is",
            do="state the order in the step (order=2 for central differences), or a bound of the error (accuracy=1e-6)",
        )
    _module(subject)


def _word(what: str, word: str, known: list[str], owner: str) -> None:
    if word and word not in known:
        raise UsageError(given=f"{what} {word!r}", expected=f"a {what} of {owner}", do=nearest(word, known))


def _module(subject: Formula) -> None:
    """A module must be on a device where it has numbers, and these must be finite."""
    owner = subject.f if isinstance(subject.f, nn.Module) else getattr(subject.f, "__self__", None)
    if not isinstance(owner, nn.Module):
        return
    for name, tensor in [*owner.named_parameters(), *owner.named_buffers()]:
        if tensor.is_meta:
            raise UsageError(
                given=f"a module whose {name} is on the meta device, where tensors have no numbers",
                expected="a module with its weights loaded", do="load the weights, or module.to_empty(device='cpu')",
            )  # fmt: skip
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            bad = int((~torch.isfinite(tensor)).sum())
            raise UsageError(
                given=f"a module whose {name} has {bad} NaN or infinite of {tensor.numel()} numbers",
                expected="finite parameters and buffers", do="initialise it, or load a checkpoint that is not broken",
            )  # fmt: skip


def examine_match(subject: Formula) -> None:
    """Refuses names that the subject does not have, and a module's tensor that has not the axes of its argument.

    Raises:
        UsageError: What is wrong, and what there is instead.
    """
    assert subject.match is not None
    assert subject.specification is not None
    names = {one.parameter: one for one in subject.match.bound}
    for name in subject.in_place:
        if name not in names:
            raise UsageError(
                given=f"in_place parameter {name!r}", expected="a parameter of the subject", do=nearest(name, names)
            )
    for name in subject.shapes:
        if name != "return" and name not in names:
            raise UsageError(
                given=f"shapes for {name!r}", expected="a parameter of the subject, or 'return'",
                do=nearest(name, [*names, "return"]),
            )  # fmt: skip
    for one in subject.match.bound:
        if one.place is Place.HELD and isinstance(subject.f, nn.Module):
            _held(subject, one.parameter)


def _held(subject: Formula, path: str) -> None:
    """A tensor of the module that stands for an argument must have as many axes, in some layout."""
    assert subject.match is not None
    bound = next(one for one in subject.match.bound if one.parameter == path)
    tensor = dict([*subject.f.named_parameters(), *subject.f.named_buffers()])[path]
    axes = bound.argument.axes.split()
    arranged = [arrangement(subject, path, layout.axes(bound.argument), layout) for layout in subject.layouts()]
    if tensor.dim() not in {len(axes), *(len(one.subject) for one in arranged if one is not None)}:
        raise UsageError(
            given=f"the module's {path} of shape {tuple(tensor.shape)} as {bound.argument.name}",
            expected=f"the axes {' '.join(axes) or '(none)'}", do="say which of its tensors it is with arguments=",
        )  # fmt: skip


def with_defaults(f: object, options: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    """The declared values of each option, the subject's own default first.

    Raises:
        UsageError: The subject has no such parameter, or no values are given.
    """
    taken = taken_by(f, {})
    known = {one.name: one for one in taken.parameters} if taken is not None else {}
    found: dict[str, tuple[Any, ...]] = {}
    for name, values in options.items():
        if name not in known and taken is not None and not taken.open:
            raise UsageError(
                given=f"options for {name!r}", expected="a parameter of the subject", do=nearest(name, known)
            )
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            raise UsageError(
                given=f"options={{{name!r}: {values!r}}}", expected="a sequence of values",
                do=f"for example options={{{name!r}: ('sum', 'mean')}}",
            )  # fmt: skip
        default = known[name].default if name in known else ...
        first = () if default is ... or inspect.isclass(default) else (default,)
        found[name] = (*first, *(value for value in values if not (first and _same(value, default))))
    return found


def _same(one: object, other: object) -> bool:
    return type(one) is type(other) and one == other
