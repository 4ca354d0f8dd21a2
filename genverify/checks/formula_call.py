"""Calling a stranger's formula on a case: what it is given, where, and what it changed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import torch
from torch import nn

from genverify.checks.call_by_call import kept_for_backward
from genverify.checks.formula_draws import roles
from genverify.checks.formula_result import Unreadable, results
from genverify.subjects.calling import entry_of, subject_code
from genverify.subjects.case import Case, render
from genverify.subjects.formula import Bound, Formula, Place
from genverify.subjects.formula_shapes import arrangement
from genverify.subjects.functions import numbers_of, with_numbers
from genverify.subjects.specification import CALL, Layout, Role

# Under which a subject remembers that it draws from a generator that is not seen.
_UNSEEN = "unseen draws"

__all__ = [
    "Call", "Undrawn", "Unreadable", "call", "layout_of", "made_of", "owner_of", "set_mode", "slices_of", "witness",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call of the subject, or one call after the other along the axis ``call``.

    Attributes:
        outputs: Its results, as tensors.
        inputs: Argument name → the tensor that was passed, a leaf when gradients were asked for; of a list, an entry
            ``name[i]`` for each.
        draws: Draw name → its standardised value, recorded inside.
        tape: All that was drawn, where the formula makes draws itself.
        changed: Parameters whose value the call changed.
        dtype: The narrowest floating dtype among inputs and outputs.
        returned_tensor: Whether the results were tensors, and not numbers or arrays.
        undrawn: Whether it drew nothing where the formula draws, at a case at which the value does not depend on it.
    """

    outputs: tuple[torch.Tensor, ...]
    inputs: dict[str, torch.Tensor] = field(default_factory=dict)
    draws: dict[str, torch.Tensor] = field(default_factory=dict)
    tape: Any = None
    changed: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float64
    returned_tensor: bool = True
    undrawn: bool = False


class Undrawn(Unreadable):
    """The subject drew nothing, and the formula draws; `made` is the call with no draws."""

    def __init__(self, message: str, made: Call) -> None:
        super().__init__(message)
        self.made = made


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
    given, leaves = _given(subject, case, gradients)
    before = {name: leaf.detach().clone() for name, leaf in leaves.items()}
    assert subject.match is not None
    carriers = [given[b.parameter] for b in subject.match.bound if b.argument.in_grad and b.parameter in given]
    result, tape = _invoke(subject, given, case)
    if carriers:
        result = _left_in_grad(carriers[0])
    outputs, returned_tensor = results(subject, result)
    known = subject.memory.get("readings", {}).get(case["#options"] if "#options" in case else 0)
    floats = [t.dtype for t in (*leaves.values(), *(outputs if returned_tensor else ())) if t.is_floating_point()]
    made = Call(
        outputs=outputs, inputs=leaves, tape=tape, changed=_changed(subject, leaves, before),
        dtype=max(floats, key=lambda one: torch.finfo(one).eps, default=torch.float64),
        returned_tensor=returned_tensor,
    )  # fmt: skip
    if tape is None:
        return made
    try:
        return replace(made, draws=roles(subject, tape, case, layout_of(subject, case), known))
    except Unreadable as error:
        found = _of_the_unseen(subject, case, error)
        raise (found if tape.draws or found is not error else Undrawn(str(error), made)) from None


def _of_the_unseen(subject: Formula, case: Case, error: Unreadable) -> Unreadable:
    """The error that its draws are not the formula's; or, where two runs from one seed differ, that they are unseen."""
    if _UNSEEN not in subject.memory or not subject.memory[_UNSEEN]:
        found = []
        with torch.random.fork_rng(devices=[]):
            for _ in range(2):
                torch.default_generator.manual_seed(case.seed)
                result, _ = _invoke(subject, _given(subject, case, False)[0], case)
                found.append(results(subject, result)[0])
        same = (torch.equal(a.nan_to_num(), b.nan_to_num()) for a, b in zip(*found, strict=True))
        subject.memory[_UNSEEN] = not all(same)
    if not subject.memory[_UNSEEN]:
        return error
    unseen = Unreadable(
        f"{error}; and two calls from one seed differ, so that it draws from a generator that is not seen (a NumPy "
        "Generator, a thread): nothing is known of its law; draw by torch, or pass the draw as an argument"
    )
    unseen.unseen = True
    return unseen


def _with_grad(value: torch.Tensor) -> torch.Tensor:
    """A parameter that has this gradient."""
    carrier = torch.zeros_like(value).requires_grad_(True)
    carrier.grad = value
    return carrier


def _left_in_grad(carrier: Any) -> torch.Tensor:  # noqa: ANN401 - a parameter or a list of them
    """What the call left in `.grad`: of one parameter in its shape, of several one after the other, flat."""
    parameters = carrier if isinstance(carrier, list) else [carrier]
    if any(one.grad is None for one in parameters):
        raise Unreadable("the call left no gradient where there was one")
    if not isinstance(carrier, list):
        return carrier.grad.detach()
    return torch.cat([one.grad.detach().reshape(-1) for one in parameters])


