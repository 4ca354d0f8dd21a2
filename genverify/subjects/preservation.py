"""A subject is never changed: everything reachable from it is put back, and what had changed is named."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from types import FunctionType, MethodType
from typing import Any

import torch
from torch import nn

from genverify.subjects import global_state

__all__ = ["Preservation", "preserved"]

_DEPTH = 4


class Preservation:
    """A snapshot of modules, tensors, attributes and global state; `restore` puts it back and says what had moved.

    Tensors are compared by value, NaN with NaN, so an unchanged subject costs no copy back.
    """

    def __init__(self, *objects: object) -> None:
        self.changes: list[str] = []
        self._tensors: dict[int, tuple[str, torch.Tensor, torch.Tensor, bool]] = {}
        self._grads: dict[int, tuple[str, torch.Tensor, torch.Tensor | None, torch.Tensor | None]] = {}
        self._attributes: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self._seen: set[int] = set()
        for one in objects:
            # A subject's own record of what was learnt of it is genverify's; what is kept is the implementation.
            self._visit(getattr(one, "f", one), type(getattr(one, "f", one)).__name__, _DEPTH)
        self._globals = global_state.now()

    def watch_globals(self, seed: int | None = None) -> None:
        """Takes the global state as it is now for the one to go back to: what happened before was not the subject.

        With a seed every generator is seeded first.
        """
        self._globals = global_state.now() if seed is None else global_state.seeded(seed)

    def _visit(self, one: object, path: str, depth: int) -> None:
        if depth < 0 or id(one) in self._seen or one is None or isinstance(one, (str, bytes, int, float, type)):
            return
        self._seen.add(id(one))
        if isinstance(one, torch.Tensor):
            self._keep_tensor(one, path)
        elif isinstance(one, nn.Module):
            for name, module in one.named_modules():
                self._seen.add(id(module))
                self._keep_attributes(module, f"{path}.{name}" if name else path)
            for name, tensor in [*one.named_parameters(), *one.named_buffers()]:
                self._keep_tensor(tensor, f"{path}.{name}")
        elif isinstance(one, dict):
            self._attributes.append((path, one, dict(one)))
            for key, value in list(one.items()):
                self._visit(value, f"{path}[{key!r}]", depth - 1)
        elif isinstance(one, (list, tuple)):
            for index, value in enumerate(one):
                self._visit(value, f"{path}[{index}]", depth - 1)
        elif isinstance(one, MethodType):
            self._visit(one.__self__, path, depth)
            self._visit(one.__func__, path, depth)
        elif isinstance(one, FunctionType):
            for cell in one.__closure__ or ():
                try:
                    self._visit(cell.cell_contents, path, depth - 1)
                except ValueError:  # a cell that is not filled yet
                    continue
        elif hasattr(one, "__dict__") and not inspect.ismodule(one):
            self._keep_attributes(one, path)
            for name, value in list(vars(one).items()):
                self._visit(value, f"{path}.{name}", depth - 1)

    def _keep_tensor(self, tensor: torch.Tensor, path: str) -> None:
        if tensor.is_inference():
            return
        self._seen.add(id(tensor))
        kept = tensor.detach().clone()
        self._tensors[id(tensor)] = (path, tensor, kept, tensor.requires_grad)
        grad = tensor.grad if tensor.is_leaf else None
        self._grads[id(tensor)] = (path, tensor, grad, None if grad is None else grad.detach().clone())

    def _keep_attributes(self, one: object, path: str) -> None:
        if not hasattr(one, "__dict__"):
            return
        self._attributes.append((path, vars(one), dict(vars(one))))
        if isinstance(one, nn.Module):
            for name, value in list(vars(one).items()):
                if isinstance(value, dict):  # parameters, buffers, hooks
                    self._attributes.append((f"{path}.{name}", value, dict(value)))

    def restore(self, *, generators: bool = True) -> list[str]:
        """Puts everything back; returns, in words, what had changed since the snapshot or the last call.

        Global state is put back to what it was when it was last watched, unless `generators` is False.
        """
        found: list[str] = []
        for path, live, kept in self._attributes:
            if live.keys() != kept.keys() or any(live[name] is not kept[name] for name in kept):
                names = sorted(str(n) for n in {*live, *kept} if live.get(n, _ABSENT) is not kept.get(n, _ABSENT))
                found.append(f"{path}: {', '.join(names)}")
                live.clear()
                live.update(kept)
        for path, tensor, kept, requires_grad in self._tensors.values():
            # Batch norm writes its running statistics, and `.data` anything, past torch's version counter: only the
            # values themselves can be trusted.
            if not _identical(tensor.detach(), kept):
                found.append(f"{path}: values")
                with torch.no_grad():
                    if tensor.shape == kept.shape and tensor.dtype == kept.dtype and tensor.device == kept.device:
                        tensor.detach().copy_(kept)
                    else:
                        tensor.data = kept.clone()
            if tensor.is_leaf and tensor.requires_grad != requires_grad:
                found.append(f"{path}: requires_grad")
                tensor.requires_grad_(requires_grad)
        for path, tensor, grad, kept in self._grads.values():
            if not tensor.is_leaf:
                continue
            if tensor.grad is not grad or (grad is not None and kept is not None and not torch.equal(grad, kept)):
                found.append(f"{path}: grad")
                if grad is not None and kept is not None:
                    grad.detach().copy_(kept)
                tensor.grad = grad
        if generators:
            found += global_state.restore(self._globals)
        self.changes += [change for change in found if change not in self.changes]
        return found


_ABSENT = object()


def _identical(now: torch.Tensor, kept: torch.Tensor) -> bool:
    """The same dtype, device, shape and values, where NaN is the same as NaN."""
    if now.dtype != kept.dtype or now.device != kept.device or now.shape != kept.shape:
        return False
    return torch.equal(now, kept) or bool(((now == kept) | ((now != now) & (kept != kept))).all())


@contextmanager
def preserved(*objects: object) -> Iterator[Preservation]:
    """Everything reachable from the objects, and torch's and Python's global state, is the same afterwards.

    >>> layer = nn.Linear(1, 1)
    >>> with preserved(layer) as keeper:
    ...     _ = layer.train(False)
    >>> layer.training, keeper.changes
    (True, ['Linear: training'])
    """
    outer = global_state.now()
    keeper = Preservation(*objects)
    try:
        yield keeper
    finally:
        keeper.restore(generators=False)
        global_state.restore(outer)
