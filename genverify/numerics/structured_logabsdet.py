"""log|det J| of maps too large for a dense Jacobian: cut at their layers, and read off where J is sparse.

With the graph of one forward pass a product v ↦ Jᵀv costs one backward pass, and so does one between any two tensors of
the pass. Three facts then give determinants without matrices:

- *Cuts.* Where y depends on x through a tensor t of as many numbers alone, ∂y/∂x = (∂y/∂t)(∂t/∂x), and the logarithms
  add. Whether t is one is seen from products: both sides agree on a generic v if and only if (almost surely) it is.
- *Peeling.* An input that moves a single output makes a row of Jᵀ with one entry; which output it is, is written in
  ⌈log₂ n⌉ products with the bits of its index. Such rows leave, with their columns, and what remains is peeled again:
  permutations and elementwise maps in one round, couplings in two, whatever is triangular in few blocks in as many.
- *Blocks.* What mixes one axis alone (a 1×1 convolution) has c × c blocks, which c products tell.

A composition of such layers costs a few dozen backward passes, whatever n is. What is neither is said, and not guessed.

Source: the expansion of a determinant along a row (Laplace 1772); Curtis, Powell & Reid 1974, "On the estimation of
sparse Jacobian matrices", for several columns in one product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["StructuredLogabsdet", "structured_logabsdet"]

Map = Callable[[Tensor], Tensor]

# Rounds of peeling, the most numbers along an axis that is mixed, and how many tensors are tried as one cut.
_ROUNDS, _WIDEST, _TRIED = 8, 128, 12
# Half units within which products are the same.
_SAME = 2.0**10


@dataclass(frozen=True)
class _Peel:
    """Rows `single` of Jᵀ between two tensors of the pass, each with one entry, in the column `moved`."""

    u: int
    w: int
    rows: Tensor
    single: Tensor
    moved: Tensor


@dataclass(frozen=True)
class _Blocks:
    """One axis alone is mixed between two tensors of the pass."""

    u: int
    w: int
    axis: int


@dataclass(frozen=True, kw_only=True)
class StructuredLogabsdet:
    """log|det J| of one event, and how it was found.

    Attributes:
        value: The logarithm, in float64; −inf where two inputs move one output alone.
        parts: Layers between cuts.
        products: Backward passes through one part each.
        problem: Why there is no value; empty where there is one.
        steps: What was peeled and which blocks were found, from which `again` computes the value anew.
        tensors: How many tensors the pass made that could be cut at.
    """

    value: float
    parts: int
    products: int
    problem: str = ""
    steps: tuple[_Peel | _Blocks, ...] = ()
    tensors: int = 0

    def again(self, f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
        """The sign and the value of another run, its structure taken as known: in perturbed arithmetic, say.

        The sign is that of the product of all entries and blocks: of det J up to the parity of a permutation, which
        is the same wherever the structure is.

        Raises:
            RuntimeError: The run made other tensors.
        """
        made = _Pass.of(f, x)
        if len(made.tensors) != self.tensors:
            raise RuntimeError(f"{len(made.tensors)} tensors where there were {self.tensors}: the map took another way")
        sign, total = torch.ones((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)
        for step in self.steps:
            if isinstance(step, _Peel):
                v = _generic(made[step.w].numel()) * step.rows
                entries = made.pull(step.w, step.u, v)[step.single] / v[step.moved]
                signs, logs = entries.sign(), entries.abs().log()
            else:
                signs, logs = torch.linalg.slogdet(made.blocks(step.u, step.w, step.axis))
            sign, total = sign * signs.prod(), total + logs.sum()
        return sign, total

    def alike(self, other: StructuredLogabsdet) -> bool:
        """Whether the same numbers were peeled, and the same axes mixed."""
        if len(self.steps) != len(other.steps):
            return False
        for one, two in zip(self.steps, other.steps, strict=True):
            if type(one) is not type(two) or (one.u, one.w) != (two.u, two.w):
                return False
            if isinstance(one, _Peel) and isinstance(two, _Peel):
                if not (torch.equal(one.single, two.single) and torch.equal(one.moved, two.moved)):
                    return False
            elif isinstance(one, _Blocks) and isinstance(two, _Blocks) and one.axis != two.axis:
                return False
        return True


def structured_logabsdet(f: Map, x: Tensor) -> StructuredLogabsdet:
    """log|det ∂f/∂x| of one event from the graph of one forward pass.

    Shapes: `x` [1, *event], `f(x)` with as many numbers.

    >>> layers = nn.Sequential(*[nn.Tanh() for _ in range(3)]).double()
    >>> x = torch.linspace(-1, 1, 30_000, dtype=torch.float64)[None]
    >>> found = structured_logabsdet(lambda x: layers(x.flip(-1)) * 2, x)
    >>> y = [x.flip(-1)]
    >>> for _ in range(3):
    ...     y.append(y[-1].tanh())
    >>> expected = sum((1 - t**2).log().sum() for t in y[1:]) + 30_000 * math.log(2)
    >>> abs(found.value - float(expected)) < 1e-8 * abs(float(expected)), found.problem
    (True, '')
    """
    made = _Pass.of(f, x)
    if made.problem:
        return StructuredLogabsdet(value=math.nan, parts=0, products=0, problem=made.problem)
    search = _Search(made)
    everything = torch.ones(x.numel(), dtype=torch.bool)
    value = search.solve(_Part(0, len(made.tensors) - 1, everything, everything))
    return StructuredLogabsdet(
        value=value, parts=search.parts, products=made.products, problem=search.problem, steps=tuple(search.steps),
        tensors=len(made.tensors),
    )  # fmt: skip


class _Pass:
    """One forward pass with its graph: x, what its operations and modules return, and y, by their places."""

    def __init__(self, tensors: list[Tensor], problem: str) -> None:
        self.tensors, self.problem, self.products = tensors, problem, 0

    @classmethod
    def of(cls, f: Map, x: Tensor) -> _Pass:
        leaf = x.detach().clone().requires_grad_()
        with torch.enable_grad(), _recorded(leaf.numel()) as seen:
            y = f(leaf)
        if not isinstance(y, Tensor) or y.numel() != x.numel() or not y.requires_grad:
            return cls([], "the map has no square Jacobian that backward passes tell")
        return cls([leaf, *(t for t in seen if t is not leaf and t is not y), y], "")

    def __getitem__(self, place: int) -> Tensor:
        return self.tensors[place]

    def pull(self, w: int, u: int, v: Tensor) -> Tensor:
        """(∂w/∂u)ᵀ v, flat."""
        self.products += 1
        to, of = self[w], self[u]
        (found,) = torch.autograd.grad(to, of, v.reshape(to.shape).to(to), retain_graph=True, allow_unused=True)
        return torch.zeros(of.numel(), dtype=torch.float64) if found is None else found.detach().reshape(-1).double()

    def blocks(self, u: int, w: int, axis: int) -> Tensor:
        """∂w/∂u along an axis, [..., outputs, inputs], if nothing else is mixed."""
        columns = []
        for place in range(self[w].shape[axis]):
            hot = torch.zeros(self[w].shape, dtype=torch.float64)
            hot.select(axis, place).fill_(1.0)
            columns.append(self.pull(w, u, hot).reshape(self[u].shape))
        return torch.stack([column.movedim(axis, -1) for column in columns], -2)


class _Recording(TorchFunctionMode):
    """Tensors with a graph that torch's functions return and modules take and return meanwhile, in their order."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most, self.seen = most, []
        self._known: set[int] = set()

    def keep(self, things: object) -> None:
        for thing in things if isinstance(things, (tuple, list)) else (things,):
            fits = isinstance(thing, Tensor) and thing.requires_grad and 1 < thing.numel() <= self.most
            # What was seen stays alive, so that no other tensor takes its identity.
            if fits and id(thing) not in self._known:
                self._known.add(id(thing))
                self.seen.append(thing)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401
        found = func(*args, **(kwargs or {}))
        self.keep(found)
        return found


