"""Rounding allowances: how far a sensible implementation may be from the exact value, derived and never guessed.

The model. An implementation in a dtype of unit roundoff u computes f as a sum of terms t_1 + … + t_J. It is
*numerically sensible* when its result is the exact sum of terms, each with a relative error of at most γ_k, evaluated
at inputs that are perturbed relatively by at most γ_k (a mixed forward-backward stable algorithm), where

    γ_k = k u / (1 - k u)                                               (Higham 2002, lemma 3.1)

and k, the *growth count*, is the number of rounded operations on the longest path from an input to an output (a sum of
n numbers is n - 1 operations; a library's exp, log, tanh within 4 units in the last place is 8 half units, so count 8).
By the mean value theorem the result is then within

    allowed = γ_k Σ_j |t_j|  +  sup Σ_j Σ_i (γ_k |x_i| + k η) |∂t_j/∂x_i|  +  k η

of the exact value, in each output element, with the supremum over the perturbed inputs and η the underflow unit. The
supremum is taken over the point itself and one point of the box for each argument, moved by ±γ_k |x_i| with irregular
signs; this catches the terms of second order where the first derivative vanishes, as for (x - y)² at x = y. An
argument that is perturbed *normwise* (a matrix that is factorised) has |x_i| replaced by its largest magnitude.

The oracle is computed in float64 and is allowed the same: γ_k(dtype) + γ_k(float64), which for a float64 subject
doubles the allowance. The linear part of the model is blind to a loss of all digits far from the point: where
`allowed` exceeds `magnitude`, no digit of the value is promised.
Where a derivative or a term is infinite or NaN, or k u >= 1, the allowance is infinite: such a point is not examined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import UsageError

from .forward_mode import load_forward_mode

__all__ = [
    "Allowance",
    "allowance",
    "conditioned_allowance",
    "gamma",
    "gradient_allowance",
    "subnormal_spacing",
    "unit_roundoff",
]

# Doubles that one vectorised evaluation may fill: 2^22 are 32 MiB.
_CHUNK_ELEMENTS = 2**22
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


def unit_roundoff(dtype: torch.dtype) -> float:
    """The largest relative error of rounding to nearest: u = 2^-p, half of torch's eps.

    Raises:
        UsageError: `dtype` is not a floating-point type.

    Source: Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed. 2002, theorem 2.2.

    >>> unit_roundoff(torch.float32) == 2.0**-24
    True
    """
    if not dtype.is_floating_point:
        raise UsageError(given=f"dtype {dtype}", expected="a floating-point dtype", do="cast to float32 or float64")
    return torch.finfo(dtype).eps / 2.0


def subnormal_spacing(dtype: torch.dtype, *, flushed: bool = False) -> float:
    """The underflow unit η: the distance between subnormal numbers, or the smallest normal where they are flushed.

    A result in the subnormal range has an absolute error of at most η/2 instead of a relative one.

    Source: Higham 2002, section 2.1, eq. (2.8).

    >>> subnormal_spacing(torch.float32) == 2.0**-149, subnormal_spacing(torch.float32, flushed=True) == 2.0**-126
    (True, True)
    """
    unit_roundoff(dtype)
    info = torch.finfo(dtype)
    return info.tiny if flushed else info.tiny * info.eps


def gamma(n: int, dtype: torch.dtype) -> float:
    """The relative error that n roundings can build up: γ_n = n u / (1 - n u), infinite where n u >= 1.

    Raises:
        UsageError: n is negative, or `dtype` is not a floating-point type.

    Source: Higham 2002, lemma 3.1.

    >>> gamma(1, torch.float64) > 2.0**-53, gamma(2**24, torch.float32)
    (True, inf)
    """
    if n < 0:
        raise UsageError(given=f"{n} operations", expected="a count of at least 0", do="count the rounded operations")
    nu = n * unit_roundoff(dtype)
    return nu / (1.0 - nu) if nu < 1.0 else math.inf


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """What was computed, how far an implementation may be from it, and the count that this rests on.

    `value` is the oracle's value and `allowed` the largest error excused in each of its elements, both float64;
    `magnitude` is Σ_j |t_j|; `operations` is the growth count k of the model and `dtype` the subject's.
    """

    value: Tensor
    allowed: Tensor
    magnitude: Tensor
    operations: int
    dtype: torch.dtype

    @property
    def examined(self) -> Tensor:
        """Where a comparison means something: value and allowance finite, and no overflow within reach.

        The model holds barring overflow. An intermediate result may exceed the terms by a modest factor (σ² in ½σ²);
        the growth count k is taken for that, so k (Σ|t_j| + allowed) must be representable in the subject's dtype.
        """
        representable = max(1, self.operations) * (self.magnitude + self.allowed) <= torch.finfo(self.dtype).max
        return torch.isfinite(self.value) & torch.isfinite(self.allowed) & representable

    def excess(self, observed: Tensor) -> Tensor:
        """|observed - value| / allowed in each element; above 1 is an error, NaN where nothing was examined.

        An observed NaN or infinity where the point was examined gives infinity.
        """
        error = (observed.detach().to(self.value) - self.value).abs()
        ratio = torch.where(error == 0, torch.zeros_like(error), error / self.allowed)
        ratio = torch.where(torch.isfinite(error), ratio, torch.full_like(error, math.inf))
        return torch.where(self.examined, ratio, torch.full_like(error, math.nan))

    def __str__(self) -> str:
        short = str(self.dtype).removeprefix("torch.")
        return f"{self.operations} roundings in {short}: at most {float(self.allowed.max()):.1e}"


Terms = Tensor | tuple[Tensor, ...] | list[Tensor]


def _stacked(terms: Terms) -> Tensor:
    """Additive terms as one tensor [terms, *output]."""
    if isinstance(terms, Tensor):
        return terms.unsqueeze(0)
    return torch.stack(torch.broadcast_tensors(*terms))


def _rates(operations: int, dtype: torch.dtype, oracle_dtype: torch.dtype | None, flushed: bool) -> tuple[float, float]:
    """The relative rate and the absolute underflow that the growth count allows, the oracle's own included."""
    rate = gamma(operations, dtype)
    floor = operations * subnormal_spacing(dtype, flushed=flushed)
    if oracle_dtype is not None:
        rate += gamma(operations, oracle_dtype)
        floor += operations * subnormal_spacing(oracle_dtype, flushed=flushed)
    return rate, floor


