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

from .sensitivity import corners, elementwise_sensitivity, sizes, weighted_sensitivity

__all__ = [
    "Allowance",
    "allowance",
    "conditioned_allowance",
    "gamma",
    "gradient_allowance",
    "subnormal_spacing",
    "unit_roundoff",
]


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

    def summed(self, *dims: int, scale: float = 1.0, oracle_dtype: torch.dtype | None = torch.float64) -> Allowance:
        """The allowance of scale · Σ over the axes `dims`: the parts add, and the summation rounds once an addend.

        Source: Higham 2002, eq. (4.4), for any order of summation.
        """
        count = math.prod(self.value.shape[d] for d in dims)
        rate = _rates(max(count - 1, 0) + (scale != 1.0), self.dtype, oracle_dtype, False)[0]
        value, magnitude, allowed = (
            (t.sum(dims) if dims else t) * s
            for t, s in ((self.value, scale), (self.magnitude, abs(scale)), (self.allowed, abs(scale)))
        )
        allowed = _no_nan(allowed + rate * (magnitude + allowed))
        operations = self.operations + max(count - 1, 0)
        return Allowance(value=value, allowed=allowed, magnitude=magnitude, operations=operations, dtype=self.dtype)

    def summed_to(self, shape: Sequence[int], *, oracle_dtype: torch.dtype | None = torch.float64) -> Allowance:
        """The allowance summed over the axes that broadcasting from `shape` has made."""
        extra = self.value.ndim - len(shape)
        dims = [d for d in range(self.value.ndim) if d < extra or (shape[d - extra] == 1 != self.value.shape[d])]
        found = self.summed(*dims, oracle_dtype=oracle_dtype)
        value, allowed, magnitude = (t.reshape(tuple(shape)) for t in (found.value, found.allowed, found.magnitude))
        return Allowance(
            value=value, allowed=allowed, magnitude=magnitude, operations=found.operations, dtype=self.dtype
        )

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


def _normwise_dims(normwise: Iterable[int] | Mapping[int, int]) -> dict[int, int]:
    return dict(normwise) if isinstance(normwise, Mapping) else dict.fromkeys(normwise, 2)


def conditioned_allowance(
    f: Callable[..., Terms],
    args: Sequence[object],
    *,
    dtype: torch.dtype,
    operations: int,
    normwise: Iterable[int] | Mapping[int, int] = (),
    elementwise: bool = False,
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
    Outputs × inputs derivatives are formed: for small sizes. With `elementwise=True`, `f` declares that each element of
    its output depends on the elements at that place of its broadcast arguments alone, and the cost is linear; sums
    over axes are then taken of the allowance, see `Allowance.summed`.

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
    if elementwise:
        floats = [x.contiguous() for x in torch.broadcast_tensors(*floats)]
    size = [sizes(x, dims.get(i)) for i, x in zip(where, floats, strict=True)]
    stack = stacked(*floats).detach()
    value, magnitude = stack.sum(0), stack.abs().sum(0)
    if math.isinf(rate) or sum(x.numel() for x in floats) == 0:
        allowed = rate * magnitude + floor
    else:
        points = corners(floats, size, rate, [dims.get(i) == 2 for i in where])
        weights = [rate * s + floor for s in size]
        moved = (
            elementwise_sensitivity(stacked, points, weights)
            if elementwise
            else weighted_sensitivity(stacked, points, weights, stack.numel())
        )
        allowed = rate * magnitude + moved.detach() + floor
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
    elementwise: bool = False,
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
        if elementwise:
            selected = torch.eye(len(stack), dtype=stack.dtype, device=stack.device)
            chosen = selected.reshape(len(stack), len(stack), *[1] * weight.ndim) * weight
            return tuple(torch.func.vmap(pullback)(chosen)[0].unbind(0))
        basis = torch.diag_embed(weight.reshape(-1).repeat(stack.shape[0]))
        rows = torch.func.vmap(pullback)(basis.reshape(-1, *stack.shape))[0]
        return tuple(rows.unbind(0))

    found = conditioned_allowance(
        terms,
        args,
        dtype=dtype,
        operations=operations,
        normwise=normwise,
        elementwise=elementwise,
        oracle_dtype=oracle_dtype,
        flushed=flushed,
    )
    shape = args[wrt].shape if isinstance(args[wrt], Tensor) else found.value.shape  # pyright: ignore
    return found.summed_to(shape, oracle_dtype=oracle_dtype) if elementwise else found
