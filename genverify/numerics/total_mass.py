"""The integral of a density over all of its support in up to three dimensions, with an error that was measured.

Each coordinate is written x(t) with t on the whole line, so that the integrand falls off at both ends, and summed
by the trapezoidal rule, which for analytic integrands converges faster than any power of the spacing h:

    x = c + s sinh t  (line),   x = a + s exp t  (half-line),   x = a + (b − a) / (1 + exp(−t))  (interval).

The box of t is first cut to where the integrand is not negligible. The error estimate compares three grids that are
shifted against each other and one of twice the spacing; a grid that misses a feature misses it otherwise when shifted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .maxima import climbed

__all__ = ["FURTHEST", "TotalMass", "coordinates", "coordinates_of", "total_mass", "unresolved_peak"]

FURTHEST = 36.0  # sinh 36 = 2e15: as far as float64 resolves positions
_NEGLIGIBLE = 2.0**-70  # of the largest value of the integrand: below rounding of the sum, by far
_SHIFTS = (0.0, 0.37, 0.71)
_CHUNK = 2**14
# Of a search for peaks: from how many points it climbs, in how many steps, and how far one falls in half a cell.
_CLIMBERS, _CLIMBS, _FALL = 2048, 60, 4.0


@dataclass(frozen=True, kw_only=True)
class TotalMass:
    """∫ p(x) dx and how far off it may be.

    Attributes:
        value: The integral.
        error: Largest difference between the grids, rounding included; not a bound.
        points: How many evaluations it took.
        spacing: The finest spacing in t, in which neighbouring x differ by about that fraction of their scale.
        truncated: Whether the integrand still counts where the grid ends: then `value` is a lower bound.
        problem: Why the numbers mean nothing; empty when they do not.
        box: Where along each axis of t the sum was taken.
        beyond: What may lie outside of it; a part of `error`.
    """

    value: float
    error: float
    points: int
    spacing: float
    truncated: bool = False
    problem: str = ""
    box: tuple[tuple[float, float], ...] = ()
    beyond: float = 0.0


def total_mass(
    log_density: Callable[[Tensor], Tensor],
    dims: int,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    center: float = 0.0,
    scale: float = 1.0,
    points: int = 2**15,
) -> TotalMass:
    """∫ exp(log_density(x)) dx over (low, high)^dims.

    Shapes: `log_density` takes [n, dims] in float64 and returns [n].

    Source: Trefethen & Weideman 2014, SIAM Review 56(3), theorem 5.1 (trapezoidal rule on the line).

    >>> found = total_mass(lambda x: -0.5 * (x**2 + math.log(2 * math.pi)).sum(-1), 2)
    >>> abs(found.value - 1.0) <= 4.0 * found.error, found.error < 1e-9
    (True, True)
    """
    place = coordinates(low, high, center, scale)
    used = 0

    def integrand(t: Tensor) -> Tensor:
        nonlocal used
        x, log_slope = place(t)
        parts = [log_density(part).double() for part in x.split(_CHUNK)]
        used += len(x)
        return torch.cat(parts) + log_slope.sum(-1)

    per_axis = max(8, int((points / 8) ** (1.0 / dims)))
    box = _box(integrand, dims, per_axis)
    if isinstance(box, str):
        return TotalMass(value=math.nan, error=math.inf, points=used, spacing=math.inf, problem=box)
    finest = max(8, int((points / (len(_SHIFTS) + 1)) ** (1.0 / dims)))
    found = [_trapezoid(integrand, box, finest, shift) for shift in _SHIFTS]
    sums, outermost = [total for total, _ in found], found[0][1]
    coarse, _ = _trapezoid(integrand, box, max(4, finest // 2), _SHIFTS[0])
    spacing = max((b - a) / finest for a, b in box)
    value = sums[0]
    if not all(math.isfinite(s) for s in [*sums, coarse]):
        problem = "log p is NaN or +inf somewhere"
        return TotalMass(value=value, error=math.inf, points=used, spacing=spacing, problem=problem)
    # Rounding: exp turns an error of u |log p| into a relative one, and log p is of moderate size where p counts.
    if not value > 0.0:
        problem = "no mass was found on the grid; say where it is: around=(center, scale)"
        return TotalMass(value=value, error=math.inf, points=used, spacing=spacing, problem=problem)
    rounding = torch.finfo(torch.float64).eps * 64.0 * abs(value)
    # Beyond the ends an integrand that falls like exp(−r|t|) has 1/(exp r − 1) of what the outermost unit of t holds:
    # at most twice that for r ≥ ½, as an inverse square root at an edge has.
    error = max([abs(s - value) for s in sums[1:]] + [abs(coarse - value) ** 2 / value]) + rounding + 2.0 * outermost
    ends = any(abs(end) >= FURTHEST for axis in box for end in axis)
    return TotalMass(
        value=value, error=error, points=used, spacing=spacing, truncated=ends, box=tuple(box), beyond=2.0 * outermost
    )


def unresolved_peak(
    log_density: Callable[[Tensor], Tensor],
    dims: int,
    seen: TotalMass,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    center: float = 0.0,
    scale: float = 1.0,
    width_at: Callable[[Tensor], Tensor] | None = None,
) -> Tensor | None:
    """A maximum of the density that the grid of `seen` steps over and that may hold mass; None where none is found.

    Where its cells are of several widths, `width_at` says those at points of t.

    From every node of a coarse grid over all of the line it climbs log p coordinate by coordinate: a peak that is far
    too narrow for a grid still shows in log p, as a slope, wherever it outweighs the others. It may hold mass if its
    height over one cell of the grid comes to a thousandth of what `seen` lacks.

    >>> def spikes(x):
    ...     return torch.logsumexp(-0.5e8 * (x - torch.tensor([-3.0, 0.0, 2.0])) ** 2, -1) + math.log(1e4 / 7.52)
    >>> found = total_mass(spikes, 1)
    >>> found.value < 0.4, unresolved_peak(spikes, 1, found) is None
    (True, False)
    """
    place = coordinates(low, high, center, scale)

    def integrand(t: Tensor) -> Tensor:
        x, log_slope = place(t)
        values = torch.cat([log_density(part).double() for part in x.split(_CHUNK)]) + log_slope.sum(-1)
        return torch.where(torch.isnan(values), torch.full_like(values, -math.inf), values)

    per_axis = max(8, int(_CLIMBERS ** (1.0 / dims)))
    coarse = 2 * FURTHEST / (per_axis - 1)
    at = _grid([torch.linspace(-FURTHEST, FURTHEST, per_axis, dtype=torch.float64)] * dims)
    at = at[torch.isfinite(integrand(at))]
    if not len(at):
        return None
    at = climbed(integrand, at, coarse, _CLIMBS)
    height = integrand(at)
    ends = torch.tensor(seen.box, dtype=torch.float64)
    inside = ((at >= ends[:, 0]) & (at <= ends[:, 1])).all(-1)
    spacing = torch.full_like(height, seen.spacing) if width_at is None else width_at(at).clamp(max=coarse)
    cell = torch.where(inside, spacing, torch.full_like(height, coarse))
    beside = torch.full_like(height, -math.inf)
    for axis in range(dims):
        for sign in (-0.5, 0.5):
            moved = at.clone()
            moved[:, axis] += sign * spacing
            beside = torch.maximum(beside, integrand(moved))
    # Half a cell beside the top of a normal peak that the grid resolves it is a few lower, not more.
    resolved = inside & (beside > height - _FALL)
    telling = ~resolved & (height + dims * cell.log() > math.log(abs(1.0 - seen.value) / 1000.0))
    return place(at[telling][:1])[0].reshape(-1) if bool(telling.any()) else None


def coordinates(low: float, high: float, center: float, scale: float) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """T on the line ↦ x(t) in (low, high), and log |dx/dt|; elementwise.

    >>> x, log_slope = coordinates(0.0, math.inf, 0.0, 2.0)(torch.zeros(1))
    >>> x, log_slope.exp()
    (tensor([2.]), tensor([2.]))
    """

    def line(t: Tensor) -> tuple[Tensor, Tensor]:
        return center + scale * torch.sinh(t), math.log(scale) + torch.log(torch.cosh(t))

    def above(t: Tensor) -> tuple[Tensor, Tensor]:
        return low + scale * torch.exp(t), math.log(scale) + t

    def below(t: Tensor) -> tuple[Tensor, Tensor]:
        return high - scale * torch.exp(t), math.log(scale) + t

    def between(t: Tensor) -> tuple[Tensor, Tensor]:
        inside = torch.nn.functional.logsigmoid(t) + torch.nn.functional.logsigmoid(-t)
        return low + (high - low) * torch.sigmoid(t), math.log(high - low) + inside

    if math.isinf(low) and math.isinf(high):
        return line
    if math.isinf(high):
        return above
    return below if math.isinf(low) else between


def coordinates_of(low: float, high: float, center: float, scale: float) -> Callable[[Tensor], Tensor]:
    """X in (low, high) ↦ t on the line, what `coordinates` is the inverse of.

    >>> t = torch.tensor([-2.0, 0.0, 1.5])
    >>> torch.allclose(coordinates_of(0.0, 3.0, 0.0, 1.0)(coordinates(0.0, 3.0, 0.0, 1.0)(t)[0]), t)
    True
    """
    if math.isinf(low) and math.isinf(high):
        return lambda x: torch.asinh((x - center) / scale)
    if math.isinf(high):
        return lambda x: torch.log((x - low) / scale)
    return lambda x: torch.log((high - x) / scale) if math.isinf(low) else torch.logit((x - low) / (high - low))


def _grid(axes: list[Tensor]) -> Tensor:
    return torch.stack([mesh.reshape(-1) for mesh in torch.meshgrid(*axes, indexing="ij")], -1)


def _box(integrand: Callable[[Tensor], Tensor], dims: int, per_axis: int) -> list[tuple[float, float]] | str:
    """Where the integrand exceeds a negligible fraction of its maximum, by two sweeps; or why there is no such box."""
    box = [(-FURTHEST, FURTHEST)] * dims
    for _ in range(2):
        axes = [torch.linspace(a, b, per_axis, dtype=torch.float64) for a, b in box]
        values = integrand(_grid(axes)).reshape([per_axis] * dims)
        values = torch.where(torch.isnan(values), torch.full_like(values, -math.inf), values)
        top = float(values.max())
        if not math.isfinite(top):
            return "no point of the grid has a positive finite density; say where the mass is: around=(center, scale)"
        counts = values > top + math.log(_NEGLIGIBLE)
        for axis in range(dims):
            others = tuple(k for k in range(dims) if k != axis)
            seen = counts.any(dim=others) if others else counts
            index = seen.nonzero().reshape(-1)
            first, last = int(index[0]), int(index[-1])
            a, b = box[axis]
            step = (b - a) / (per_axis - 1)
            box[axis] = (max(-FURTHEST, a + (first - 1) * step), min(FURTHEST, a + (last + 1) * step))
    return box


def _trapezoid(
    integrand: Callable[[Tensor], Tensor], box: list[tuple[float, float]], per_axis: int, shift: float
) -> tuple[float, float]:
    """The sum, and the part of it that lies in the outermost unit of t at an end of the grid."""
    steps = [(b - a) / per_axis for a, b in box]
    axes = [a + h * (torch.arange(per_axis, dtype=torch.float64) + shift) for (a, _), h in zip(box, steps, strict=True)]
    total = outermost = 0.0
    first, rest = axes[0], axes[1:]
    for part in first.split(max(1, _CHUNK // per_axis ** len(rest))):
        t = _grid([part, *rest])
        values = integrand(t).exp()
        total += float(values.sum())
        outermost += float(values[(t.abs() > FURTHEST - 1.0).any(-1)].sum())
    return total * math.prod(steps), outermost * math.prod(steps)
