"""One evaluation of a stranger's estimator: its arguments, its draws where these are passed in, and the estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case, render
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.specification import Role

__all__ = [
    "Estimate", "Unreadable", "arguments_of", "canonical", "estimate", "exact", "samples_of", "wanted_names", "witness",
]  # fmt: skip


class Unreadable(Exception):
    """The subject returned something that is no estimate of the target."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One estimate.

    Attributes:
        parts: The estimate, one tensor for each parameter (or a single value).
        changed: Parameters of the subject that the call overwrote.
        dtype: The narrowest floating dtype among them.
        surrogate: Whether a loss was differentiated.
    """

    parts: tuple[Tensor, ...]
    changed: tuple[str, ...] = ()
    dtype: torch.dtype = torch.float64
    surrogate: bool = False
    leaves: Mapping[str, Tensor] = field(default_factory=dict)


def samples_of(case: Case) -> int:
    """How many samples the case gives to the subject."""
    return int(case["#samples"]) if "#samples" in case else 1


def canonical(subject: GradientEstimator, case: Case, raw: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """The case's values as the oracle takes them, in float64; `raw` replaces floating ones, differentiably."""
    assert subject.match is not None
    given: dict[str, Any] = {}
    for bound in subject.match.bound:
        name = bound.argument.name
        if name not in case or bound.argument.role is Role.OPTION:
            continue
        value = case[name]
        if isinstance(value, Tensor) and value.is_floating_point():
            value = raw[name] if raw is not None and name in raw else value.detach().to(torch.float64)
        given[name] = bound.form.canonical(value) if isinstance(value, Tensor) else value
    return given


def wanted_names(subject: GradientEstimator) -> tuple[str, ...]:
    """The arguments whose gradient is estimated, in the subject's order."""
    assert subject.match is not None
    if subject.wrt:
        return subject.wrt
    bound = subject.match.bound
    return tuple(b.argument.name for b in bound if b.argument.differentiable and b.argument.role is Role.VALUE)


def exact(subject: GradientEstimator, case: Case) -> tuple[Tensor, ...]:
    """The exact target, in float64: one tensor for each parameter, or a single value."""
    if subject.law is None:
        return _declared(subject, case)
    names = wanted_names(subject)
    if not subject.law.gradient:
        return (subject.law.specification.oracle(**canonical(subject, case)).detach(),)
    raw = {name: case[name].detach().to(torch.float64).requires_grad_(True) for name in names}
    value = subject.law.specification.oracle(**canonical(subject, case, raw))
    return tuple(g.detach() for g in torch.autograd.grad(value, list(raw.values())))


def _declared(subject: GradientEstimator, case: Case) -> tuple[Tensor, ...]:
    target = subject.target
    if callable(target) and not isinstance(target, Tensor):
        positional, named, _ = arguments_of(subject, case, torch.float64, leaves=False)
        target = target(*positional, **named)
    parts = target if isinstance(target, (tuple, list)) else (target,)
    return tuple(torch.as_tensor(part).detach().to(torch.float64) for part in parts)


def arguments_of(
    subject: GradientEstimator, case: Case, dtype: torch.dtype, *, leaves: bool = True
) -> tuple[list[Any], dict[str, Any], dict[str, Tensor]]:
    """Positional and named arguments of one call, and the floating tensors among them by the subject's name."""
    positional: list[Any] = []
    named: dict[str, Any] = dict(subject.fixed) if leaves else {}
    floats: dict[str, Tensor] = {}

    def give(parameter: str, value: Any, keyword: bool, *, leaf: bool) -> None:  # noqa: ANN401
        if isinstance(value, Tensor):
            value = value.detach().clone()
            if value.is_floating_point():
                value = value.to(dtype)
                if leaf and leaves:
                    value.requires_grad_(True)
                    floats[parameter] = value
        if keyword:
            named[parameter] = value
        else:
            positional.append(value)

    if subject.law is None:
        for name, value in subject.named_arguments().items():
            value = case[name] if name in case else value
            give(name, value, not name.startswith("#"), leaf=True)
        return positional, named, floats
    assert subject.match is not None
    drawn: Mapping[str, Tensor] = {}
    if any(bound.argument.role is Role.DRAW for bound in subject.match.bound):
        with torch.no_grad():
            drawn = subject.law.sample(canonical(subject, case), samples_of(case))
    for bound in subject.match.bound:
        name = bound.argument.name
        if name in drawn:
            give(bound.parameter, drawn[name], bound.keyword, leaf=False)
        elif name in case:
            give(bound.parameter, case[name], bound.keyword, leaf=bound.argument.differentiable)
        elif name == "n":
            give(bound.parameter, samples_of(case), bound.keyword, leaf=False)
    return positional, named, floats


