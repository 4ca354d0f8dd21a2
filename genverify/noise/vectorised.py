"""One program, many rows of draws at once: `torch.func.vmap`, for code that was not written with it in mind.

Under vmap a tensor that a program makes has no row axis until it meets one that has, and then in-place fills, writes
into buffers, `requires_grad_`, `backward` and every question about a value fail. Here each tensor that a program makes
is given its rows at birth, differentiation is done on the rows underneath (a sum over rows differentiates each row by
itself), and a question about a value is answered where all rows agree. What still fails raises: the caller falls back
to one evaluation at a time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch._C import _functorch  # type: ignore[attr-defined]
from torch._functorch.pyfunctorch import temporarily_pop_interpreter_stack
from torch.overrides import TorchFunctionMode

__all__ = ["NotRowwise", "in_rows"]


class NotRowwise(Exception):
    """The program cannot be evaluated on many rows at once."""


_FRESH = {
    torch.empty, torch.zeros, torch.ones, torch.full, torch.tensor, torch.arange, torch.eye, torch.linspace,
    torch.empty_like, torch.zeros_like, torch.ones_like, torch.full_like, torch.clone, torch.randn, torch.rand,
    torch.Tensor.clone, torch.Tensor.new_zeros, torch.Tensor.new_ones, torch.Tensor.new_empty, torch.Tensor.new_full,
    torch.Tensor.new_tensor,
}  # fmt: skip
_FILLS = {
    torch.Tensor.normal_, torch.Tensor.uniform_, torch.Tensor.exponential_, torch.Tensor.bernoulli_,
    torch.Tensor.random_, torch.Tensor.log_normal_, torch.Tensor.cauchy_, torch.Tensor.geometric_,
}  # fmt: skip
_NUMBERS: dict[Any, Callable[[Any], Any]] = {
    torch.Tensor.__bool__: bool,
    torch.Tensor.__float__: float,
    torch.Tensor.__int__: int,
    torch.Tensor.__index__: int,
    torch.Tensor.item: lambda number: number,
}


class _Rows(TorchFunctionMode):
    """Gives rows to what the program makes, and differentiates beneath them."""

    def __init__(self, count: int, fresh: bool) -> None:
        super().__init__()
        self.count, self.fresh = count, fresh
        self.level = _functorch.maybe_current_level()
        self.leaves: list[Tensor] = []

    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        """Torch's hook: every call of the program passes through here."""
        kwargs = dict(kwargs or {})
        if _functorch.maybe_current_level() != self.level:  # inside a transform of the program's own
            return func(*args, **kwargs)
        if func in _NUMBERS:
            return _NUMBERS[func](self.agreed(args[0]) if _has_rows(args[0]) else func(*args, **kwargs))
        answer = _ANSWERS.get(func)
        if answer is not None:
            return answer(self, *args, **kwargs)
        if func in _FILLS and not _has_rows(args[0]):
            return func(self.widen(args[0]), *args[1:], **kwargs)
        wants = bool(kwargs.pop("requires_grad", False)) if func in _FRESH else False
        made = func(*args, **kwargs)
        if wants or (self.fresh and func in _FRESH and isinstance(made, Tensor) and not _has_rows(made)):
            made = self.widen(made)
        return self.require(made) if wants else made

    def widen(self, tensor: Tensor) -> Tensor:
        """The tensor with rows, all alike, in memory of their own."""
        if _has_rows(tensor):
            return tensor
        with temporarily_pop_interpreter_stack(), torch._C.DisableTorchFunction():
            rows = tensor.detach().expand(self.count, *tensor.shape).clone()
        return self.wrap(rows)

    def wrap(self, rows: Tensor, dim: int = 0) -> Tensor:
        """Rows as the program sees them: one of them."""
        return _functorch._add_batch_dim(rows, dim, self.level)

    def beneath(self, tensor: Any) -> Any:  # noqa: ANN401
        """The rows of what has them, moved to the front; anything else as it is."""
        if not (isinstance(tensor, Tensor) and _has_rows(tensor)):
            return tensor
        if _functorch.maybe_get_level(tensor) != self.level:
            raise NotRowwise("it transforms its own functions")
        rows = _functorch.get_unwrapped(tensor)
        return rows if _functorch.maybe_get_bdim(tensor) == 0 else rows.movedim(_functorch.maybe_get_bdim(tensor), 0)

    def agreed(self, tensor: Tensor) -> Any:  # noqa: ANN401
        """The number that a tensor of one element holds in every row."""
        with temporarily_pop_interpreter_stack(), torch._C.DisableTorchFunction():
            rows = self.beneath(tensor).detach().reshape(self.count, -1)
            if rows.shape[1] != 1 or not bool((rows == rows[:1]).all()):
                raise NotRowwise("it decides by the value of a draw")
            return rows[0, 0].item()

    def require(self, tensor: Tensor, flag: bool = True) -> Tensor:
        """`requires_grad_`, on the rows."""
        tensor = self.widen(tensor)
        with temporarily_pop_interpreter_stack(), torch._C.DisableTorchFunction():
            _functorch.get_unwrapped(tensor).requires_grad_(flag)
        if flag:
            self.leaves.append(tensor)
        return tensor

    def gradients(
        self,
        outputs: Any,  # noqa: ANN401
        inputs: Any,  # noqa: ANN401
        grad_outputs: Any = None,  # noqa: ANN401
        *rest: Any,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> tuple[Any, ...]:
        """`torch.autograd.grad`, row by row: the rows are independent, so those of a sum over rows are apart."""
        asked = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if rest or kwargs.get("is_grads_batched") or not all(_has_rows(one) for one in asked):
            raise NotRowwise("it differentiates with respect to a tensor from outside")
        made = [outputs] if isinstance(outputs, Tensor) else list(outputs)
        seeds = [grad_outputs] if grad_outputs is None or isinstance(grad_outputs, Tensor) else list(grad_outputs)
        with temporarily_pop_interpreter_stack(), torch._C.DisableTorchFunction():
            rows = [self.beneath(one) for one in made]
            given = None if grad_outputs is None else [self.seed(s, r) for s, r in zip(seeds, rows, strict=True)]
            given = [torch.ones_like(one) for one in rows] if given is None else given
            leaves = [_functorch.get_unwrapped(one) for one in asked]
            found = torch.autograd.grad(rows, leaves, given, **kwargs)
        dims = [_functorch.maybe_get_bdim(one) for one in asked]
        return tuple(g if g is None else self.wrap(g, d) for g, d in zip(found, dims, strict=True))

    def seed(self, given: Tensor | None, rows: Tensor) -> Tensor:
        """What a gradient starts from, in every row."""
        if given is None:
            return torch.ones_like(rows)
        own = self.beneath(given)
        return own.expand_as(rows) if _has_rows(given) else own.expand(rows.shape[1:]).expand_as(rows)

    def backward(
        self,
        tensors: Any,  # noqa: ANN401
        gradient: Any = None,  # noqa: ANN401
        retain_graph: Any = None,  # noqa: ANN401
        create_graph: bool = False,
        inputs: Any = None,  # noqa: ANN401
    ) -> None:
        """`backward`: into the leaves that have rows, and into no other."""
        made = [tensors] if isinstance(tensors, Tensor) else list(tensors)
        seeds = [gradient] * len(made) if gradient is None or isinstance(gradient, Tensor) else list(gradient)
        chosen = self.leaves if inputs is None else ([inputs] if isinstance(inputs, Tensor) else list(inputs))
        if not chosen or not all(_has_rows(one) for one in chosen):
            raise NotRowwise("it leaves gradients in tensors from outside")
        with temporarily_pop_interpreter_stack(), torch._C.DisableTorchFunction():
            rows = [self.beneath(one) for one in made]
            given = [self.seed(one, row) for one, row in zip(seeds, rows, strict=True)]
            leaves = [_functorch.get_unwrapped(one) for one in chosen]
            torch.autograd.backward(rows, given, retain_graph, create_graph, inputs=leaves)

    def grad_of(self, tensor: Tensor) -> Tensor | None:
        """`.grad`, row by row."""
        if not _has_rows(tensor):
            return tensor.grad
        with torch._C.DisableTorchFunction():
            found = _functorch.get_unwrapped(tensor).grad
        return None if found is None else self.wrap(found, _functorch.maybe_get_bdim(tensor))

    def set_grad(self, tensor: Tensor, value: Tensor | None) -> None:
        """`.grad = …`, row by row."""
        if not _has_rows(tensor):
            raise NotRowwise("it sets the gradient of a tensor from outside")
        with temporarily_pop_interpreter_stack(), torch._C.DisableTorchFunction():
            _functorch.get_unwrapped(tensor).grad = None if value is None else self.beneath(self.widen(value))

    def equal(self, one: Tensor, other: Tensor) -> bool:
        """`torch.equal`, where all rows agree on it."""
        return one.shape == other.shape and self.all_true(one == other)

    def all_true(self, tensor: Tensor) -> bool:
        """Whether all is true, where all rows agree on it."""
        every = tensor.all()
        return bool(self.agreed(every) if _has_rows(every) else every)

    def gumbel_softmax(
        self, logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
    ) -> Tensor:
        """It dispatches as a whole: its noise must have rows from the start, and its scatter be out of place."""
        soft = torch.nn.functional.gumbel_softmax(self.widen(logits), tau, dim=dim)
        if not hard:
            return soft
        chosen = torch.zeros_like(soft).scatter(dim, soft.max(dim, keepdim=True)[1], 1.0)
        return chosen - soft.detach() + soft


def _has_rows(tensor: object) -> bool:
    return isinstance(tensor, Tensor) and _functorch.is_batchedtensor(tensor)


def _attribute(name: str) -> Callable[..., Any]:
    def read(mode: _Rows, tensor: Tensor) -> Any:  # noqa: ANN401
        with torch._C.DisableTorchFunction():
            return getattr(_functorch.get_unwrapped(tensor) if _has_rows(tensor) else tensor, name)

    return read


def _property(name: str) -> Any:  # noqa: ANN401 - the descriptor, which a type checker takes for its value
    return inspect.getattr_static(torch.Tensor, name)


_ANSWERS: dict[Any, Callable[..., Any]] = {
    torch.autograd.grad: _Rows.gradients,
    torch.autograd.backward: _Rows.backward,
    torch.Tensor.backward: _Rows.backward,
    torch.Tensor.requires_grad_: _Rows.require,
    _property("requires_grad").__get__: _attribute("requires_grad"),
    _property("requires_grad").__set__: _Rows.require,
    _property("is_leaf").__get__: _attribute("is_leaf"),
    _property("grad_fn").__get__: _attribute("grad_fn"),
    _property("grad").__get__: _Rows.grad_of,
    _property("grad").__set__: _Rows.set_grad,
    _property("data").__get__: lambda mode, tensor: tensor.detach(),
    torch.equal: _Rows.equal,
    vars(torch)["_is_all_true"]: _Rows.all_true,
    torch.nn.functional.gumbel_softmax: _Rows.gumbel_softmax,
}


def in_rows(program: Callable[[], Sequence[Tensor]], count: int, *, fresh: bool) -> list[Tensor]:
    """The outputs of a program on `count` rows of draws, each with a first axis of that length.

    With `fresh`, every tensor that the program makes has rows from the start. Draws reach torch's dispatcher with
    the rows as their first axis; whoever feeds them must be entered outside.

    Raises:
        NotRowwise: The program decides by a value that differs between rows, or writes to tensors from outside.
        Exception: Whatever else vmap, or the program under it, cannot do.
    """

    def one(_: Tensor) -> list[Tensor]:
        with _Rows(count, fresh) as mode:
            return [mode.widen(leaf).detach() for leaf in program()]

    # What vmap has no rule for it takes one row after the other, which is slower than not to use it.
    before = _functorch._is_vmap_fallback_enabled()
    _functorch._set_vmap_fallback_enabled(False)
    try:
        return torch.vmap(one, randomness="different")(torch.arange(count))
    finally:
        _functorch._set_vmap_fallback_enabled(before)
