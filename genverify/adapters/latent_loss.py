"""The loss of a variational autoencoder called with what its parameters are named after."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from genverify.adapters.latent_roles import RESULTS, role_of, spelt
from genverify.errors import GenverifyError, UsageError
from genverify.subjects.latent_observation import tensors_of, watched
from genverify.subjects.latent_variable_model import LatentVariableModel, Site

__all__ = ["call_model", "loss_of", "one_number"]

_FROM_MODEL = ("reconstruction", "mean", "spread", "latent", "result", "spread of x")
_TARGETS = ("target", "targets", "original", "y_true", "ground_truth", "true_x", "x_true", "real", "orig", "x")
Data = tuple[Tensor, Tensor | None]
# So many rows are no pair of x and labels.
_TELLING = 3


def parameters_of(f: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - any callable
    """The parameters of a callable; those of forward for a module."""
    try:
        return list(inspect.signature(f.forward if isinstance(f, nn.Module) else f).parameters.values())
    except (TypeError, ValueError):
        return []


def call_model(f: Callable[..., Any], data: Data, subject: LatentVariableModel) -> Any:  # noqa: ANN401
    """f(x), or f(x, condition), with the fixed arguments that it takes."""
    x, condition = data
    named = {p.name: subject.fixed[p.name] for p in parameters_of(f) if p.name in subject.fixed}
    if condition is None:
        return f(x, **named)
    parameters = parameters_of(f)
    name = next((p.name for p in parameters[1:] if role_of(p.name) == "condition"), None)
    if name is None and [p.kind for p in parameters[1:]] == [inspect.Parameter.VAR_KEYWORD]:
        name = "labels"
    return f(x, condition, **named) if name is None else f(x, **{name: condition}, **named)


def loss_of(
    subject: LatentVariableModel, target: Callable[..., Any], model: nn.Module, sites: Sequence[Site], label: str
) -> Callable[[Tensor, Tensor | None], Tensor]:
    """(x, condition) → the loss as one number, its arguments filled by what they are called.

    Raises:
        UsageError: An argument cannot be understood, or what is returned is no loss.
    """
    if target is model:
        return lambda x, c: one_number(call_model(model, (x, c), subject), len(x), subject, label)
    parameters = parameters_of(target)
    loose = any(p.kind is p.VAR_POSITIONAL for p in parameters) or not parameters
    needed = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    roles = _roles(needed, subject)
    takes_results = loose and not any(role in ("x", "model") for role in roles.values())
    unknown = [
        p.name for p in needed if p.name not in roles and p.default is p.empty and p.name not in subject.fixed
    ]  # fmt: skip
    if unknown:
        raise UsageError(
            given=f"{label}({', '.join(str(p) for p in parameters)})",
            expected=f"arguments that are x, the condition, or what the model returns; {unknown[0]!r} says nothing",
            do=f"give it by fixed={{{unknown[0]!r}: …}}, or wrap it: loss=lambda model, x: …",
        )  # fmt: skip
    order: list[tuple[str, ...]] = []
    accepted = {p.name for p in parameters}
    any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)

    pairs = _unpacks(target)

    def loss(x: Tensor, condition: Tensor | None) -> Tensor:
        # What the source says is tried first; what runs on three rows, which no pair can be, is kept.
        if len(pairs) == 1 or len(x) < _TELLING:
            return called(x, condition, pairs[0])
        try:
            found = called(x, condition, pairs[0])
        except GenverifyError:
            raise
        except Exception as first:  # a stranger's code
            try:
                found = called(x, condition, pairs[1])
            except Exception:
                raise first from None
            pairs.reverse()
        del pairs[1]
        return found

    def called(x: Tensor, condition: Tensor | None, pair: bool) -> Tensor:
        named = {name: value for name, value in subject.fixed.items() if name in accepted or any_name}
        from_model = takes_results or any(role in _FROM_MODEL for role in roles.values())
        returned: Any = None
        if from_model:
            returned = call_model(model, (x, condition), subject)
            if not order:
                order.append(_meanings(subject, model, sites, (x, condition)))
        known: dict[str, Any] = {
            "x": (x, torch.zeros(len(x), dtype=torch.int64) if condition is None else condition) if pair else x,
            "condition": condition,
            "model": model,
            "index": 0,
            "result": returned,
        }
        if from_model:
            known |= _parts(returned, order[0])
        if takes_results:
            return one_number(target(*_listed(returned), **named), len(x), subject, label)
        positional = []
        for p in needed:
            if p.name in named or p.name not in roles:
                continue
            value = _value(p, roles[p.name], known, subject, label)
            if p.kind is p.POSITIONAL_ONLY:
                positional.append(value)
            else:
                named[p.name] = value
        return one_number(target(*positional, **named), len(x), subject, label)

    return loss


def _unpacks(target: Callable[..., Any]) -> list[bool]:
    """Whether a training step takes x and labels for its batch, the likelier first; False alone where it has none."""
    name = next((p.name for p in parameters_of(target) if spelt(p.name) == "batch"), None)
    if name is None:
        return [False]
    owner = getattr(target, "__self__", None)
    try:
        text = inspect.getsource(target if owner is None else type(owner))
    except (OSError, TypeError):
        text = ""
    unpacks = re.search(rf",[^=\n]*=\s*{name}\s*(#.*|;.*)?$|\b{name}\[[01]\]", text, re.MULTILINE) is not None
    return [unpacks, not unpacks]


def _value(p: inspect.Parameter, role: str, known: Mapping[str, Any], subject: LatentVariableModel, label: str) -> Any:  # noqa: ANN401
    if role in known:
        return known[role]
    raise UsageError(
        given=f"{label}, whose argument {p.name!r} is the {role}", expected="that the model returns it",
        do="wrap it: loss=lambda model, x: …; or say loss='forward' where the model returns its loss",
    )  # fmt: skip


def _roles(parameters: Sequence[inspect.Parameter], subject: LatentVariableModel) -> dict[str, str]:
    """Parameter → what it means."""
    found = {}
    for p in parameters:
        role = role_of(p.name)
        if role is None or p.name in subject.fixed:
            continue
        optional = p.default is not p.empty
        # What has a default keeps it: a loss that may be handed the model's results makes them itself without.
        if (optional and role != "condition") or (role == "condition" and not subject.conditional):
            continue
        found[p.name] = role
    data = [name for name, role in found.items() if role == "x"]
    if len(data) == 2 and "reconstruction" not in found.values():
        first, second = data
        found[second if spelt(first) in _TARGETS and spelt(second) not in _TARGETS else first] = "reconstruction"
    return found


def _listed(returned: Any) -> list[Any]:  # noqa: ANN401
    if isinstance(returned, Mapping):
        return list(returned.values())
    return list(returned) if isinstance(returned, (tuple, list)) else [returned]


def _named(returned: Any) -> dict[str, Any] | None:  # noqa: ANN401
    """The parts of a result that have names."""
    if isinstance(returned, Mapping):
        return dict(returned)
    if hasattr(returned, "_asdict"):
        return returned._asdict()
    if dataclasses.is_dataclass(returned) and not isinstance(returned, type):
        return {one.name: getattr(returned, one.name) for one in dataclasses.fields(returned)}
    return None


def _parts(returned: Any, order: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401
    named = _named(returned)
    if named is not None:
        found = {role: value for name, value in named.items() if (role := role_of(name)) is not None}
        if "reconstruction" in found:
            return found
        return found | dict(zip(order, _listed(list(named.values())), strict=False))
    return {role: value for role, value in zip(order, _listed(returned), strict=False) if role}


def _meanings(subject: LatentVariableModel, model: nn.Module, sites: Sequence[Site], data: Data) -> tuple[str, ...]:
    """What each part of the model's result is, found by comparing it with what its sites were seen to do."""
    state = torch.get_rng_state()
    with watched(tuple(sites)) as events, torch.no_grad():
        returned = call_model(model, data, subject)
    torch.set_rng_state(state)
    decoded = [t for e in events if e.site.role == "decoder" for t in tensors_of(e.output)]
    drawn = [t for e in events if e.site.role == "latent" for t in tensors_of(e.output)[:1]]
    drawn += [t for e in events if e.site.role == "decoder" for t in tensors_of(list(e.inputs))[:1]]
    encoded = [t for e in events if e.site.role == "encoder" for t in tensors_of(e.output)]
    x = data[0]
    found: list[str] = []
    for part in _listed(returned):
        role = ""
        if isinstance(part, Tensor) and part.ndim:
            if _same(part, x):
                role = "x"
            elif any(_same(part, one) for one in decoded) or part.numel() == x.numel():
                role = "reconstruction" if "reconstruction" not in found else "spread of x"
            elif any(_same(part, one) for one in drawn) and not any(_same(part, one) for one in encoded[:1]):
                role = "latent"
            else:
                role = "mean" if "mean" not in found else "spread" if "spread" not in found else ""
        found.append(role)
    return tuple(found)


