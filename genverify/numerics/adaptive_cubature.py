"""Adaptive cubature over a box of a few dimensions: where the integrand bends, the box is divided.

Each region has the integral of a rule of degree 7 and that of a rule of degree 5 at some of the same points; their
difference e stands for the error of the region. The regions with most of Σ e² are halved in each round, along the axis
of the largest fourth difference, and all halves are evaluated in one call.

What is left are regions that kinks run through, at places that have nothing to do with each other: a rule that is
moved over a kink is off to either side alike. So the errors add in squares, and the estimate is 3 √Σ e² (a single kink
on the line is missed by up to 1.5 e). It is measured, and no bound. It does not see a feature that no point has met, so
callers compare partitions that start from different cells, and look for peaks.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Cubature", "adaptive_cubature", "embedded_rule"]

_CHUNK = 2**15
# Of the squares that are left, what the regions that are divided in a round hold.
_SHARE = 0.7


@dataclass(frozen=True, kw_only=True)
class Cubature:
    """An integral over a box, and how far off it may be.

    Attributes:
        value: The sum over all regions.
        error: Thrice the root of the sum of squares of the regions' differences between the rules; not a bound.
        points: How many evaluations it took.
        middles: The middle of each region [regions, dims].
        halves: Its half widths [regions, dims].
        parts: Its integral [regions].
    """

    value: float
    error: float
    points: int
    middles: Tensor
    halves: Tensor
    parts: Tensor

    def at_the_ends(self, box: Sequence[tuple[float, float]]) -> float:
        """What the regions that touch a side of the box hold."""
        low, high = (torch.tensor([ends[side] for ends in box], dtype=torch.float64) for side in (0, 1))
        slack = 1e-9 * (high - low)
        touches = (self.middles - self.halves <= low + slack) | (self.middles + self.halves >= high - slack)
        return float(self.parts[touches.any(-1)].abs().sum())

    def width_at(self, at: Tensor) -> Tensor:
        """The largest width of the region around each point [points, dims]; infinite outside of the box."""
        inside = ((at[:, None] - self.middles).abs() <= self.halves * (1 + 1e-9)).all(-1)
        widths = torch.where(inside, 2 * self.halves.amax(-1), math.inf)
        return widths.amin(-1)


def embedded_rule(dims: int) -> tuple[Tensor, Tensor, Tensor]:
    """Points in [−1, 1]^dims, weights of degree 7 and of degree 5 there, as fractions of the volume.

    Shapes: points [1 + 4 dims + 2 dims (dims − 1) + 2^dims, dims].

    Source: Genz & Malik 1980, J. Comput. Appl. Math. 6(4), section 2.

    >>> points, seventh, fifth = embedded_rule(2)
    >>> round(7 * float(seventh @ points[:, 0] ** 6), 12), round(5 * float(fifth @ points[:, 0] ** 4), 12)
    (1.0, 1.0)
    """
    near, far, corner = math.sqrt(9 / 70), math.sqrt(9 / 10), math.sqrt(9 / 19)
    unit = torch.eye(dims, dtype=torch.float64)
    axes = [sign * place * axis for place in (near, far) for axis in unit for sign in (1, -1)]
    pairs = [
        far * (s * unit[i] + t * unit[j])
        for i, j in itertools.combinations(range(dims), 2)
        for s in (1, -1)
        for t in (1, -1)
    ]
    corners = [corner * torch.tensor(signs).double() for signs in itertools.product((1, -1), repeat=dims)]
    points = torch.stack([torch.zeros(dims, dtype=torch.float64), *axes, *pairs, *corners])
    counts = (1, 2 * dims, 2 * dims, len(pairs), len(corners))
    n = dims
    seventh = (
        (12824 - 9120 * n + 400 * n**2) / 19683, 980 / 6561, (1820 - 400 * n) / 19683, 200 / 19683, 6859 / 19683 / 2**n,
    )  # fmt: skip
    fifth = ((729 - 950 * n + 50 * n**2) / 729, 245 / 486, (265 - 100 * n) / 1458, 25 / 729, 0.0)
    spread = [
        torch.cat(
            [torch.full((count,), weight, dtype=torch.float64) for count, weight in zip(counts, rule, strict=True)]
        )
        for rule in (seventh, fifth)
    ]
    return points, spread[0], spread[1]


def adaptive_cubature(
    f: Callable[[Tensor], Tensor], box: Sequence[tuple[float, float]], *, tolerance: float, points: int, cells: int = 4
) -> Cubature:
    """∫ f over a box, until the estimated error is below `tolerance` or `points` evaluations are spent.

    Shapes: `f` takes [n, dims] in float64 and returns [n]; it starts from `cells` regions along each axis.

    Source: Genz & Malik 1980; Berntsen, Espelid & Genz 1991, ACM TOMS 17(4) (many regions at a time).

    >>> found = adaptive_cubature(lambda x: (x[:, 0] - 0.3).abs(), [(0.0, 1.0)], tolerance=1e-9, points=10_000)
    >>> abs(found.value - 0.29) <= 4 * found.error, found.error <= 1e-9
    (True, True)
    """
    rule, dims = embedded_rule(len(box)), len(box)
    low, high = (torch.tensor([ends[side] for ends in box], dtype=torch.float64) for side in (0, 1))
    steps = torch.arange(cells, dtype=torch.float64) + 0.5
    grid = torch.stack([one.reshape(-1) for one in torch.meshgrid(*[steps] * dims, indexing="ij")], -1)
    middles = low + (high - low) * grid / cells
    halves = ((high - low) / (2 * cells)).expand_as(middles)
    values, errors, axes = _judged(f, middles, halves, rule)
    used = len(rule[0]) * len(middles)
    while _together(errors) > tolerance and used < points:
        order, squares = errors.argsort(descending=True), errors.square()
        enough = int((squares[order].cumsum(0) < _SHARE * squares.sum()).sum()) + 1
        chosen = order[: max(1, min(enough, (points - used) // (2 * len(rule[0])) + 1))]
        kept = torch.ones(len(errors), dtype=torch.bool)
        kept[chosen] = False
        axis = axes[chosen]
        half = halves[chosen].clone()
        half[torch.arange(len(chosen)), axis] /= 2
        step = torch.zeros_like(half)
        step[torch.arange(len(chosen)), axis] = half[torch.arange(len(chosen)), axis]
        new = torch.cat([middles[chosen] - step, middles[chosen] + step])
        found = _judged(f, new, torch.cat([half, half]), rule)
        used += len(rule[0]) * len(new)
        middles, halves = torch.cat([middles[kept], new]), torch.cat([halves[kept], half, half])
        values, errors, axes = (
            torch.cat([old[kept], fresh]) for old, fresh in zip((values, errors, axes), found, strict=True)
        )
    return Cubature(
        value=float(values.sum()), error=_together(errors), points=used, middles=middles, halves=halves,
        parts=values,
    )  # fmt: skip


def _together(errors: Tensor) -> float:
    return 3.0 * float(errors.square().sum().sqrt())


def _judged(
    f: Callable[[Tensor], Tensor], middles: Tensor, halves: Tensor, rule: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """The integral over each region, its error, and the axis along which to halve it."""
    points, seventh, fifth = rule
    dims, volume = middles.shape[1], (2 * halves).prod(-1)
    places = (middles[:, None] + halves[:, None] * points).reshape(-1, dims)
    found = torch.cat([f(part) for part in places.split(_CHUNK)]).reshape(len(middles), len(points))
    value = volume * (found @ seventh)
    error = (value - volume * (found @ fifth)).abs()
    # Second differences at two distances, less what a parabola would have: a fourth difference along each axis.
    ends = found[:, 1 : 1 + 4 * dims].reshape(len(middles), 2, dims, 2).sum(-1) - 2 * found[:, :1, None]
    fourth = (ends[:, 0] - ends[:, 1] / 7).abs()  # (9/70)/(9/10) = 1/7
    # Where they are equal (of a constant, say) the longest side is halved.
    longest = halves / halves.amax(-1, keepdim=True)
    return value, error, (fourth / fourth.amax(-1, keepdim=True).clamp_min(1e-300) + 1e-9 * longest).argmax(-1)
