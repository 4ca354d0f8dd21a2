"""What a step reaches by itself: the attributes of its trainer, its closure, its globals; and a copy of all that."""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from genverify.adapters.latent_rebinding import rebound
from genverify.adapters.training_roles import role_of

__all__ = ["Reach", "copied", "reach_of"]

_Held = (nn.Module, torch.optim.Optimizer)


class Reach:
    """The objects that a step holds, by role where their names tell one, and its owners."""

    def __init__(self) -> None:
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: list[torch.optim.Optimizer] = []
        self.owners: list[Any] = []
        self.values: list[Any] = []

    def add(self, name: str, value: Any) -> None:  # noqa: ANN401 - any object
        """An object under the name that the step has for it."""
        role = role_of(name, alone=False)
        if isinstance(value, dict):
            for part, one in value.items():
                if isinstance(one, _Held) and isinstance(part, str):
                    self.add(part, one)
        elif isinstance(value, torch.optim.Optimizer):
            self.optimizers.append(value)
            self.values.append(value)
        elif isinstance(value, nn.Module):
            self.networks.setdefault(role if role in ("G", "D") else name, value)
            self.values.append(value)
            if role not in ("G", "D"):
                for part, child in value.named_children():
                    if role_of(part, alone=False) in ("G", "D"):
                        self.networks.setdefault(role_of(part, alone=False), child)


def _objects(f: Any, depth: int = 2) -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - any callable
    if depth < 0:
        return
    if isinstance(f, functools.partial):
        yield from f.keywords.items()
        yield from _objects(f.func, depth - 1)
    elif isinstance(f, FunctionType):
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=False):
            try:
                yield name, cell.cell_contents
            except ValueError:  # not filled yet
                continue
            yield from _objects(cell.cell_contents, depth - 1)
        for name in f.__code__.co_names:
            if name in f.__globals__:
                yield name, f.__globals__[name]
                if isinstance(f.__globals__[name], FunctionType):
                    yield from _objects(f.__globals__[name], depth - 1)


def reach_of(*steps: Any) -> Reach:  # noqa: ANN401 - any callables
    """Everything of interest that callables reach without being given it."""
    found = Reach()
    for f in steps:
        if f is not None:
            _reach(f, found)
    return found


def _reach(f: Any, found: Reach) -> None:  # noqa: ANN401 - any callable
    owner = f.__self__ if isinstance(f, MethodType) else None
    if owner is None and not isinstance(f, (FunctionType, functools.partial, type)) and hasattr(f, "__dict__"):
        owner = f
    if owner is not None:
        found.owners.append(owner)
        parts = dict(vars(owner))
        if isinstance(owner, nn.Module):
            parts |= dict(owner.named_children())
        for name, value in parts.items():
            found.add(name, value)
    for name, value in _objects(f.__func__ if isinstance(f, MethodType) else f):
        if isinstance(value, _Held):
            found.add(name, value)
        elif isinstance(value, MethodType) or (hasattr(value, "__dict__") and _holds(value)):
            found.owners.append(value.__self__ if isinstance(value, MethodType) else value)


def _holds(value: Any) -> bool:  # noqa: ANN401 - any object
    """Whether an object is a trainer: no module, function or class, but with networks among its attributes."""
    if isinstance(value, (type, FunctionType, nn.Module)) or type(value).__name__ == "module":
        return False
    return any(isinstance(one, _Held) for one in vars(value).values())


def copied(f: Any, reach: Reach, given: Mapping[str, Any]) -> tuple[Any, dict[int, Any]]:  # noqa: ANN401
    """(the callable on copies, id → copy) of all that it reaches and is given; links between them are kept."""
    memo: dict[int, Any] = {}
    copies: dict[int, Any] = {}
    for net in (*reach.networks.values(), *(v for v in (*reach.values, *given.values()) if isinstance(v, nn.Module))):
        for module in net.modules():
            for value in vars(module).values():
                # What a forward pass has computed and left (the older spectral norm) is no leaf, and cannot be copied.
                if isinstance(value, torch.Tensor) and not value.is_leaf:
                    memo[id(value)] = value.detach().clone()
    things = [*reach.values, *(v for v in given.values())]
    for thing in sorted(things, key=lambda one: isinstance(one, torch.optim.Optimizer)):
        copies[id(thing)] = copy.deepcopy(thing, memo)
    for owner in reach.owners:
        copies[id(owner)] = _copied_owner(owner, memo)
    for net in reach.networks.values():  # a part of a module that was copied whole
        if id(net) in memo:
            copies.setdefault(id(net), memo[id(net)])
    return rebound(f, copies), copies


def _copied_owner(owner: Any, memo: dict[int, Any]) -> Any:  # noqa: ANN401
    """A copy of a trainer, whose parts that cannot be copied (loaders, writers, files) are shared."""
    if id(owner) in memo:
        return memo[id(owner)]
    if isinstance(owner, nn.Module):
        return copy.deepcopy(owner, memo)
    made = copy.copy(owner)
    memo[id(owner)] = made
    for name, value in vars(owner).items():
        if isinstance(value, MethodType) and value.__self__ is owner:
            vars(made)[name] = MethodType(value.__func__, made)
            continue
        try:
            vars(made)[name] = copy.deepcopy(value, memo)
        except Exception:  # a stranger's object may refuse in any way
            vars(made)[name] = value
    return made
