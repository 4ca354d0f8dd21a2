"""Slopes along a line from values alone, with an error estimate that a kink inside the reach makes large.

Central differences see nothing of a kink that lies on the point itself, or closer to it than the smallest step: they
settle on the mean of the slopes on both sides. The gap between the two one-sided differences does see it,

    g(h) = (f(h) + f(−h) − 2 f(0)) / h  =  h f″ + h³ f⁗/12 + …   for a smooth f,      → f′(0+) − f′(0−)   at a kink,

so that what is left of g once its powers of h are extrapolated away is a part of the error.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .finite_difference import FiniteDifference
from .rounding import subnormal_spacing, unit_roundoff

__all__ = ["slope_along"]

# Halvings of the reach: more would drown in rounding before they gain anything.
_LEVELS = 6
# The steps after which it is known whether there is anything to extrapolate.
_ENOUGH = 3


@torch.no_grad()
def slope_along(
    f: Callable[[float], Tensor],
    reach: float,
    *,
    noise: Tensor | None = None,
    levels: int = _LEVELS,
    hopeless: float = torch.inf,
) -> FiniteDifference:
    """The derivative of each element of f(t) at t = 0, from values at |t| ≤ reach.

    Central differences with Richardson extrapolation (as `directional_derivative`), for each element the table entry
    with the least estimated error. The error of an entry is the largest of its change in the table, the rounding noise
    of its step, and what the extrapolated one-sided gap says of a kink.

    Args:
        f: The values along the line, of any floating dtype and shape.
        reach: The first step; halved `levels` − 1 times.
        noise: How far rounding may move an element of f; by default some units of its own size, which is too little
            for an ill-conditioned program.
        levels: The number of steps.
        hopeless: The error, relative to the largest slope, at which the steps end after the third, where half of the
            elements have a larger one: smaller steps of the same order meet the same kinks.

    Source: Ridders 1982, Advances in Engineering Software 4(2), for the smooth part.

    >>> t = torch.tensor([1.0, 0.0], dtype=torch.float64)
    >>> found = slope_along(lambda s: torch.stack([(t[0] + s).exp(), (t[1] + s).relu()]), 0.125)
    >>> round(float(found.value[0]), 8), [bool(e < 1e-8) for e in found.error]
    (2.71828183, [True, False])
    """
    here = f(0.0).detach()
    unit, dtype = unit_roundoff(here.dtype), here.dtype
    here = here.double()
    if noise is None:
        noise = 8.0 * unit * here.abs() + subnormal_spacing(dtype)
    central: list[Tensor] = []
    bends: list[Tensor] = []
    value = error = last_gap = last_bend = None
    step = reach
    for _ in range(levels):
        ahead, behind = f(step).detach().double(), f(-step).detach().double()
        grain = 2.0 * torch.maximum(noise, 4.0 * unit * torch.maximum(ahead.abs(), behind.abs())) / step
        row = [(ahead - behind) / (2.0 * step)]
        for order, coarser in enumerate(central):
            weight = 4.0 ** (order + 1)
            row.append((weight * row[order] - coarser) / (weight - 1.0))
        gap = (ahead + behind - 2.0 * here) / step
        bend = None if last_gap is None else 2.0 * gap - last_gap
        finest = gap if bend is None else bend if last_bend is None else (8.0 * bend - last_bend) / 7.0
        bends.append(finest.abs())
        floor = torch.maximum(grain, torch.stack(bends[-2:]).amax(0))
        for order in range(1, len(row)):
            change = torch.maximum((row[order] - row[order - 1]).abs(), (row[order] - central[order - 1]).abs())
            guess = torch.nan_to_num(torch.maximum(change, floor), nan=torch.inf)
            if value is None or error is None:
                value, error = row[order].clone(), guess
            else:
                better = guess < error
                value, error = torch.where(better, row[order], value), torch.where(better, guess, error)
        central, last_gap, last_bend, step = row, gap, bend, step / 2.0
        if len(row) == _ENOUGH and value is not None and error is not None:
            rough = error > hopeless * float(value.abs().max() if value.numel() else 0.0)
            if int(rough.sum()) * 2 > value.numel():
                break
    assert value is not None
    assert error is not None
    return FiniteDifference(value=value, error=error)