def estimate(subject: GradientEstimator, case: Case, f: Callable[..., Any] | None = None) -> Estimate:
    """One call, with fresh draws; `f` replaces the subject's function.

    Raises:
        SubjectRaised: The subject raised.
        Unreadable: It returned no estimate.
    """
    dtype = subject.memory.get("dtype", torch.float64)
    positional, named, leaves = arguments_of(subject, case, dtype)
    before = {name: leaf.detach().clone() for name, leaf in leaves.items()}
    with torch.enable_grad(), subject_code():
        result = (f or subject.f)(*positional, **named)
        result = subject.output(result) if subject.output is not None else result
    parts = _as_parts(result, leaves)
    surrogate = subject.memory.get("surrogate")
    if surrogate is None:
        surrogate = _is_surrogate(subject, parts, exact(subject, case))
    if surrogate:
        parts = _differentiated(subject, parts[0], leaves)
    changed = tuple(name for name, leaf in leaves.items() if not torch.equal(leaf.detach(), before[name]))
    widths = [part.dtype for part in parts if part.is_floating_point()]
    narrow = max(widths, key=lambda one: torch.finfo(one).eps, default=torch.float64)
    detached = tuple(part.detach() for part in parts)
    return Estimate(parts=detached, changed=changed, dtype=narrow, surrogate=bool(surrogate), leaves=leaves)


def _as_parts(result: Any, leaves: Mapping[str, Tensor]) -> tuple[Tensor, ...]:  # noqa: ANN401
    if result is None:
        result = [leaf.grad for leaf in leaves.values() if leaf.grad is not None]
        if not result:
            raise Unreadable("returned None, and left no gradient in .grad of its arguments")
    if isinstance(result, Mapping):
        result = list(result.values())
    parts = list(result) if isinstance(result, (tuple, list)) else [result]
    made = []
    for part in parts:
        if not isinstance(part, Tensor):
            try:
                part = torch.as_tensor(part, dtype=torch.float64)
            except (TypeError, ValueError, RuntimeError) as error:
                raise Unreadable(
                    f"returned {type(part).__name__} where an estimate is a tensor; say output=…"
                ) from error
        made.append(part)
    return tuple(made)


def _is_surrogate(subject: GradientEstimator, parts: tuple[Tensor, ...], target: tuple[Tensor, ...]) -> bool:
    if subject.surrogate is not None:
        return subject.surrogate
    if subject.law is not None and not subject.law.gradient:
        return False
    if len(parts) != 1 or parts[0].dim() or not parts[0].requires_grad:
        return False
    return len(target) > 1 or any(part.dim() > 0 for part in target)


def _differentiated(subject: GradientEstimator, loss: Tensor, leaves: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    if loss.numel() != 1:
        raise Unreadable(f"a surrogate of shape {tuple(loss.shape)}; a loss to differentiate is one number")
    names = list(leaves)
    if subject.law is not None:
        assert subject.match is not None
        wanted = wanted_names(subject)
        names = [b.parameter for b in subject.match.bound if b.argument.name in wanted]
    chosen = [leaves[name] for name in names]
    if not loss.requires_grad:
        return tuple(torch.zeros_like(leaf) for leaf in chosen)
    with subject_code():
        parts = torch.autograd.grad(loss.reshape(()), chosen, allow_unused=True)
    return tuple(torch.zeros_like(leaf) if part is None else part for leaf, part in zip(chosen, parts, strict=True))


def witness(subject: GradientEstimator, case: Case) -> dict[str, str]:
    """The case under the subject's own parameter names."""
    if subject.match is None:
        return case.rendered()
    found = {b.parameter: render(case[b.argument.name]) for b in subject.match.bound if b.argument.name in case}
    return {**found, "samples": str(samples_of(case))} if "#samples" in case else found