def allowance(
    value_terms: Terms,
    operations: int,
    dtype: torch.dtype,
    *,
    oracle_dtype: torch.dtype | None = torch.float64,
    flushed: bool = False,
) -> Allowance:
    """The rounding allowance of a sum whose terms are computed accurately: γ_k Σ|t_j| + k η.

    For inputs that are exact and terms that are well conditioned; else see `conditioned_allowance`.

    Shapes: `value_terms` is a tensor (a single term) or a tuple of terms that broadcast; the result has their shape.

    Source: Higham 2002, section 4.2 (summation), with the underflow term of eq. (2.8).

    >>> terms = torch.tensor([1.0, 1e8], dtype=torch.float64), torch.tensor([1.0, -1e8], dtype=torch.float64)
    >>> allowance(terms, 4, torch.float32).allowed > torch.tensor([4e-7, 4e1], dtype=torch.float64)
    tensor([True, True])
    """
    rate, floor = _rates(operations, dtype, oracle_dtype, flushed)
    stack = _stacked(value_terms).detach().to(torch.float64)
    magnitude = stack.abs().sum(0)
    allowed = _no_nan(rate * magnitude + floor)
    return Allowance(value=stack.sum(0), allowed=allowed, magnitude=magnitude, operations=operations, dtype=dtype)


def _no_nan(allowed: Tensor) -> Tensor:
    return torch.where(torch.isnan(allowed), torch.full_like(allowed, math.inf), allowed)


def _sizes(x: Tensor, event_dims: int | None) -> Tensor:
    """The size that each entry is perturbed in proportion to: its own, or the largest of its matrix (normwise)."""
    if event_dims is None or x.numel() == 0:
        return x.abs()
    dims = tuple(range(max(x.ndim - event_dims, 0), x.ndim))
    return x.abs().amax(dim=dims, keepdim=True).expand_as(x) if dims else x.abs()