def _changed(subject: Formula, leaves: dict[str, torch.Tensor], before: dict[str, torch.Tensor]) -> tuple[str, ...]:
    assert subject.match is not None
    touched = {n.partition("[")[0] for n, leaf in leaves.items() if not torch.equal(leaf.detach(), before[n])}
    # What a module holds is its own: it may mask its weights in place, or keep running statistics.
    overwritten = [
        b for b in subject.match.bound
        if b.argument.name in touched and not b.argument.in_grad and b.place is not Place.HELD
    ]  # fmt: skip
    return tuple(bound.parameter for bound in overwritten)


def _given(subject: Formula, case: Case, gradients: bool) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Parameter → what it is given, copied; and the tensors among these by argument."""
    assert subject.match is not None
    layout, device = layout_of(subject, case), _device(subject.f)
    given: dict[str, Any] = {}
    leaves: dict[str, torch.Tensor] = {}

    def leaf(name: str, bound: Bound, value: torch.Tensor) -> torch.Tensor:
        arranged = arrangement(subject, bound.parameter, layout.axes(bound.argument), layout)
        copied = _copy(value if arranged is None else arranged.to_subject(value, case["#sizes"])).to(device)
        if gradients and copied.is_floating_point() and bound.argument.differentiable and not _buffer(subject, bound):
            copied.requires_grad_(True)
        leaves[name] = copied
        # Of what is meant to be overwritten the subject gets a copy that autograd lets it overwrite.
        return copied.clone() if gradients and bound.parameter in subject.in_place else copied

    for bound in subject.match.bound:
        name = bound.argument.name
        if name not in case:
            continue
        value = case[name]
        if isinstance(value, torch.Tensor):
            value = leaf(name, bound, value)
        elif isinstance(value, list):
            value = [
                leaf(f"{name}[{i}]", bound, one) if isinstance(one, torch.Tensor) else one
                for i, one in enumerate(value)
            ]
        elif bound.argument.differentiable and numbers_of(value):  # the weights of a critic, say
            value = with_numbers(value, {k: leaf(f"{name}[{k}]", bound, v) for k, v in numbers_of(value).items()})
        if bound.argument.in_grad:
            value = [_with_grad(one) for one in value] if isinstance(value, list) else _with_grad(value)
        given[bound.parameter] = value
    return given, leaves


def _buffer(subject: Formula, bound: Bound) -> bool:
    """Whether it is a buffer of the module, which no gradient ever reaches."""
    owner = owner_of(subject.f)
    return bound.place is Place.HELD and owner is not None and bound.parameter in dict(owner.named_buffers())


def _device(f: object) -> torch.device:
    owner = owner_of(f)
    tensors = [] if owner is None else [*owner.parameters(), *owner.buffers()]
    return tensors[0].device if tensors else torch.device("cpu")


def owner_of(f: object) -> nn.Module | None:
    """The module that a callable is, or whose method it is."""
    owner = f if isinstance(f, nn.Module) else getattr(f, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def _copy(value: torch.Tensor) -> torch.Tensor:
    """A copy with the same strides, so that a view is judged as a view."""
    if not value.numel():
        return value.clone()
    return torch.empty_strided(value.shape, value.stride(), dtype=value.dtype).copy_(value)


def _invoke(subject: Formula, given: dict[str, Any], case: Case) -> tuple[Any, Any]:
    """The raw result (of the last call, or of all where the formula has an output for each), and the tape if any."""
    assert subject.match is not None
    assert subject.specification is not None
    fixed = {**subject.fixed, **subject.combinations()[case["#options"] if "#options" in case else 0]}
    f, fixed = made_of(subject, given, fixed)
    held = {b.parameter: given.pop(b.parameter) for b in subject.match.bound if b.place is Place.HELD}
    if held and inspect.isclass(subject.f):
        held = _of_instance(f, held)
    slices = slices_of(subject, given, case)
    if CALL in axes_of(subject):
        f = _fresh(f, next((t.dtype for _, t in case.tensors() if t.is_floating_point()), None))

    def run() -> Any:  # noqa: ANN401 - what a stranger returns
        found = []
        modes = [_mode(subject, case, index, len(slices)) for index in range(len(slices))]
        for mode, calls in groupby(zip(modes, slices, strict=True), key=lambda pair: pair[0]):
            set_mode(f, mode)
            with kept_for_backward() if len(set(modes)) > 1 else nullcontext():
                found += [_once(subject, f, one, fixed, held) for _, one in calls]
        return found if CALL in subject.specification.output.split() else found[-1]  # type: ignore[union-attr]

    with _default_dtype(subject.default_dtype):
        if not subject.match.inside:
            return run(), None
        from genverify.noise import record
        from genverify.noise.decoded import decoded

        with decoded(case.seed) as beside, record() as recorder:
            result = run()
        tape = recorder.tape
        return result, replace(tape, draws=(*tape.draws, *beside.draws)) if beside.draws else tape


def axes_of(subject: Formula) -> set[str]:
    """All the axes that the formula's arguments have."""
    assert subject.specification is not None
    return {axis for argument in subject.specification.arguments for axis in argument.axes.split()}


