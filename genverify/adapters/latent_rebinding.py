"""A function that speaks of a module, made to speak of the module's copy."""

from __future__ import annotations

import functools
from types import CellType, FunctionType, MethodType
from typing import Any

from torch import nn

__all__ = ["mentions", "rebound"]


def mentions(thing: Any, module: nn.Module) -> bool:  # noqa: ANN401 - any callable
    """Whether a callable reaches the module by itself: as its method, in its closure, among its globals."""
    return rebound(thing, {id(module): nn.Identity()}) is not thing


def rebound(thing: Any, copies: dict[int, Any], depth: int = 3) -> Any:  # noqa: ANN401 - any callable
    """The callable with every object of `copies` (by id) exchanged; itself, where it mentions none of them.

    >>> layer, other = nn.Linear(1, 1), nn.Identity()
    >>> rebound(lambda x: layer(x), {id(layer): other})(5)
    5
    """
    if id(thing) in copies:
        return copies[id(thing)]
    if depth < 0:
        return thing
    if isinstance(thing, MethodType):
        owner = rebound(thing.__self__, copies, depth - 1)
        return thing if owner is thing.__self__ else MethodType(thing.__func__, owner)
    if isinstance(thing, functools.partial):
        parts = [rebound(part, copies, depth - 1) for part in (thing.func, *thing.args)]
        named = {name: rebound(value, copies, depth - 1) for name, value in thing.keywords.items()}
        changed = any(new is not old for new, old in zip(parts, (thing.func, *thing.args), strict=True))
        changed = changed or any(named[name] is not thing.keywords[name] for name in named)
        return functools.partial(parts[0], *parts[1:], **named) if changed else thing
    return _function(thing, copies, depth) if isinstance(thing, FunctionType) else thing


def _function(thing: FunctionType, copies: dict[int, Any], depth: int) -> FunctionType:
    cells, changed = [], False
    for cell in thing.__closure__ or ():
        try:
            kept = cell.cell_contents
        except ValueError:  # not filled yet
            cells.append(cell)
            continue
        new = rebound(kept, copies, depth - 1)
        changed = changed or new is not kept
        cells.append(CellType(new) if new is not kept else cell)
    scope = {}
    for name in _globals_of(thing.__code__):
        if name in thing.__globals__:
            kept = thing.__globals__[name]
            new = rebound(kept, copies, depth - 1)
            if new is not kept:
                scope[name] = new
    if not changed and not scope:
        return thing
    made = FunctionType(
        thing.__code__, {**thing.__globals__, **scope}, thing.__name__, thing.__defaults__, tuple(cells) or None
    )
    made.__kwdefaults__ = thing.__kwdefaults__
    made.__qualname__ = thing.__qualname__
    return made


def _globals_of(code: Any) -> set[str]:  # noqa: ANN401 - a code object
    """Names that a function, or one inside it, may look up among its globals."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= _globals_of(constant)
    return found
