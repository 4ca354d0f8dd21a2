"""The input at which a function is least accurate: a net over the whole type, then a search around the worst.

Floating-point numbers of one type, in order, are the integers (see `ulp`): a net that is even in these has every
exponent, both signs, the subnormal numbers, and the neighbours of overflow. Errors often jump within a binade, so that
the search around the worst point of the net is a bisection of the interval that it was taken from, not a descent.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .ulp import _SAME_WIDTH, _position

__all__ = ["every_number", "neighbours", "net", "refine"]

# Where functions of a number turn, in most of the literature: between 2^-12 and 2^11.
_TURNS = (-12.0, 11.0)
_PER_ROUND = 6


def _from_integer(n: Tensor, dtype: torch.dtype) -> Tensor:
    lowest = torch.iinfo(_SAME_WIDTH[dtype]).min
    return torch.where(n < 0, lowest - n, n).to(_SAME_WIDTH[dtype]).view(dtype)


def every_number(dtype: torch.dtype, low: float, high: float) -> Tensor:
    """Every finite number of a 16-bit type inside the open interval, in order.

    >>> every_number(torch.bfloat16, 1.0, 1.03)
    tensor([1.0078, 1.0156, 1.0234], dtype=torch.bfloat16)
    """
    bits = torch.arange(-(2**15) + 1, 2**15, dtype=torch.int64)
    found = _from_integer(bits, dtype)
    found = found[torch.isfinite(found)]
    return found[(found.double() > low) & (found.double() < high)]


def net(dtype: torch.dtype, low: float, high: float, count: int, generator: torch.Generator) -> Tensor:
    """About `count` numbers inside the open interval: a half of them even over all numbers, a half where it turns.

    An eighth lies where exponentials of the type overflow and underflow. Zero, one, the smallest and the largest
    numbers are among them, as far as they lie inside.
    """
    info = torch.finfo(dtype)
    ends = torch.tensor([max(low, -info.max), min(high, info.max)], dtype=torch.float64).to(dtype)
    first, last = (int(n) for n in _position(ends))
    place = torch.rand(count // 2, generator=generator, dtype=torch.float64)
    even = _from_integer((first + place * (float(last) - float(first))).to(torch.int64).clamp(first, last), dtype)
    spread = torch.rand(count - count // 2, generator=generator, dtype=torch.float64)
    sign = torch.where(torch.rand(len(spread), generator=generator) < 0.5, -1.0, 1.0).double()
    near = (sign * torch.exp2(_TURNS[0] + (_TURNS[1] - _TURNS[0]) * spread)).to(dtype)
    if math.isfinite(high - low):  # an interval of its own: also near its ends
        near = (low + (high - low) * torch.sigmoid(30 * spread - 15)).to(dtype)
    else:
        brink = torch.tensor([math.log(info.max), -math.log(info.tiny * info.eps)], dtype=torch.float64)
        among = (brink[0] + (1.1 * brink[1] - brink[0]) * (spread - 0.1)) * sign
        near = torch.where(torch.arange(len(spread)) % 4 == 0, among.to(dtype), near)
    edge = [0.0, 1.0, info.eps, info.tiny, info.tiny * info.eps, info.max, math.log(info.max), -math.log(info.tiny)]
    special = torch.tensor([*edge, *(-number for number in edge)], dtype=torch.float64).to(dtype)
    found = torch.cat([special, even, near])
    return found[(found.double() > low) & (found.double() < high) & torch.isfinite(found)]


def neighbours(x: Tensor, reach: int, generator: torch.Generator) -> Tensor:
    """Numbers at most `reach` steps from each of `x`, for differences that cancel."""
    steps = torch.randint(-reach, reach + 1, x.shape, generator=generator)
    moved = _from_integer(_position(x) + steps, x.dtype).reshape(x.shape)
    return torch.where(torch.isfinite(moved), moved, x)


def refine(
    error: Callable[[Tensor], Tensor], start: Tensor, worst: float, *, rounds: int, generator: torch.Generator
) -> tuple[Tensor, float]:
    """A number near `start` with a larger error, by halving the stretch of numbers that is looked at.

    `error` maps numbers of one type to their errors (NaN where there is none). The stretch starts as a quarter of a
    binade to each side and ends at the neighbours.
    """
    digits = round(-math.log2(torch.finfo(start.dtype).eps))
    best = start.reshape(1)
    for k in range(rounds):
        reach = 2.0 ** max(0.0, (digits - 2) * (1 - k / max(rounds - 1, 1)))
        steps = ((2 * torch.rand(_PER_ROUND, generator=generator, dtype=torch.float64) - 1) * reach).round()
        steps = torch.where(steps == 0, torch.ones_like(steps), steps)
        near = _from_integer(_position(best) + steps.to(torch.int64), start.dtype)
        found = torch.nan_to_num(error(near), nan=-1.0)
        found = torch.where(torch.isfinite(near), found, torch.full_like(found, -1.0))
        at = int(found.argmax())
        if float(found[at]) > worst:
            best, worst = near[at : at + 1], float(found[at])
    return best[0], worst
