"""Central differences with Richardson extrapolation and an error estimate: the oracle of last resort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import UsageError

from .rounding import unit_roundoff

__all__ = ["FiniteDifference", "autodiff_gap", "directional_derivative", "finite_difference_jacobian"]

_LEVELS = 10
_SHRINK = 2.0


@dataclass(frozen=True, kw_only=True)
class FiniteDifference:
    """A derivative found by differences, and how far off it may be.

    `value` is the extrapolated derivative and `error`, of its shape, the estimated error: the larger of the last
    change in the extrapolation table and the rounding noise of the differences. An estimate, not a bound: a function
    with structure finer than the smallest step escapes it.
    """

    value: Tensor
    error: Tensor


def _require_float64(x: Tensor) -> None:
    if x.dtype != torch.float64:
        raise UsageError(
            given=f"a tensor of {x.dtype}",
            expected="float64, since a difference loses half of the digits",
            do="call .double() on the input and on the module",
        )


@torch.no_grad()
def directional_derivative(
    f: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, *, step: float | None = None
) -> FiniteDifference:
    """The derivative of `f` at `x` along `direction`, from central differences in float64.

    D(h) = (f(x + h v) - f(x - h v)) / 2h, halving h and removing the powers h^2, h^4, … one by one (Richardson);
    for each output element the table entry with the least estimated error is kept (Ridders). The rounding noise of an
    entry is u |f| / h, so that small steps do not pose as precise ones.

    Shapes: `x` and `direction` alike, of any shape; value and error have the shape of `f(x)`. `step` is the first h; by
    default 2^-3 of the scale of `x` (at least 2^-3) over the largest entry of `direction`.

    Raises:
        UsageError: `x` is not float64.

    Source: Ridders 1982, Advances in Engineering Software 4(2); Richardson 1911.

    >>> x = torch.tensor(1.0, dtype=torch.float64)
    >>> slope = directional_derivative(torch.exp, x, torch.ones_like(x))
    >>> bool((slope.value - x.exp()).abs() <= slope.error) and bool(slope.error < 1e-10)
    True
    """
    _require_float64(x)
    v = direction.to(x)
    reach = float(v.abs().max()) if v.numel() else 0.0
    if reach == 0.0:
        zero = torch.zeros_like(f(x.clone()))
        return FiniteDifference(value=zero, error=zero.clone())
    h = step if step is not None else max(1.0, float(x.abs().max())) / 8.0 / reach
    u = unit_roundoff(torch.float64)
    row: list[Tensor] = []
    value = error = None
    for _ in range(_LEVELS):
        ahead, behind = f(x + h * v), f(x - h * v)
        noise = 4.0 * u * torch.maximum(ahead.abs(), behind.abs()) / h
        new = [(ahead - behind) / (2.0 * h)]
        for j, coarser in enumerate(row):
            weight = _SHRINK ** (2 * (j + 1))
            new.append((weight * new[j] - coarser) / (weight - 1.0))
            change = torch.maximum((new[-1] - new[-2]).abs(), (new[-1] - coarser).abs())
            guess = torch.maximum(change, noise)
            if value is None or error is None:
                value, error = new[-1].clone(), guess
            else:
                better = guess < error  # False for NaN: a step that left the domain is never preferred
                value, error = torch.where(better, new[-1], value), torch.where(better, guess, error)
            error = torch.where(torch.isnan(error), torch.full_like(error, torch.inf), error)
        row, h = new, h / _SHRINK
    assert value is not None
    assert error is not None
    return FiniteDifference(value=value, error=error)


def finite_difference_jacobian(f: Callable[[Tensor], Tensor], x: Tensor) -> FiniteDifference:
    """The Jacobian of `f` at `x`, all axes flattened, one coordinate direction at a time.

    J[i, j] = ∂f_i / ∂x_j. Shapes: value and error are [numel(f(x)), numel(x)].

    Raises:
        UsageError: `x` is not float64.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> finite_difference_jacobian(lambda x: x.prod().reshape(1), x).value.round(decimals=9)
    tensor([[2., 1.]], dtype=torch.float64)
    """
    _require_float64(x)
    values, errors = [], []
    for i in range(x.numel()):
        direction = torch.zeros(x.numel(), dtype=x.dtype, device=x.device)
        direction[i] = 1.0
        slope = directional_derivative(f, x, direction.reshape(x.shape))
        values.append(slope.value.reshape(-1))
        errors.append(slope.error.reshape(-1))
    if not values:
        empty = torch.zeros(f(x).numel(), 0, dtype=x.dtype, device=x.device)
        return FiniteDifference(value=empty, error=empty.clone())
    return FiniteDifference(value=torch.stack(values, 1), error=torch.stack(errors, 1))


def autodiff_gap(f: Callable[[Tensor], Tensor], x: Tensor, direction: Tensor, cotangent: Tensor) -> FiniteDifference:
    """How far autodiff's cᵀJv is from what `f` really does along `direction`: finds detached parts and wrong backwards.

    gap = |cᵀ J v (reverse mode) - cᵀ D_v f (differences)|. A gap above its error says that the derivative
    which autodiff reports is not the derivative of the values that `f` returns.

    Shapes: `direction` like `x`, `cotangent` like `f(x)`; value and error are scalars.

    Raises:
        UsageError: `x` is not float64.

    >>> x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    >>> gap = autodiff_gap(lambda x: x * x.detach(), x, torch.ones_like(x), torch.ones_like(x))
    >>> round(float(gap.value), 6), bool(gap.value > gap.error)
    (3.0, True)
    """
    _require_float64(x)
    leaf = x.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        y = f(leaf.clone())
    grad = None
    if y.requires_grad:
        (grad,) = torch.autograd.grad(y, leaf, cotangent.to(y), allow_unused=True)
    claimed = (grad * direction).sum() if grad is not None else torch.zeros((), dtype=x.dtype, device=x.device)
    slope = directional_derivative(f, x.detach(), direction)
    seen, error = (cotangent * slope.value).sum(), (cotangent.abs() * slope.error).sum()
    return FiniteDifference(value=(claimed - seen).abs().detach(), error=error)
