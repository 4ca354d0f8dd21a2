"""The integral of a density where grids do not settle: kinks, steps, and several scales at a time.

The same coordinates as those of `total_mass`, and its box; adaptive cubature from two partitions with different cells.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from .adaptive_cubature import Cubature, adaptive_cubature, embedded_rule
from .total_mass import FURTHEST, TotalMass, coordinates

__all__ = ["AdaptiveMass", "adaptive_mass"]

# What part of the evaluations the first cells of a partition take, so that few features are missed from the start, and
# how much finer the rest is; the second where two partitions disagree: a feature was missed.
_ROUGH, _FINE = (1 / 16, 1), (1 / 2, 4)

Box = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class AdaptiveMass:
    """The integral from two partitions.

    Attributes:
        mass: The mean of the two, with the larger error, or half of what they differ by where that is larger.
        parts: The partitions.
    """

    mass: TotalMass
    parts: tuple[Cubature, Cubature]

    def width_at(self, t: Tensor) -> Tensor:
        """The larger of the widths of both partitions' cells at points of t."""
        first, second = (part.width_at(t) for part in self.parts)
        return torch.maximum(first, second)


def adaptive_mass(
    log_density: Callable[[Tensor], Tensor], dims: int, seen: TotalMass, *, low: float = -math.inf,
    high: float = math.inf, center: float = 0.0, scale: float = 1.0, points: int = 2**18, tolerance: float = 5e-5,
) -> AdaptiveMass:  # fmt: skip
    """∫ exp(log_density(x)) dx over the box of `seen`, by some `points` evaluations for each of two partitions.

    Where these disagree, or the box cut something off, they are made anew with four times as many.

    Shapes: `log_density` takes [n, dims] in float64 and returns [n]; up to three dimensions.

    Source: Genz & Malik 1980; see `adaptive_cubature`.

    >>> from genverify.numerics.total_mass import total_mass
    >>> laplace = lambda x: -x.abs().sum(-1) - 2 * math.log(2)
    >>> found = adaptive_mass(laplace, 2, total_mass(laplace, 2)).mass
    >>> abs(found.value - 1) <= 4 * found.error, found.error < 1e-4
    (True, True)
    """
    place = coordinates(low, high, center, scale)

    def integrand(t: Tensor) -> Tensor:
        x, log_slope = place(t)
        return (log_density(x).double() + log_slope.sum(-1)).exp()

    each = len(embedded_rule(dims)[0])

    def pair(box: Box, start: float, finer: int) -> tuple[Cubature, Cubature]:
        cells = [
            max(3, int((share * start * points / each) ** (1.0 / dims))) + more for share, more in ((1, 0), (2, 1))
        ]
        one, other = (
            adaptive_cubature(integrand, box, tolerance=tolerance / finer, points=finer * points, cells=count)
            for count in cells
        )
        return one, other

    box = _wider(seen.box, 1.0)
    first, second = pair(box, *_ROUGH)
    used = seen.points + first.points + second.points
    cut = _at_the_ends(first, second, box) > tolerance
    if cut or abs(first.value - second.value) > 2 * tolerance:
        box = _wider(box, 2.0) if cut else box
        first, second = pair(box, *_FINE)
        used += first.points + second.points
    outside = _at_the_ends(first, second, box)
    value = (first.value + second.value) / 2
    rounding = torch.finfo(torch.float64).eps * 64.0 * abs(value)
    error = max(first.error, second.error, abs(first.value - second.value) / 2) + rounding + seen.beyond + outside
    width = max(float((2 * part.halves.amin(-1)).min()) for part in (first, second))
    problem = "" if math.isfinite(value) else "log p is NaN or +inf somewhere"
    mass = replace(
        seen, value=value, error=error, points=used, spacing=width, problem=problem, box=box,
    )  # fmt: skip
    return AdaptiveMass(mass=mass, parts=(first, second))


def _at_the_ends(first: Cubature, second: Cubature, box: Box) -> float:
    return max(one.at_the_ends(box) for one in (first, second))


def _wider(box: Box, by: float) -> Box:
    """A grid may miss where a narrow ridge leaves its box."""
    return tuple((max(-FURTHEST, low - by), min(FURTHEST, high + by)) for low, high in box)
