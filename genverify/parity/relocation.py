"""A copy of everything that a program reaches, moved to another device, dtype and memory layout.

Modules are copied with `copy.deepcopy`; functions are made anew around copies of what they close over, and around those
of their globals that hold numbers; methods, partial functions and dataclasses are made anew around copies of their
parts. One memo holds them together: what two parts share, their copies share.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import warnings
from types import CellType, FunctionType, MethodType
from typing import Any

import torch
from torch import Tensor, nn

from genverify.errors import GenverifyError
from genverify.parity.execution import BASELINE, Execution
from genverify.subjects.functions import numbers_of, with_numbers
from genverify.subjects.subject import Subject

__all__ = ["CannotBeCopied", "Relocation"]


class CannotBeCopied(GenverifyError):
    """A subject holds something that refuses to be copied, so it cannot be run elsewhere without being changed."""

    def __init__(self, thing: object, error: BaseException) -> None:
        what = " ".join(str(error).split())[:160]
        super().__init__(
            f"it holds an object of type {type(thing).__qualname__} that cannot be copied ({type(error).__name__}: "
            f"{what}), and is not run elsewhere, since that would change it; leave such objects out of it"
        )


class Relocation:
    """Moves copies to where an execution runs; `parameters` and `modules` are those of the copies so far.

    Args:
        execution: Where to.
        through: A dtype through which the numbers go first, so that a wider run starts from numbers of that dtype.

    >>> weight = torch.tensor([0.1], dtype=torch.float64)
    >>> moved = Relocation(Execution(dtype=torch.float32))
    >>> moved.of(functools.partial(torch.mul, weight))(torch.ones(1)).dtype
    torch.float32
    """

    def __init__(self, execution: Execution = BASELINE, through: torch.dtype | None = None) -> None:
        self.execution, self.through = execution, through
        self.modules: list[nn.Module] = []
        self._memo: dict[int, Any] = {}
        self._kept: list[Any] = []  # an id in the memo stays taken as long as its object lives

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """Name → trainable parameter of the copies."""
        found: dict[str, nn.Parameter] = {}
        for number, module in enumerate(self.modules):
            before = f"{number}." if len(self.modules) > 1 else ""
            for name, parameter in module.named_parameters():
                if parameter.requires_grad and not any(parameter is one for one in found.values()):
                    found[before + name] = parameter
        return found

    def numbers(self, tensor: Tensor) -> Tensor:
        """A tensor there: floating ones in the dtype, through the other; strides are kept, or channels are last."""
        moved = tensor.detach()
        if moved.is_floating_point():
            moved = moved.to(self.through) if self.through is not None else moved
            moved = moved.to(device=self.execution.device, dtype=self.execution.dtype)
        elif moved.is_complex():
            wide = torch.complex128 if self.execution.dtype == torch.float64 else torch.complex64
            moved = moved.to(device=self.execution.device, dtype=wide)
        else:
            moved = moved.to(device=self.execution.device)
        return self._laid_out(moved.clone()).requires_grad_(tensor.requires_grad)

    def _laid_out(self, tensor: Tensor) -> Tensor:
        formats = {4: torch.channels_last, 5: torch.channels_last_3d}
        if not self.execution.channels_last or tensor.dim() not in formats:
            return tensor
        return tensor.contiguous(memory_format=formats[tensor.dim()])

    def of(self, thing: Any) -> Any:  # noqa: ANN401 - anything that a program reaches
        """The copy of a thing; itself, where it reaches no numbers.

        Raises:
            CannotBeCopied: Something in it refuses.
        """
        if id(thing) in self._memo:
            return self._memo[id(thing)]
        self._kept.append(thing)
        made = self._copied(thing)
        self._memo[id(thing)] = made
        return made

    def _copied(self, thing: Any) -> Any:  # noqa: ANN401
        if isinstance(thing, (nn.Module, torch.optim.Optimizer)):
            return self._deep(thing)
        if isinstance(thing, Tensor):
            return self.numbers(thing)
        if isinstance(thing, torch.device):
            return torch.device(self.execution.device)
        if thing is None or isinstance(thing, (str, bytes, int, float, complex, type, Subject, torch.dtype)):
            return thing
        if isinstance(thing, (tuple, list)):
            parts = [self.of(one) for one in thing]
            if all(new is old for new, old in zip(parts, thing, strict=True)):
                return thing
            return type(thing)(*parts) if hasattr(thing, "_fields") else type(thing)(parts)
        if isinstance(thing, dict):
            parts = {name: self.of(one) for name, one in thing.items()}
            return parts if any(parts[name] is not thing[name] for name in thing) else thing
        if isinstance(thing, MethodType):
            owner = self.of(thing.__self__)
            return thing if owner is thing.__self__ else MethodType(thing.__func__, owner)
        if isinstance(thing, functools.partial):
            return self._partial(thing)
        if isinstance(thing, FunctionType):
            return self._function(thing)
        if found := numbers_of(thing):
            return with_numbers(thing, {name: self.numbers(one) for name, one in found.items()})
        if dataclasses.is_dataclass(thing):
            return self._record(thing)
        return self._deep(thing) if _holds_numbers(thing) else thing

    def _partial(self, thing: functools.partial[Any]) -> Any:  # noqa: ANN401
        f, args, named = self.of(thing.func), self.of(thing.args), self.of(dict(thing.keywords))
        same = f is thing.func and args is thing.args and all(named[k] is v for k, v in thing.keywords.items())
        return thing if same else functools.partial(f, *args, **named)

    def _record(self, thing: Any) -> Any:  # noqa: ANN401 - a dataclass
        made = copy.copy(thing)
        self._memo[id(thing)] = made
        changed = False
        for field in dataclasses.fields(thing):
            kept = getattr(thing, field.name, None)
            new = self.of(kept)
            if new is not kept:
                object.__setattr__(made, field.name, new)
                changed = True
        return made if changed else thing

    def _function(self, thing: FunctionType) -> FunctionType:
        self._memo[id(thing)] = thing  # one that calls itself
        cells, changed = [], False
        for cell in thing.__closure__ or ():
            try:
                kept = cell.cell_contents
            except ValueError:  # not filled yet
                cells.append(cell)
                continue
            new = self.of(kept)
            changed = changed or new is not kept
            cells.append(CellType(new) if new is not kept else cell)
        scope = {}
        for name in _names(thing.__code__) if not _ours(thing) else ():
            kept = thing.__globals__.get(name)
            if isinstance(kept, (nn.Module, Tensor)) or (isinstance(kept, FunctionType) and not _ours(kept)):
                new = self.of(kept)
                if new is not kept:
                    scope[name] = new
        defaults = self.of(thing.__defaults__)
        if not changed and not scope and defaults is thing.__defaults__:
            return thing
        space = {**thing.__globals__, **scope} if scope else thing.__globals__
        made = FunctionType(thing.__code__, space, thing.__name__, defaults, tuple(cells) or None)
        made.__kwdefaults__ = thing.__kwdefaults__
        made.__qualname__ = thing.__qualname__
        return made

    def _deep(self, thing: Any) -> Any:  # noqa: ANN401
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                for part in thing.modules() if isinstance(thing, nn.Module) else ():
                    for value in vars(part).values():
                        # What a forward pass has left (the older spectral norm) is no leaf, and cannot be copied.
                        if isinstance(value, Tensor) and not value.is_leaf and id(value) not in self._memo:
                            self._memo[id(value)] = value.detach().clone()
                made = copy.deepcopy(thing, self._memo)
        except Exception as error:  # a stranger's object may refuse in any way
            raise CannotBeCopied(thing, error) from error
        if isinstance(made, nn.Module):
            if not any(made is part for one in self.modules for part in one.modules()):
                self.modules.append(made)
            self._move_module(made)
        elif isinstance(made, torch.optim.Optimizer):
            for state in made.state.values():
                state.update({k: self.numbers(v) for k, v in state.items() if isinstance(v, Tensor) and v.dim()})
        else:
            self._move_attributes(made)
        return made

    def _move_module(self, module: nn.Module) -> None:
        if self.through is not None:
            module.to(self.through)
        module.to(device=self.execution.device, dtype=self.execution.dtype)
        for part in module.modules():
            self._move_attributes(part)
        with torch.no_grad():
            for tensor in [*module.parameters(), *module.buffers()]:
                tensor.data = self._laid_out(tensor.data)

    def _move_attributes(self, thing: Any) -> None:  # noqa: ANN401
        """Tensors kept as plain attributes, or in lists, are constants that `Module.to` does not see."""
        for name, value in list(vars(thing).items()) if hasattr(thing, "__dict__") else ():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
                vars(thing)[name] = self.numbers(value)
            elif isinstance(value, list) and value and all(type(one) is Tensor for one in value):
                vars(thing)[name] = [self.numbers(one) for one in value]
            elif not isinstance(thing, nn.Module) and _holds_numbers(value) and not isinstance(value, (list, dict)):
                self._move_attributes(value)


def _holds_numbers(thing: Any, depth: int = 4) -> bool:  # noqa: ANN401
    """Whether an object has tensors or modules among its attributes."""
    if isinstance(thing, (Tensor, nn.Module)):
        return True
    if depth < 0 or isinstance(thing, (type, FunctionType)) or type(thing).__name__ == "module":
        return False
    if isinstance(thing, dict):
        return any(_holds_numbers(one, depth - 1) for one in thing.values())
    if isinstance(thing, (list, tuple)):
        return any(_holds_numbers(one, depth - 1) for one in thing)
    return any(_holds_numbers(one, depth - 1) for one in vars(thing).values()) if hasattr(thing, "__dict__") else False


def _ours(thing: Any) -> bool:  # noqa: ANN401
    """Whether it comes from torch or from genverify, whose globals hold no numbers of a subject."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("torch", "genverify", "builtins")


def _names(code: Any) -> set[str]:  # noqa: ANN401 - a code object
    """Names that a function, or one inside it, may look up among its globals."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            found |= _names(constant)
    return found
