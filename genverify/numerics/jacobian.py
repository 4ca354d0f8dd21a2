"""Jacobians of batched maps, what their rows depend on, and log|det J|, by the most robust route that works.

The forward pass always runs as ordinary eager code on the whole batch, so that data-dependent branches, in-place
operations, ScriptModules, compiled modules, random draws and code that asks for `requires_grad` behave as they do for
their owner. Only the backward pass is vectorised, and where its formulas cannot be (a hand-written backward that calls
`.item()` or NumPy) it is looped.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.autograd import forward_ad

from genverify.errors import UsageError

from .finite_difference import directional_derivative
from .forward_mode import load_forward_mode

__all__ = [
    "CrossBatchDependence",
    "batch_jacobian",
    "batch_jacobian_with_method",
    "cross_batch_dependence",
    "dense_logabsdet",
    "logabsdet",
]

# Numbers that the cotangents of one backward pass may fill (2^22 float64 are 32 MiB); activations come on top.
_CHUNK_ELEMENTS = 2**22
# Up to so many backward passes, every entry of every off-diagonal block is formed; beyond, each row is projected.
_EXACT_BACKWARDS = 2048
# How many other rows take the place of a row, where there are no derivatives to look at.
_REPLACEMENTS = 4

Map = Callable[[Tensor], Tensor]


def _evaluate(f: Map, x: Tensor) -> tuple[Tensor, Tensor]:
    """(leaf, f(leaf)), with a graph. `f` gets a copy that is no leaf, so that it may change it in place."""
    if not x.is_floating_point():
        raise UsageError(
            given=f"an input of {x.dtype}", expected="a floating-point tensor", do="a Jacobian needs real inputs"
        )
    with torch.inference_mode(False), torch.enable_grad(), warnings.catch_warnings():
        # torch.compile looks at .grad of its inputs; that they are no leaves is our doing, not the subject's.
        warnings.filterwarnings("ignore", message="The .grad attribute of a Tensor that is not a leaf")
        leaf = x.detach().clone().requires_grad_(True)
        y = f(leaf.clone())
    if not isinstance(y, Tensor):
        raise UsageError(
            given=f"a map that returns {type(y).__name__}", expected="a tensor", do="wrap it to return the output alone"
        )
    return leaf, y


def _pullback(y: Tensor, leaf: Tensor, cotangents: Tensor, *, batched: bool) -> Tensor:
    """cᵀJ for each cotangent c along the first axis."""
    if batched:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # vmap says where it falls back to a loop; that costs time, not truth
            (rows,) = torch.autograd.grad(
                y, leaf, cotangents, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        return torch.zeros(len(cotangents), *leaf.shape, dtype=leaf.dtype, device=leaf.device) if rows is None else rows
    loop = [torch.autograd.grad(y, leaf, c, retain_graph=True, allow_unused=True)[0] for c in cotangents]
    return torch.stack([torch.zeros_like(leaf) if row is None else row for row in loop])


class _Reverse:
    """Pulls cotangents back through one forward pass: vectorised until that fails, looped from then on."""

    def __init__(self, y: Tensor, leaf: Tensor) -> None:
        self.y, self.leaf, self.batched = y, leaf, True

    @property
    def method(self) -> str:
        return "reverse mode, batched" if self.batched else "reverse mode, looped"

    def __call__(self, cotangents: Tensor) -> Tensor:
        if self.batched:
            try:
                return _pullback(self.y, self.leaf, cotangents, batched=True)
            except Exception:  # whatever a stranger's backward raises under vmap; the loop below raises what is real
                self.batched = False
        return _pullback(self.y, self.leaf, cotangents, batched=False)


def _chunks(total: int, numel: int, chunk_size: int | None) -> Iterator[Tensor]:
    size = chunk_size or max(1, _CHUNK_ELEMENTS // max(numel, 1))
    for start in range(0, total, size):
        yield torch.arange(start, min(start + size, total))


def _one_hot(index: Tensor, like: Tensor) -> Tensor:
    """[len(index), *like.shape]: ones at the flat positions `index` of `like`."""
    hot = torch.zeros(len(index), like.numel(), dtype=like.dtype, device=like.device)
    hot[torch.arange(len(index), device=like.device), index.to(like.device)] = 1.0
    return hot.reshape(len(index), *like.shape)


def batch_jacobian(f: Map, x: Tensor, *, chunk_size: int | None = None, rows_independent: bool = False) -> Tensor:
    """The Jacobian of each row of a batched map: J[b, i, j] = ∂f(x)[b, i] / ∂x[b, j], event axes flattened.

    These are the diagonal blocks of the Jacobian of the whole batch, so that they mean something for maps whose rows
    interact, too. With `rows_independent=True` (see `cross_batch_dependence`) all rows share a backward pass, which is
    as many times cheaper as there are rows, and wrong if they interact.

    Shapes: `x` [B, *event], `f(x)` [B, *output]; the result [B, m, n] has the dtype of `f(x)`. `chunk_size` is the
    number of cotangents in one backward pass.

    Raises:
        UsageError: `x` is not floating, `f` returns no tensor, or its batch size is another; what `f` raises passes.

    >>> batch_jacobian(lambda x: x**2, torch.tensor([[1.0, 2.0]]))
    tensor([[[2., 0.],
             [0., 4.]]])
    """
    return batch_jacobian_with_method(f, x, chunk_size=chunk_size, rows_independent=rows_independent)[0]


def batch_jacobian_with_method(
    f: Map, x: Tensor, *, chunk_size: int | None = None, rows_independent: bool = False
) -> tuple[Tensor, str]:
    """`batch_jacobian`, and how it was found.

    The method is "reverse mode, batched", "reverse mode, looped" (the backward pass cannot be vectorised),
    "forward mode, looped" (the output carries no graph, as under `torch.no_grad`), "finite differences" (no derivative
    at all, as after `detach`, but the values do move: good to about 1e-8 relative, and only in float64) or "constant".

    >>> batch_jacobian_with_method(torch.no_grad()(torch.sin), torch.zeros(1, 1))
    (tensor([[[1.]]]), 'forward mode, looped')
    """
    leaf, y = _evaluate(f, x)
    if y.ndim == 0 or y.shape[0] != x.shape[0]:
        raise UsageError(
            given=f"a map of shapes {tuple(x.shape)} → {tuple(y.shape)}",
            expected="a batch axis, first and of one size",
            do="batch_jacobian is for maps of rows; see dense_logabsdet for a single vector",
        )
    rows = x.shape[0]
    m, n = (y.numel() // rows, x.numel() // rows) if rows else (math.prod(y.shape[1:]), math.prod(x.shape[1:]))
    jacobian = torch.zeros(rows, m, n, dtype=y.dtype, device=y.device)
    if jacobian.numel() == 0:
        return jacobian, "constant"
    if not y.requires_grad:
        return _unseen_by_reverse(f, x, jacobian, rows_independent=rows_independent)
    reverse = _Reverse(y, leaf)
    if rows_independent:
        for index in _chunks(m, y.numel(), chunk_size):
            hot = _one_hot(index, y[0].reshape(-1))[:, None].expand(-1, rows, -1).reshape(-1, *y.shape)
            jacobian[:, index] = reverse(hot).reshape(-1, rows, n).transpose(0, 1).to(jacobian)
        return jacobian, reverse.method
    flat = jacobian.view(rows * m, n)
    for index in _chunks(rows * m, max(y.numel(), x.numel()), chunk_size):
        pulled = reverse(_one_hot(index, y)).reshape(len(index), rows, n)
        flat[index] = pulled[torch.arange(len(index)), index // m].to(flat)
    return jacobian, reverse.method


def _unseen_by_reverse(f: Map, x: Tensor, jacobian: Tensor, *, rows_independent: bool) -> tuple[Tensor, str]:
    """Columns of a map whose output carries no graph: forward mode, which `no_grad` leaves on, or differences."""
    rows, m, n = jacobian.shape

    def columns(derivative: Callable[[Tensor], Tensor]) -> Tensor:
        found = torch.zeros_like(jacobian)
        for j in range(n):
            for block in [slice(None)] if rows_independent else [slice(b, b + 1) for b in range(rows)]:
                direction = torch.zeros(rows, n, dtype=x.dtype, device=x.device)
                direction[block, j] = 1.0
                found[block, :, j] = derivative(direction.reshape(x.shape)).reshape(rows, m)[block].to(found)
        return found

    def dual(direction: Tensor) -> Tensor:
        with forward_ad.dual_level():
            out = f(forward_ad.make_dual(x.detach().clone(), direction))
            tangent = forward_ad.unpack_dual(out).tangent
            return torch.zeros_like(out) if tangent is None else tangent.detach()

    load_forward_mode()
    try:
        forward = columns(dual)
    except (RuntimeError, NotImplementedError):
        forward = torch.zeros_like(jacobian)
    if forward.any():
        return forward, "forward mode, looped"
    if x.dtype != torch.float64:
        x = x.detach().double()
        try:
            f(x.clone())
        except Exception:  # a map that runs in one dtype only cannot be differenced: no derivative was seen
            return forward, "constant"
    moved = columns(lambda direction: directional_derivative(f, x, direction).value)
    return (moved, "finite differences") if moved.any() else (forward, "constant")


@dataclass(frozen=True, kw_only=True)
class CrossBatchDependence:
    """Whether row i of the output of a map depends on row j of its input, for some i ≠ j.

    `depends` [B, B] is True at (i, j) where it does; `largest` is the largest derivative across rows; `how` says how it
    was found: "every derivative", "projected derivatives" or "replaced rows"; `finite` is False where a derivative
    across rows was NaN or infinite, which proves nothing.
    """

    depends: Tensor
    largest: float
    how: str
    finite: bool

    @property
    def leaks(self) -> bool:
        """True when some row depends on another."""
        return bool(self.depends.any())

    @property
    def witness(self) -> tuple[int, int] | None:
        """(output row, input row) of a dependence across rows, or None."""
        found = self.depends.nonzero()
        return (int(found[0, 0]), int(found[0, 1])) if len(found) else None


def cross_batch_dependence(f: Map, x: Tensor, *, chunk_size: int | None = None) -> CrossBatchDependence:
    """Find whether a row of the output depends on another row of the input: structurally, by exact zeros.

    Row i depends on row j when ∂f(x)[i] / ∂x[j] ≠ 0. A derivative of independent rows is zero exactly, since every
    product in it has a zero factor, so no tolerance is needed. Small maps: every derivative. Large ones: one backward
    pass for each row, from a generic cotangent (irregular signs and sizes), which misses a dependence only where its
    derivatives cancel exactly. A map without derivatives: each row is replaced by another one, and the others must not
    move.

    Shapes: `x` [B, *event], `f(x)` [B, *output].

    Raises:
        UsageError: as `batch_jacobian`.

    >>> cross_batch_dependence(lambda x: x - x.mean(0), torch.ones(3, 2)).witness
    (0, 1)
    >>> cross_batch_dependence(torch.sin, torch.ones(3, 2)).leaks
    False
    """
    leaf, y = _evaluate(f, x)
    if y.ndim == 0 or y.shape[0] != x.shape[0]:
        raise UsageError(
            given=f"a map of shapes {tuple(x.shape)} → {tuple(y.shape)}",
            expected="a batch axis, first and of one size",
            do="dependence across rows is defined for maps of rows",
        )
    rows = x.shape[0]
    size = torch.zeros(rows, rows, dtype=torch.float64, device=y.device)
    if y.numel() == 0 or x.numel() == 0 or rows == 1:
        return CrossBatchDependence(depends=size > 0, largest=0.0, how="every derivative", finite=True)
    if not y.requires_grad:
        return _replaced_rows(f, x)
    exact = y.numel() <= _EXACT_BACKWARDS
    m = y.numel() // rows
    reverse = _Reverse(y, leaf)
    for index in _chunks(y.numel() if exact else rows, max(y.numel(), x.numel()), chunk_size):
        if exact:
            cotangents, owner = _one_hot(index, y), (index // m).to(y.device)
        else:
            cotangents, owner = _generic_rows(index, y), index.to(y.device)
        slopes = reverse(cotangents).reshape(len(index), rows, -1).abs().amax(-1).double()
        index_of = owner[:, None].expand_as(slopes)
        size = size.scatter_reduce(0, index_of, slopes, reduce="amax", include_self=True)  # amax keeps NaN
    size.fill_diagonal_(0.0)
    finite = bool(torch.isfinite(size).all())
    size = torch.where(torch.isfinite(size), size, torch.zeros_like(size))
    how = "every derivative" if exact else "projected derivatives"
    return CrossBatchDependence(depends=size > 0, largest=float(size.max()), how=how, finite=finite)


def _generic_rows(index: Tensor, y: Tensor) -> Tensor:
    """Cotangents that live on one row of y each, with irregular entries of both signs and no exact relations."""
    m = y.numel() // y.shape[0]
    steps = torch.arange(1, m + 1, dtype=torch.float64)
    entries = torch.sin(steps * math.sqrt(2.0)) + 0.5 * torch.cos(steps * steps * math.e)
    cotangents = torch.zeros(len(index), y.shape[0], m, dtype=y.dtype, device=y.device)
    cotangents[torch.arange(len(index)), index] = entries.to(cotangents)
    return cotangents.reshape(len(index), *y.shape)


@torch.no_grad()
def _replaced_rows(f: Map, x: Tensor) -> CrossBatchDependence:
    """Replace each row by other ones (legal inputs, therefore), and see which outputs change elsewhere, bit for bit."""
    rows = x.shape[0]
    still, again = f(x.detach().clone()), f(x.detach().clone())
    size = torch.zeros(rows, rows, dtype=torch.float64, device=still.device)
    if not torch.equal(torch.nan_to_num(still), torch.nan_to_num(again)):
        return CrossBatchDependence(depends=size > 0, largest=0.0, how="replaced rows", finite=False)
    for j in range(rows):
        for shift in range(1, min(rows, _REPLACEMENTS + 1)):
            moved = x.detach().clone()
            moved[j] = x[(j + shift) % rows]
            change = (f(moved) != still) & ~torch.isnan(still)
            size[:, j] = torch.maximum(size[:, j], change.reshape(rows, -1).any(-1).double())
    size.fill_diagonal_(0.0)
    return CrossBatchDependence(depends=size > 0, largest=float(size.max()), how="replaced rows", finite=True)


def logabsdet(f: Map, x: Tensor, *, chunk_size: int | None = None, rows_independent: bool = False) -> Tensor:
    """log|det ∂f(x)[b]/∂x[b]| for each row b, from the Jacobian; the determinant is taken in float64.

    Shapes: `x` [B, *event], `f(x)` [B, *output] of the same size; the result [B], float64; -inf where J is singular.

    Raises:
        UsageError: the event sizes of input and output differ; else as `batch_jacobian`.

    Source: Rezende & Mohamed 2015, eq. 5; LU with partial pivoting (LAPACK getrf).

    >>> logabsdet(lambda x: 3.0 * x, torch.zeros(2, 2, dtype=torch.float64)).exp()
    tensor([9.0000, 9.0000], dtype=torch.float64)
    """
    jacobian = batch_jacobian(f, x, chunk_size=chunk_size, rows_independent=rows_independent)
    _require_square(jacobian.shape[1], jacobian.shape[2])
    return torch.linalg.slogdet(jacobian.double()).logabsdet


def _require_square(m: int, n: int) -> None:
    if m != n:
        raise UsageError(
            given=f"a map from {n} to {m} numbers",
            expected="as many outputs as inputs",
            do="a determinant needs a square Jacobian; check the event shape",
        )


def dense_logabsdet(f: Map, x: Tensor, *, chunk_size: int | None = None) -> Tensor:
    """log|det ∂f/∂x| of one large map, all of `x` taken as a single vector; a scalar in float64.

    The Jacobian is filled a chunk of rows at a time into one float64 matrix, so that beside it (8 n² bytes; twice that
    during the factorisation) only the cotangents and activations of a chunk are alive.

    Shapes: `x` of any shape with n numbers, `f(x)` with as many; [1, *event] serves for a batched map.

    Raises:
        UsageError: the sizes of input and output differ; else as `batch_jacobian`.

    Source: as `logabsdet`.

    >>> dense_logabsdet(lambda x: 2.0 * x.flip(-1), torch.zeros(3, dtype=torch.float64)).exp()
    tensor(8.0000, dtype=torch.float64)
    """
    leaf, y = _evaluate(f, x)
    n = x.numel()
    _require_square(y.numel(), n)
    if not y.requires_grad:
        matrix = batch_jacobian(lambda v: f(v.reshape(x.shape)).reshape(1, -1), x.reshape(1, -1))[0].double()
        return torch.linalg.slogdet(matrix).logabsdet
    matrix = torch.empty(n, n, dtype=torch.float64, device=y.device)
    reverse = _Reverse(y, leaf)
    for index in _chunks(n, n, chunk_size):
        matrix[int(index[0]) : int(index[-1]) + 1] = reverse(_one_hot(index, y)).reshape(len(index), n)
    del leaf, y, reverse
    return torch.linalg.slogdet(matrix).logabsdet
