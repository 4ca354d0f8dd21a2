"""A formula as a program: the subject called on a generic case, with what it is given, holds and is made with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genverify.checks import formula_call
from genverify.checks.formula_identity import identify
from genverify.parity.program import Program, Rows, makes_programs
from genverify.parity.relocation import Relocation
from genverify.subjects.case import Case
from genverify.subjects.formula import Bound, Formula, Place
from genverify.subjects.formula_case import probes
from genverify.subjects.formula_shapes import arrangement
from genverify.subjects.functions import numbers_of, with_numbers
from genverify.subjects.specification import CALL

__all__ = ["formula_program"]


def _cases(subject: Formula, count: int, seed: int) -> list[Case]:
    """Generic points, the same every time, in the layout that the subject takes; the seed says with which to begin."""
    known = identify(subject)
    found = [case for case in probes(subject, known.layout, torch.float64) if "call" not in case.values]
    begin = seed % max(1, len(found))
    return (found[begin:] + found[:begin])[:count]


def _rows(subject: Formula, case: Case) -> Rows | None:
    """The rows of a case whose arguments, and whose results, have a batch for their first axis."""
    assert subject.specification is not None
    assert subject.match is not None
    layout = formula_call.layout_of(subject, case)
    given = {b.argument.name: layout.axes(b.argument) for b in subject.match.bound if b.argument.name in case}
    batched = [name for name, axes in given.items() if "batch" in axes]
    output = subject.specification.output.split()
    plain = all(given[name][0] == "batch" and isinstance(case[name], Tensor) for name in batched)
    if not batched or not plain or output[:1] != ["batch"] or subject.shapes or CALL in formula_call.axes_of(subject):
        return None

    def take(case: Case, chosen: Sequence[int]) -> Case:
        values = {name: value[list(chosen)] if name in batched else value for name, value in case.values.items()}
        values["#sizes"] = {**case["#sizes"], "batch": len(chosen)}
        return Case(values=values, seed=case.seed)

    return Rows(count=case["#sizes"]["batch"], take=take)


@makes_programs("formula", _cases, _rows)
def formula_program(subject: Formula, case: Case, there: Relocation) -> Program:
    """One call, or several where the formula is of several."""
    assert subject.match is not None
    leaves: dict[str, Tensor] = {}
    carriers: dict[str, Tensor] = {}
    given = {
        b.parameter: _value(subject, b, case, there, leaves, carriers)
        for b in subject.match.bound
        if b.argument.name in case
    }
    fixed = {**subject.fixed, **subject.combinations()[case["#options"] if "#options" in case else 0]}
    f, fixed = formula_call.made_of(subject, given, {name: there.of(value) for name, value in fixed.items()})
    f = there.of(f)
    if there.parameters and isinstance(f, nn.Module) and inspect.isclass(subject.f):
        f.to(there.execution.dtype)
    held = {b.parameter: given.pop(b.parameter) for b in subject.match.bound if b.place is Place.HELD
            and b.parameter in given}  # fmt: skip
    own = dict([*f.named_parameters(), *f.named_buffers()]) if isinstance(f, nn.Module) else {}
    held = {name: value for name, value in held.items() if name in own and own[name].shape == value.shape}
    formula_call.set_mode(f, subject.mode)
    calls = [_ordered(subject, {**one, **fixed}) for one in formula_call.slices_of(subject, given, case)]
    written = [given[name] for name in subject.in_place if name in given]

    def run(calls: Sequence[tuple[tuple[Any, ...], dict[str, Any]]], held: dict[str, Tensor]) -> Any:  # noqa: ANN401
        found = []
        for positional, named in calls:
            found.append(torch.func.functional_call(f, held, positional, named) if held else f(*positional, **named))
        return found, written

    def after() -> Mapping[str, Tensor]:
        return {f"gradient left in {name}": c.grad for name, c in carriers.items() if c.grad is not None}

    free = {name: p for name, p in there.parameters.items() if not held}
    return Program(
        call=run, arguments=(calls, held), leaves={**leaves, **free}, parameters=free, after=after,
    )  # fmt: skip


def _value(
    subject: Formula, bound: Bound, case: Case, there: Relocation, leaves: dict[str, Tensor],
    carriers: dict[str, Tensor],
) -> Any:  # fmt: skip  # noqa: ANN401 - whatever an argument is
    """What a parameter is given there; tensors that can be differentiated by are leaves."""
    layout = formula_call.layout_of(subject, case)

    def leaf(name: str, value: Tensor) -> Tensor:
        arranged = arrangement(subject, bound.parameter, layout.axes(bound.argument), layout)
        moved = there.numbers(value if arranged is None else arranged.to_subject(value, case["#sizes"]))
        if bound.argument.in_grad:
            carrier = torch.zeros_like(moved).requires_grad_(True)
            carrier.grad = moved
            carriers[name] = carrier
            return carrier
        if moved.is_floating_point() and bound.argument.differentiable and bound.parameter not in subject.in_place:
            leaves[name] = moved.requires_grad_(True)
        return moved

    value = case[bound.argument.name]
    if isinstance(value, Tensor):
        return leaf(bound.parameter, value)
    if isinstance(value, list):
        return [leaf(f"{bound.parameter}[{i}]", v) if isinstance(v, Tensor) else v for i, v in enumerate(value)]
    if inside := numbers_of(value):
        return with_numbers(value, {k: leaf(f"{bound.parameter}[{k}]", v) for k, v in inside.items()})
    return there.of(value)


def _ordered(subject: Formula, given: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Positional arguments as far as the signature allows, and the others by name."""
    assert subject.match is not None
    named, positional = dict(given), []
    for name in subject.match.order:
        if name not in named:
            break
        positional.append(named.pop(name))
    return tuple(positional), named
