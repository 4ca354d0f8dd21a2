"""The functions of a stranger's diffusion process, found by name, with their arguments by role, and tried."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch

from genverify.adapters.diffusion_roles import FUNCTIONS, NEEDED, matched
from genverify.adapters.diffusion_schedule import part_of
from genverify.errors import UsageError
from genverify.subjects.calling import entry_of
from genverify.subjects.diffusion_network import Network
from genverify.subjects.diffusion_process import DiffusionProcess, Role

__all__ = ["STEPS", "bound_roles", "tried"]

STEPS = ("p_mean_variance", "p_sample", "ddim_step")
_LOOPS = ("p_loop", "ddim_loop")
_LOOSE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _signature(f: Any) -> tuple[list[str], list[str]] | None:  # noqa: ANN401
    """The parameters of a function, and those without a default; None where it does not say."""
    schema = getattr(f, "schema", None)
    if schema is not None and hasattr(schema, "arguments"):  # a scripted method
        listed = [one for one in schema.arguments if one.name != "self"]
        return [one.name for one in listed], [one.name for one in listed if not one.has_default_value()]
    try:
        parameters = [p for p in inspect.signature(entry_of(f)).parameters.values() if p.kind not in _LOOSE]
    except (TypeError, ValueError):
        return None
    return [p.name for p in parameters], [p.name for p in parameters if p.default is p.empty]


def bound_roles(subject: DiffusionProcess, thing: Any, network: Network | None) -> tuple[dict[str, Role], list[str]]:  # noqa: ANN401
    """The functions of a process by what they are, and what could not be understood, in words.

    Raises:
        UsageError: A function that is said to have a role has not, or cannot be called.
    """
    found: dict[str, Role] = {}
    notes: list[str] = []
    for name, (aliases, _) in FUNCTIONS.items():
        said = subject.roles.get(name)
        if said is not None:
            f = part_of(thing, said) if isinstance(said, str) else said
            if not callable(f):
                raise UsageError(
                    given=f"roles={{{name!r}: {said!r}}} of {subject.label}, which cannot be called",
                    expected="a function, or the name of one", do=f"see what {subject.label} has",
                )  # fmt: skip
            made = _bound(subject, name, said if isinstance(said, str) else getattr(f, "__name__", name), f, network)
            if isinstance(made, str):
                raise UsageError(
                    given=made, expected=f"the arguments of {name}: {', '.join(FUNCTIONS[name][1])}",
                    do="say what a parameter is with arguments={'parameter': …}, or its value with fixed=",
                )  # fmt: skip
            found[name] = made
            continue
        taken = {one for one in subject.roles.values() if isinstance(one, str)}
        for alias in aliases:
            f = part_of(thing, alias)
            if alias in taken or f is None or not callable(f) or isinstance(f, (type, torch.nn.Module)):
                continue
            made = _bound(subject, name, alias, f, network)
            if isinstance(made, Role):
                found[name] = made
                break
            if len(aliases) and alias == aliases[0]:
                notes.append(made)
    return found, notes


def _bound(subject: DiffusionProcess, role: str, name: str, f: Any, network: Network | None) -> Role | str:  # noqa: ANN401
    """The function with its arguments by role; or, in words, why it is none of that role."""
    signature = _signature(f)
    if signature is None:
        return f"{name} does not say which arguments it takes"
    names, required = signature
    own = f"{role}."
    said = {n: w for n, w in subject.arguments.items() if "." not in n and n in names}
    said |= {n.removeprefix(own): w for n, w in subject.arguments.items() if n.startswith(own)}
    roles = matched(role, [one for one in names if one not in subject.fixed], said)
    fixed = {one: subject.fixed[one] for one in names if one in subject.fixed}
    if "device" in required and "device" not in fixed:
        fixed["device"] = "cpu"
    strange = [one for one in required if one not in roles and one not in fixed]
    lacking = sorted(NEEDED[role] - set(roles.values()))
    if strange or lacking:
        what = f"parameters of which nothing is known ({', '.join(strange)})" if strange else f"no {lacking[0]}"
        return f"{name} is not judged as {role}: it has {what}"
    if role in (*_LOOPS, "loss", *STEPS) and "model" not in roles.values() and "prediction" not in roles.values():
        if network is None or not network.replaced:
            return f"{name} is not judged as {role}: what it calls for a network was not found"
    if role in _LOOPS and not {"shape", "batch"} & set(roles.values()):
        return f"{name} is not judged as {role}: it has no shape"
    takes = frozenset(roles.values())

    def call(**given: Any) -> Any:  # noqa: ANN401
        if "model" in takes:
            given.setdefault("model", network)
        return f(**fixed, **{n: given[what] for n, what in roles.items() if what in given})

    spelt = ", ".join(f"{n}: {what}" for n, what in roles.items() if n != what)
    return Role(
        name=role, spelt=f"{name} is {role}" + (f" ({spelt})" if spelt else ""), call=call, takes=takes,
        per_row=role not in STEPS,
    )  # fmt: skip


def _given(role: Role, event: tuple[int, ...], dtype: torch.dtype, t: Any, rows: int) -> dict[str, Any]:  # noqa: ANN401
    """Something for every argument."""
    x = torch.linspace(-0.5, 0.5, rows * torch.Size(event).numel(), dtype=dtype).reshape(rows, *event)
    known: dict[str, Any] = {name: x + 0.1 * k for k, name in enumerate(("x0", "xt", "noise", "prediction", "v"))}
    given: dict[str, Any] = {name: value for name, value in known.items() if name in role.takes}
    if "t" in role.takes:
        given["t"] = t
    if "index" in role.takes:
        given["index"] = t if isinstance(t, int) else int(t[0])
    if "previous" in role.takes:
        given["previous"] = t - 1
    return given


def tried(role: Role, event: tuple[int, ...], dtype: torch.dtype, last: int, network: Network | None) -> Role:
    """The function as it runs: steps row by row in a tensor, or one step as a number; with what it raises otherwise."""
    if role.name in _LOOPS:
        return role
    most = min(last, 2)
    # As many rows as no axis of a sample has entries: a number for each row must not fit there by accident.
    count = next(rows for rows in range(2, 9) if rows not in event)
    forms: list[tuple[Any, int, Mapping[str, Any]]] = []
    if role.per_row:
        rows = torch.tensor([min(most, 1), *[most] * (count - 1)])
        forms.append((rows, count, {"per_row": True, "number": False}))
    forms.append((torch.full((count,), most), count, {"per_row": False, "number": False}))
    forms.append((most, count, {"per_row": False, "number": True}))
    problem: Exception | None = None
    for doubled in (False, True) if network is not None and role.name in STEPS else (False,):
        for t, count, how in forms:
            state = torch.get_rng_state()
            before = network.doubled if network is not None else False
            try:
                if network is not None:
                    network.doubled = doubled or before
                role.call(**_given(role, event, dtype, t, count))
                return replace(role, **how, broken="")
            except Exception as error:  # a stranger's code may raise anything
                problem = problem or error
                if network is not None:
                    network.doubled = before
            finally:
                torch.set_rng_state(state)
    assert problem is not None
    said = str(problem).strip().partition("\n")[0][:160]
    return replace(role, broken=f"{type(problem).__name__}: {said}")
