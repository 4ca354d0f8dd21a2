"""Batches of events: points of a region on a grid of simple numbers, so that they shrink to what a person can read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.subjects.region import Region

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

__all__ = ["batches", "points"]

# Steps of the grid on each side of zero, and how many make 1: numbers such as -3.25, up to 4.
_STEPS, _PER_UNIT = 64, 16
# Beyond so many numbers a batch is laid out from a few of them; one draw for each would only slow the search.
_FREE = 48


def batches(event: tuple[int, ...], *, least: int = 1) -> SearchStrategy[int]:
    """Numbers of rows: 1 (or `least`) to 4, fewer for large events."""
    from hypothesis import strategies as st

    return st.integers(least, 4 if math.prod(event) <= 16 else 2)


def points(region: Region, shape: tuple[int, ...]) -> SearchStrategy[Tensor]:
    """Tensors of this shape with every entry in the interior of the region, in float64."""
    from hypothesis import strategies as st

    count = math.prod(shape)
    steps = st.integers(-_STEPS, _STEPS) if region.whole else st.integers(1, 2 * _STEPS - 1)
    drawn = min(count, _FREE)

    def laid_out(numbers: list[int]) -> Tensor:
        # Beyond the free ones, entry k is number (k² + k // free) mod free: irregular, without a period.
        full = numbers if count <= _FREE else [numbers[(k * k + k // _FREE) % _FREE] for k in range(count)]
        return _placed(torch.tensor(full, dtype=torch.float64).reshape(shape), region)

    return st.lists(steps, min_size=drawn, max_size=drawn).map(laid_out)


def _placed(steps: Tensor, region: Region) -> Tensor:
    if region.simplex:
        return steps / steps.sum(-1, keepdim=True)
    if region.whole:
        return steps / _PER_UNIT
    if math.isinf(region.high):
        return region.low + steps / _PER_UNIT
    if math.isinf(region.low):
        return region.high - steps / _PER_UNIT
    return region.low + (region.high - region.low) * steps / (2 * _STEPS)
