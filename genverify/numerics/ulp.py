"""Units in the last place: how far apart two floating-point numbers are, in steps of their own grid."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.errors import UsageError

__all__ = ["ulp", "ulp_error", "ulps_between"]

# An integer type as wide as each floating type, so that a float's bits can be read as a sign and a magnitude.
_SAME_WIDTH = {
    torch.float64: torch.int64,
    torch.float32: torch.int32,
    torch.float16: torch.int16,
    torch.bfloat16: torch.int16,
}


def _check(dtype: torch.dtype) -> None:
    if dtype not in _SAME_WIDTH:
        known = ", ".join(str(known) for known in _SAME_WIDTH)
        raise UsageError(given=f"dtype {dtype}", expected=f"one of {known}", do="cast the tensors to one of them first")


def ulp(x: Tensor, dtype: torch.dtype) -> Tensor:
    """The spacing of the floating-point numbers of `dtype` around |x|, as float64.

    ulp(x) = 2^(max(e, e_min) - p + 1) for 2^e <= |x| < 2^(e+1), with p the bits of the significand and e_min the
    smallest normal exponent; below it, subnormals are evenly spaced. Beyond the largest finite number the spacing of
    the last binade is returned; NaN gives NaN and an infinity gives infinity.

    Shapes: `x` of any shape, any floating dtype (it need not be representable in `dtype`); the result has its shape.

    Raises:
        UsageError: `dtype` is not float64, float32, float16 or bfloat16.

    Source: Muller et al., Handbook of Floating-Point Arithmetic, 2nd ed. 2018, definition 2.6 (Goldberg's ulp).

    >>> ulp(torch.tensor([1.0, 2.0, 0.0]), torch.float32) == torch.tensor([2.0**-23, 2.0**-22, 2.0**-149])
    tensor([True, True, True])
    """
    _check(dtype)
    info = torch.finfo(dtype)
    value = x.detach().to(torch.float64)
    digits = round(-math.log2(info.eps))
    smallest, largest = math.frexp(info.tiny)[1] - 1, math.frexp(info.max)[1] - 1
    exponent = torch.frexp(value.abs()).exponent.to(torch.float64) - 1
    # frexp says exponent 0 for zero, which would otherwise pass for a number near one half.
    exponent = torch.where(value == 0, smallest, exponent).clamp(smallest, largest)
    spacing = torch.ldexp(torch.ones_like(value), (exponent - digits).to(torch.int64))
    spacing = torch.where(torch.isinf(value), torch.full_like(value, math.inf), spacing)
    return torch.where(torch.isnan(value), value, spacing)


def ulp_error(observed: Tensor, exact: Tensor, dtype: torch.dtype) -> Tensor:
    """The error of `observed` in units of the last place of `exact`: |observed - exact| / ulp(exact).

    Shapes: broadcast; the result is float64. Equal values, equal infinities and two NaNs give 0; a NaN or an infinity
    on one side only gives infinity.

    Source: Muller et al. 2018, section 2.3.2.

    >>> ulp_error(torch.tensor(1.0 + 2.0**-23), torch.tensor(1.0 + 2.0**-24, dtype=torch.float64), torch.float32)
    tensor(0.5000, dtype=torch.float64)
    """
    seen, true = torch.broadcast_tensors(observed.detach().to(torch.float64), exact.detach().to(torch.float64))
    error = (seen - true).abs() / ulp(true, dtype)
    same = (seen == true) | (torch.isnan(seen) & torch.isnan(true))
    error = torch.where(torch.isfinite(seen) & torch.isfinite(true), error, torch.full_like(error, math.inf))
    return torch.where(same, torch.zeros_like(error), error)


def _position(x: Tensor) -> Tensor:
    """The place of each float on the number line of its type: consecutive floats get consecutive integers."""
    bits = x.contiguous().view(_SAME_WIDTH[x.dtype]).to(torch.int64)
    lowest = torch.iinfo(_SAME_WIDTH[x.dtype]).min
    return torch.where(bits < 0, lowest - bits, bits)  # -0.0 lands on 0, as +0.0 does


def ulps_between(a: Tensor, b: Tensor, dtype: torch.dtype) -> Tensor:
    """How many steps of the grid of `dtype` lead from `a` to `b`, both rounded to `dtype` first; as float64.

    Shapes: broadcast. +0 and -0 are the same number; subnormals count one step each; equal infinities and two NaNs are
    0 apart; a NaN or an infinity on one side only is infinitely far. Counts above 2^53 are rounded to float64.

    Raises:
        UsageError: `dtype` is not float64, float32, float16 or bfloat16.

    Source: Goldberg 1991, section 1.2; the map from bits to integers is Dawson's (2012).

    >>> ulps_between(torch.tensor([1.0, -0.0]), torch.tensor([1.0 + 2.0**-22, 2.0**-149]), torch.float32)
    tensor([2., 1.], dtype=torch.float64)
    """
    _check(dtype)
    first, second = torch.broadcast_tensors(a.detach().to(dtype), b.detach().to(dtype))
    p, q = _position(first), _position(second)
    # Of opposite signs the distance may not fit 64 bits: add the magnitudes in float64. Else integers are exact.
    apart = (p >= 0) != (q >= 0)
    steps = torch.where(apart, p.double().abs() + q.double().abs(), (p - torch.where(apart, p, q)).abs().double())
    both = torch.isfinite(first) & torch.isfinite(second)
    steps = torch.where(both, steps, torch.full_like(steps, math.inf))
    same = (first == second) | (torch.isnan(first) & torch.isnan(second))
    return torch.where(same, torch.zeros_like(steps), steps)
