"""Maxima of a function of several variables that may be −∞ or NaN almost anywhere: searches by coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["climbed", "local_maxima"]

# Rounds for each dimension, of which each moves one coordinate, at first by a fourth of this.
_CLIMBS, _FIRST = 24, 4.0
# Steps so small beside the first lead nowhere any more.
_SMALL = 2.0**-16
# From how far the climbs begin: a third of them each.
_RADII = (1.0, 4.0, 12.0)
# Ends that agree to a thousandth are one.
_TOLD = 1000.0


def climbed(function: Callable[[Tensor], Tensor], at: Tensor, step: float, rounds: int) -> Tensor:
    """Where searches by coordinates from points [n, d] end that halve their step when they get no higher.

    >>> climbed(lambda x: -((x - 1.0) ** 2).sum(-1), torch.zeros(1, 2), 1.0, 60)
    tensor([[1., 1.]])
    """
    height, steps = function(at), torch.full((len(at),), step / 4, dtype=at.dtype)
    for _ in range(rounds):
        if bool((steps < _SMALL * step).all()):
            break
        best, where = height, at
        for axis in range(at.shape[-1]):
            for sign in (-1.0, 1.0):
                moved = at.clone()
                moved[:, axis] += sign * steps
                reached = function(moved)
                higher = reached > best
                best, where = torch.where(higher, reached, best), torch.where(higher[:, None], moved, where)
        steps = torch.where(best > height, steps, steps / 2)
        at, height = where, best
    return at


def local_maxima(
    function: Callable[[Tensor], Tensor], dims: int, count: int, generator: torch.Generator
) -> Tensor:  # fmt: skip
    """Ends [n, dims] of climbs from `count` random points around zero, near and far; none where all are −∞ or NaN.

    >>> double = lambda x: torch.logaddexp(-((x - 3.0) ** 2).sum(-1), -((x + 3.0) ** 2).sum(-1))
    >>> found = local_maxima(double, 4, 64, torch.Generator().manual_seed(0))
    >>> sorted(set(found[:, 0].round().tolist()))
    [-3.0, 3.0]
    """

    def clean(x: Tensor) -> Tensor:
        values = function(x).double()
        return torch.where(torch.isnan(values), torch.full_like(values, -math.inf), values)

    radius = torch.tensor(_RADII, dtype=torch.float64)[torch.arange(count) % len(_RADII)]
    spread = 2.0 * torch.rand(count, dims, generator=generator, dtype=torch.float64) - 1.0
    at = radius[:, None] * spread
    at = torch.cat([torch.zeros(1, dims, dtype=torch.float64), at])
    at = at[clean(at) > -math.inf]
    if not len(at):
        return at
    # Many climbs end at one place: it is told once.
    ends = climbed(clean, at, _FIRST, _CLIMBS * dims)
    return torch.unique((ends * _TOLD).round(), dim=0) / _TOLD