def _same(a: Tensor, b: Tensor) -> bool:
    return a.numel() == b.numel() and torch.equal(a.detach().reshape(-1), b.detach().reshape(-1).to(a.dtype))


def one_number(returned: Any, rows: int, subject: LatentVariableModel, label: str) -> Tensor:  # noqa: ANN401
    """The loss in what was returned: the number itself, one part of several, or the sum of one for each row.

    Raises:
        UsageError: There is no loss in it.
    """
    found = _chosen(returned, subject, label)
    if isinstance(found, Tensor) and found.is_floating_point():
        if found.numel() == 1:
            return found.reshape(())
        if tuple(found.shape) == (rows,):
            return found.sum()
    what = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
    raise UsageError(
        given=f"{label}, which returns {what}", expected="one number, or one for each row",
        do="name it by loss=… (a function outside the model, too), say which result it is by output=…, or wrap it: "
        "loss=lambda model, x: …",
    )  # fmt: skip


def _chosen(returned: Any, subject: LatentVariableModel, label: str) -> Any:  # noqa: ANN401
    if subject.output is not None:
        try:
            return returned[subject.output]
        except (KeyError, IndexError, TypeError) as error:
            if isinstance(subject.output, str) and hasattr(returned, subject.output):
                return getattr(returned, subject.output)
            raise UsageError(
                given=f"output={subject.output!r} of {label}, which returns {type(returned).__name__}",
                expected="the index or key of one of its results", do="leave it out where it returns a number",
            ) from error  # fmt: skip
    if isinstance(returned, Tensor):
        return returned
    if isinstance(returned, Mapping) or _named(returned) is not None or hasattr(returned, "loss"):
        for key in RESULTS:
            if isinstance(returned, Mapping) and key in returned:
                return returned[key]
            if not isinstance(returned, Mapping) and isinstance(getattr(returned, key, None), Tensor):
                return getattr(returned, key)
    if isinstance(returned, (tuple, list)) and returned:
        numbers = [one for one in returned if isinstance(one, Tensor) and one.numel() == 1]
        return numbers[0] if numbers and not _chosen_is_number(returned[0]) else returned[0]
    return returned


def _chosen_is_number(thing: object) -> bool:
    return isinstance(thing, Tensor) and thing.numel() == 1