def made_of(subject: Formula, given: dict[str, Any], fixed: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The callable, made from the class where one was given, and what is left to fix in the call."""
    f = subject.f
    if not inspect.isclass(f):
        return f, _taken(f, fixed)
    assert subject.match is not None
    built = {b.parameter: given.pop(b.parameter) for b in subject.match.bound
             if b.place is Place.CONSTRUCTOR and b.parameter in given}  # fmt: skip
    names = set(inspect.signature(f).parameters)
    built.update({name: value for name, value in fixed.items() if name in names})
    with subject_code():
        made = f(**built)
    return made, _taken(made, {name: value for name, value in fixed.items() if name not in names})


def _taken(f: Any, fixed: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - any callable
    """What is fixed and the call takes; what the subject has inside is told to the oracle alone."""
    if not fixed:
        return fixed
    try:
        parameters = inspect.signature(entry_of(f)).parameters
    except (TypeError, ValueError):
        return fixed
    if any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        return fixed
    return {name: value for name, value in fixed.items() if name in parameters}


def _of_instance(f: nn.Module, held: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """What this instance holds of the tensors: one that needs no projection, say, has none.

    The shapes must be its own: with others it would be another layer than the one that was made.
    """
    own = dict([*f.named_parameters(), *f.named_buffers()])
    with subject_code():
        for name, tensor in held.items():
            if name in own and own[name].shape != tensor.shape:
                raise ValueError(f"made with a {name} of {tuple(own[name].shape)}, where {tuple(tensor.shape)} belongs")
    return {name: tensor for name, tensor in held.items() if name in own}


def _fresh(f: Any, dtype: torch.dtype | None) -> Any:  # noqa: ANN401 - a callable with a state
    """A copy in its initial state, which is kept in the dtype of the case: every case begins there."""
    try:
        made = copy.deepcopy(f)
        return made.to(dtype) if isinstance(made, nn.Module) and dtype is not None else made
    except Exception:  # what cannot be copied is put back after the case, as any subject is
        return f


def slices_of(subject: Formula, given: dict[str, Any], case: Case) -> list[dict[str, Any]]:
    """What each call is given: arguments with the axis ``call`` slice by slice, the others every time."""
    assert subject.match is not None
    layout = layout_of(subject, case)
    along = {
        b.parameter: layout.axes(b.argument).index(CALL)
        for b in subject.match.bound
        if CALL in layout.axes(b.argument) and b.parameter in given
    }
    if not along:
        return [given]
    return [
        {name: value.select(along[name], index) if name in along else value for name, value in given.items()}
        for index in range(case["#sizes"][CALL])
    ]


def _mode(subject: Formula, case: Case, index: int, count: int) -> str:
    """The mode of one of several calls; empty to leave it alone."""
    assert subject.specification is not None
    modes, told = subject.specification.modes, _mode_argument(subject)
    if told:
        return case[told][index] if told in case else ""  # a plain function has none
    return modes[max(0, len(modes) - count + index)] if modes else subject.mode


def set_mode(f: Any, mode: str) -> None:  # noqa: ANN401 - any callable
    """Puts the module that it is, or whose method it is, in training or evaluation mode; an empty mode leaves it."""
    owner = owner_of(f)
    if owner is not None and mode:
        owner.train(mode == "train")
    elif mode and isinstance(getattr(f, "training", None), bool):
        f.training = mode == "train"


def _mode_argument(subject: Formula) -> str:
    """The argument that says the mode of each call, if the formula has one."""
    assert subject.specification is not None
    return next((one.name for one in subject.specification.arguments if one.role is Role.MODE), "")


def _once(subject: Formula, f: Any, given: dict[str, Any], fixed: Mapping[str, Any], held: dict[str, Any]) -> Any:  # noqa: ANN401
    """One call: by position as far as the signature allows, since wrappers (vmap, grad) see no keywords."""
    assert subject.match is not None
    given = {**given, **fixed}
    positional = []
    for name in subject.match.order:
        if name not in given:
            break
        positional.append(given.pop(name))
    with subject_code():
        if held:
            result = torch.func.functional_call(f, held, tuple(positional), given)
        else:
            result = f(*positional, **given)
    if result is None and subject.in_place:
        everything = {**dict(zip(subject.match.order, positional, strict=False)), **given}
        written = tuple(everything[name] for name in subject.in_place if name in everything)
        return written[0] if len(written) == 1 else written
    return result


@contextmanager
def _default_dtype(dtype: torch.dtype | None) -> Iterator[None]:
    if dtype is None:
        yield
        return
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def witness(subject: Formula, case: Case) -> dict[str, str]:
    """The case under the subject's own parameter names."""
    assert subject.match is not None
    found = {b.parameter: render(case[b.argument.name]) for b in subject.match.bound if b.argument.name in case}
    if (told := _mode_argument(subject)) in case:
        found[told] = ", ".join(case[told])
    if "#options" in case:
        found.update({name: repr(value) for name, value in subject.combinations()[case["#options"]].items()})
    return found