def _signs(x: Tensor) -> Tensor:
    """±1 in an order without a period, so that no axis of a reshaped batch moves in step."""
    index = torch.arange(1, x.numel() + 1, dtype=torch.float64, device=x.device)
    return (torch.where((index * _GOLDEN) % 1.0 < 0.5, 1.0, -1.0).to(x)).reshape(x.shape)


def _corners(
    args: Sequence[Tensor], sizes: Sequence[Tensor], rate: float, matrices: Sequence[bool]
) -> list[list[Tensor]]:
    points = [list(args)]
    for a, (x, size) in enumerate(zip(args, sizes, strict=True)):
        moved = list(args)
        signs = _signs(x)
        if matrices[a] and x.ndim >= 2 and x.shape[-1] == x.shape[-2]:
            # A symmetric matrix is moved to a symmetric one, or the oracle would leave its domain.
            signs = torch.triu(signs) + torch.triu(signs, 1).mT
        moved[a] = x + rate * size * signs
        points.append(moved)
    return points


def _weighted_sensitivity(
    stacked: Callable[..., Tensor], points: list[list[Tensor]], weights: Sequence[Tensor], outputs: int
) -> Tensor:
    """The largest over points of Σ_i w_i Σ_j |∂t_j/∂x_i|, as forward derivatives along every coordinate at once.

    Forward mode, since there a NaN stays in the output that it belongs to: in reverse mode the zeros of a one-hot
    cotangent times an infinite local derivative would spoil the other outputs as well.
    """
    load_forward_mode()
    shapes = [x.shape for x in points[0]]
    counts = [x.numel() for x in points[0]]
    total = sum(counts)
    flat = torch.stack([torch.cat([x.reshape(-1) for x in point]) for point in points])
    weight = torch.cat([w.reshape(-1) for w in weights])

    def unflatten(vector: Tensor) -> list[Tensor]:
        return [part.reshape(shape) for part, shape in zip(vector.split(counts), shapes, strict=True)]

    def along(vector: Tensor, tangent: Tensor) -> Tensor:
        return torch.func.jvp(lambda v: stacked(*unflatten(v)), (vector,), (tangent,))[1].abs().sum(0)

    chunk = max(1, min(total, _CHUNK_ELEMENTS // max(outputs, total, 1)))
    largest = None
    for vector in flat:
        summed = None
        for start in range(0, total, chunk):
            stop = min(start + chunk, total)
            basis = torch.zeros(stop - start, total, dtype=vector.dtype, device=vector.device)
            basis[torch.arange(stop - start), torch.arange(start, stop)] = 1.0
            slopes = torch.func.vmap(along, in_dims=(None, 0))(vector, basis)
            part = (weight[start:stop].reshape(-1, *[1] * (slopes.ndim - 1)) * slopes).sum(0)
            summed = part if summed is None else summed + part
        assert summed is not None
        largest = summed if largest is None else torch.maximum(largest, summed)  # maximum keeps NaN
    assert largest is not None
    return largest


def _normwise_dims(normwise: Iterable[int] | Mapping[int, int]) -> dict[int, int]:
    return dict(normwise) if isinstance(normwise, Mapping) else dict.fromkeys(normwise, 2)


def conditioned_allowance(
    f: Callable[..., Terms],
    args: Sequence[object],
    *,
    dtype: torch.dtype,
    operations: int,
    normwise: Iterable[int] | Mapping[int, int] = (),
    oracle_dtype: torch.dtype | None = torch.float64,
    flushed: bool = False,
) -> Allowance:
    """The rounding allowance of `f` at `args`, from the size of its terms and from its conditioning.

    allowed = γ_k Σ_j |t_j| + sup Σ_j Σ_i (γ_k |x_i| + k η) |∂t_j/∂x_i| + k η, in each output element; see the module's
    docstring for the model, and for what it assumes of the implementation.

    Shapes: `f` is an oracle in torch that returns a tensor, or a tuple of additive terms (of one output) that
    broadcast together; `args` are its arguments, cast to float64 where floating (others, such as integers, pass
    through and are exact). `operations` is the growth count k. `normwise` names the positions of matrix arguments (of
    their last two axes), or maps a position to its number of event axes; square ones are taken to be symmetric.
    Outputs × inputs derivatives are formed: for small sizes.

    Raises:
        UsageError: no argument is a floating-point tensor.

    Source: Higham 2002, section 1.6 (conditioning), section 1.5 (mixed forward-backward error), lemma 3.1.

    >>> x = torch.tensor([1.0, 1e4], dtype=torch.float64)
    >>> near, far = conditioned_allowance(torch.sin, [x], dtype=torch.float32, operations=8).allowed.tolist()
    >>> near < 1e-6 and far > 1e-3
    True
    """
    wide = [a.detach().to(torch.float64) if isinstance(a, Tensor) and a.is_floating_point() else a for a in args]
    where = [i for i, a in enumerate(wide) if isinstance(a, Tensor) and a.dtype == torch.float64]
    if not where:
        raise UsageError(
            given="no floating-point tensor among the arguments",
            expected="at least one, to differentiate with respect to",
            do="pass tensors, or use allowance() for exact inputs",
        )
    floats: list[Tensor] = [wide[i] for i in where]  # pyright: ignore[reportAssignmentType]

    def stacked(*moved: Tensor) -> Tensor:
        full = list(wide)
        for i, x in zip(where, moved, strict=True):
            full[i] = x
        return _stacked(f(*full)).to(torch.float64)

    rate, floor = _rates(operations, dtype, oracle_dtype, flushed)
    dims = _normwise_dims(normwise)
    sizes = [_sizes(x, dims.get(i)) for i, x in zip(where, floats, strict=True)]
    stack = stacked(*floats).detach()
    value, magnitude = stack.sum(0), stack.abs().sum(0)
    if math.isinf(rate) or sum(x.numel() for x in floats) == 0:
        allowed = rate * magnitude + floor
    else:
        points = _corners(floats, sizes, rate, [dims.get(i) == 2 for i in where])
        weights = [rate * size + floor for size in sizes]
        allowed = rate * magnitude + _weighted_sensitivity(stacked, points, weights, stack.numel()).detach() + floor
    allowed = _no_nan(torch.where(torch.isfinite(magnitude), allowed, torch.full_like(allowed, math.inf)))
    return Allowance(value=value, allowed=allowed, magnitude=magnitude, operations=operations, dtype=dtype)


def gradient_allowance(
    f: Callable[..., Terms],
    args: Sequence[object],
    *,
    wrt: int,
    dtype: torch.dtype,
    operations: int,
    cotangent: Tensor | None = None,
    normwise: Iterable[int] | Mapping[int, int] = (),
    oracle_dtype: torch.dtype | None = torch.float64,
    flushed: bool = False,
) -> Allowance:
    """The rounding allowance of the gradient of Σ_o c_o f_o with respect to the argument at position `wrt`.

    The gradient is itself a sum of terms, c_o ∂t_jo/∂x over the terms j and the outputs o, so the model of
    `conditioned_allowance` applies to it, with one more derivative. `operations` counts the roundings of the
    backward pass together with those of the forward pass that it reuses: twice the count of the value is sensible.

    Shapes: as `conditioned_allowance`; `cotangent` c has the shape of the output (default: all ones). The value and
    the allowance have the shape of the argument.

    >>> x = torch.tensor([0.5, 3.0], dtype=torch.float64)
    >>> found = gradient_allowance(torch.square, [x], wrt=0, dtype=torch.float64, operations=2)
    >>> found.value, bool((found.allowed < 1e-14).all())
    (tensor([1., 6.], dtype=torch.float64), True)
    """

    def terms(*full: object) -> tuple[Tensor, ...]:
        def of_one(x: Tensor) -> Tensor:
            moved = list(full)
            moved[wrt] = x
            return _stacked(f(*moved)).to(torch.float64)

        argument = full[wrt]
        assert isinstance(argument, Tensor)
        stack, pullback, *_ = torch.func.vjp(of_one, argument)
        weight = torch.ones_like(stack[0]) if cotangent is None else cotangent.to(stack).expand_as(stack[0])
        basis = torch.diag_embed(weight.reshape(-1).repeat(stack.shape[0]))
        rows = torch.func.vmap(pullback)(basis.reshape(-1, *stack.shape))[0]
        return tuple(rows.unbind(0))

    return conditioned_allowance(
        terms,
        args,
        dtype=dtype,
        operations=operations,
        normwise=normwise,
        oracle_dtype=oracle_dtype,
        flushed=flushed,
    )