@contextmanager
def _recorded(most: int) -> Iterator[list[Tensor]]:
    """Where a map may be cut: between its layers, and between the operations of code that has none."""
    recording, register = _Recording(most), nn.modules.module
    before = register.register_module_forward_pre_hook(lambda module, inputs: recording.keep(inputs))
    after = register.register_module_forward_hook(lambda module, inputs, output: recording.keep(output))
    try:
        with recording:
            yield recording.seen
    finally:
        before.remove()
        after.remove()


@dataclass(frozen=True)
class _Part:
    """∂w/∂u between two places, of it the rows `rows` (numbers of w) and the columns `columns` (numbers of u)."""

    u: int
    w: int
    rows: Tensor
    columns: Tensor


class _Search:
    """Cuts, peels and adds up."""

    def __init__(self, made: _Pass) -> None:
        self.made, self.parts, self.problem = made, 0, ""
        self.steps: list[_Peel | _Blocks] = []

    def solve(self, part: _Part) -> float:
        """log|det| of a part; NaN, with `problem` said, where it has no structure that is known here."""
        cut = self.cut(part)
        if cut is not None:
            return self.both(*cut)
        self.parts += 1
        mixed = self.mixed(part)
        if mixed is not None:
            return mixed
        value, rest = self.peeled(part)
        if math.isinf(value) or not bool(rest.rows.any()):
            return value
        cut = self.cut(rest) if int(rest.rows.sum()) < int(part.rows.sum()) else None
        if cut is not None:
            return value + self.both(*cut)
        node = self.made[rest.w].grad_fn
        ends = "" if node is None else f" (the second ends in {node.name()})"
        self.problem = (
            f"{int(rest.rows.sum())} of {self.made[rest.w].numel()} numbers are mixed between two layers{ends} in a "
            "way that is neither triangular in a few blocks nor along one axis alone"
        )
        return math.nan

    def both(self, before: _Part, after: _Part) -> float:
        """What two parts come to."""
        later = self.solve(after)
        return later if self.problem else later + self.solve(before)

    def cut(self, part: _Part) -> tuple[_Part, _Part] | None:
        """The parts before and after a tensor through which all of the dependence goes, near the middle."""
        size, middle = int(part.rows.sum()), (part.u + part.w) / 2
        fitting = [k for k in range(part.u + 1, part.w) if self.made[k].numel() == size]
        v = _generic(self.made[part.w].numel()) * part.rows
        whole = None
        for k in sorted(fitting, key=lambda k: abs(k - middle))[:_TRIED]:
            if whole is None:
                whole = self.made.pull(part.w, part.u, v)[part.columns]
            composed = self.made.pull(k, part.u, self.made.pull(part.w, k, v))[part.columns]
            close = _tolerance(self.made[k]) * float(whole.abs().max())
            if float((composed - whole).abs().max()) <= close:
                middle_one = torch.ones(size, dtype=torch.bool)
                return _Part(part.u, k, middle_one, part.columns), _Part(k, part.w, part.rows, middle_one)
        return None

    def peeled(self, part: _Part) -> tuple[float, _Part]:
        """The logarithm of what rows of Jᵀ with one entry contribute, and the part that is left."""
        rows, columns, value = part.rows.clone(), part.columns.clone(), 0.0
        numbers, close = self.made[part.w].numel(), _tolerance(self.made[part.w])
        for _ in range(_ROUNDS):
            v = _generic(numbers) * rows
            whole = self.made.pull(part.w, part.u, v)
            single, moved = self.alone(part, v, whole, columns, close)
            fits = (moved < numbers) & rows[moved.clamp(max=numbers - 1)]
            single, moved = single[fits], moved[fits]
            if not len(single):
                break
            if len(torch.unique(moved)) < len(moved):
                return -math.inf, part
            value += float((whole[single] / v[moved]).abs().log().sum())
            self.steps.append(_Peel(part.u, part.w, rows.clone(), single, moved))
            rows[moved], columns[single] = False, False
            if not bool(rows.any()):
                break
        return value, _Part(part.u, part.w, rows, columns)

    def alone(self, part: _Part, v: Tensor, whole: Tensor, columns: Tensor, close: float) -> tuple[Tensor, Tensor]:
        """Which numbers of u move a single number of w, and which one: its place, bit by bit."""
        numbers = self.made[part.w].numel()
        index, at = torch.arange(numbers), torch.zeros(len(whole), dtype=torch.long)
        single = columns & (whole != 0.0) & torch.isfinite(whole)
        for bit in range(max(1, (numbers - 1).bit_length())):
            if not bool(single.any()):
                break
            some = self.made.pull(part.w, part.u, v * (index >> bit & 1))
            one, none = (some - whole).abs() <= close * whole.abs(), some.abs() <= close * whole.abs()
            single = single & (one | none)
            at = at + torch.where(one, 1 << bit, 0)
        found = single.nonzero().reshape(-1)
        return found, at[found]

    def mixed(self, part: _Part) -> float | None:
        """log|det| where one axis alone is mixed; None where none is."""
        u, w = self.made[part.u], self.made[part.w]
        if u.shape != w.shape or not bool(part.rows.all() and part.columns.all()):
            return None
        v, whole = _generic(w.numel()), None
        for axis in range(1, u.ndim):
            width = u.shape[axis]
            if not 1 < width <= _WIDEST or u.numel() <= width:
                continue
            if whole is None:
                whole = self.made.pull(part.w, part.u, v)
            close = width * _tolerance(w) * float(whole.abs().max())
            # One product tells whether it is worth the others.
            if not self.apart(part, axis, v, whole, close):
                continue
            matrix = self.made.blocks(part.u, part.w, axis)
            composed = torch.einsum("...oi,...o->...i", matrix, v.reshape(w.shape).movedim(axis, -1))
            if float((composed - whole.reshape(u.shape).movedim(axis, -1)).abs().max()) <= close:
                self.steps.append(_Blocks(part.u, part.w, axis))
                return float(torch.linalg.slogdet(matrix).logabsdet.sum())
        return None

    def apart(self, part: _Part, axis: int, v: Tensor, whole: Tensor, close: float) -> bool:
        """Whether half of the places across an axis, taken alone, move what belongs to them as all of them do."""
        shape = [1 if k == axis else n for k, n in enumerate(self.made[part.w].shape)]
        half = (_generic(math.prod(shape)) > 0.0).reshape(shape).expand(self.made[part.w].shape).reshape(-1)
        return float((self.made.pull(part.w, part.u, v * half) - whole * half).abs().max()) <= close


def _tolerance(t: Tensor) -> float:
    return _SAME * torch.finfo(t.dtype).eps


def _generic(count: int) -> Tensor:
    """Numbers of both signs and of sizes from ½ to 3/2 without relations, [count]; the same at every call."""
    steps = torch.arange(1, count + 1, dtype=torch.float64)
    wave = torch.sin(steps * steps * math.sqrt(2.0) + steps)
    return wave.sign() * (0.5 + wave.abs())
