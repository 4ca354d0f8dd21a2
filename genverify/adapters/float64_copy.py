"""A copy of a stranger's module in float64 and in evaluation mode, where possible; the module stays as it is."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Carrier", "carry"]


@dataclass(frozen=True, kw_only=True)
class Carrier:
    """What a subject's callables become in a copy of the module that they belong to.

    Attributes:
        wide: Callable or module → the same in the float64 copy; None when there is no module that can be copied.
        own: Callable or module → the same in a copy of the module's own dtype, in evaluation mode.
        dtypes: The floating dtypes of the module's parameters and buffers; empty when it has none.
        modules: The modules of the float64 copy.
        notes: What could not be done.
    """

    wide: Callable[[Any], Any] | None
    own: Callable[[Any], Any]
    dtypes: tuple[torch.dtype, ...]
    modules: tuple[nn.Module, ...] = ()
    notes: tuple[str, ...] = ()


def module_of(thing: Any) -> nn.Module | None:  # noqa: ANN401
    """The module that a thing is, or whose method it is."""
    if isinstance(thing, nn.Module):
        return thing
    owner = getattr(thing, "__self__", None)
    return owner if isinstance(owner, nn.Module) else None


def carry(*things: Any) -> Carrier:  # noqa: ANN401
    """Copies of the modules behind the things (a module, its methods), made once for all of them."""
    modules: dict[int, nn.Module] = {}
    for thing in things:
        module = module_of(thing)
        if module is not None:
            modules[id(module)] = module
    if not modules:
        return Carrier(wide=None, own=lambda thing: thing, dtypes=())
    dtypes = _own_dtypes(modules.values())
    training = any(m.training for module in modules.values() for m in module.modules() if _depends_on_mode(m))
    notes = ("judged in evaluation mode",) if training else ()
    own = _copies(modules, None)
    if own is None:
        return Carrier(
            wide=None, own=lambda thing: thing, dtypes=dtypes,
            notes=("the module cannot be copied; it is judged as it stands",),
        )  # fmt: skip
    wide = _copies(modules, torch.float64)
    return Carrier(
        wide=None if wide is None else lambda thing: _moved(thing, wide),
        own=lambda thing: _moved(thing, own), dtypes=dtypes, modules=tuple((wide or own).values()), notes=notes,
    )  # fmt: skip


def _own_dtypes(modules: Iterable[nn.Module]) -> tuple[torch.dtype, ...]:
    """The floating dtypes of the parameters; without any, those of the buffers, then of tensors kept as attributes."""
    chosen = list(modules)
    for tensors in (
        [p for m in chosen for p in m.parameters()],
        [b for m in chosen for b in m.buffers()],
        [t for m in chosen for t in _loose_tensors(m)],
    ):
        found = tuple(dict.fromkeys(t.dtype for t in tensors if t.is_floating_point()))
        if found:
            return found
    return ()


def _loose_tensors(module: nn.Module) -> list[Tensor]:
    """Tensors kept as plain attributes."""
    return [value for part in module.modules() for value in vars(part).values() if isinstance(value, Tensor)]


def _depends_on_mode(module: nn.Module) -> bool:
    name = type(module).__name__
    return "Norm" in name or "Dropout" in name


def _copies(modules: dict[int, nn.Module], dtype: torch.dtype | None) -> dict[int, nn.Module] | None:
    memo: dict[int, Any] = {}
    found = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for key, module in modules.items():
                made = copy.deepcopy(module, memo)
                made.eval()
                if dtype is not None:
                    made.to(dtype)
                    _move_loose_tensors(made, dtype)
                found[key] = made
    except Exception:  # a stranger's module may refuse in any way
        return None
    return found


def _move_loose_tensors(module: nn.Module, dtype: torch.dtype) -> None:
    """Tensors kept as plain attributes, or in lists, are constants that `Module.to` does not see."""
    for part in module.modules():
        for name, value in list(vars(part).items()):
            if isinstance(value, Tensor) and value.is_floating_point():
                vars(part)[name] = value.detach().to(dtype)
            elif isinstance(value, list) and value and all(isinstance(v, Tensor) for v in value):
                if any(isinstance(v, nn.Parameter) for v in value):
                    continue  # a recurrent layer's list of its own parameters, which have been moved
                vars(part)[name] = [v.detach().to(dtype) if v.is_floating_point() else v for v in value]


def _moved(thing: Any, copies: dict[int, nn.Module]) -> Any:  # noqa: ANN401
    if isinstance(thing, nn.Module):
        return copies.get(id(thing), thing)
    owner = getattr(thing, "__self__", None)
    if isinstance(owner, nn.Module) and id(owner) in copies:
        return MethodType(thing.__func__, copies[id(owner)])
    return thing
